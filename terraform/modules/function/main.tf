locals {
  # A state, its function, its handler's file, its event and its test share one name: GeneratePart, generate_part.
  handler_file = lower(replace(var.name, "/([a-z])([A-Z])/", "$${1}_$2"))
  full_name    = "${var.common.stack_name}-${var.name}"
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_272:No code signing: the code comes from a bucket that only this stack writes to.
  function_name = local.full_name
  description   = var.description
  handler       = "${local.handler_file}.handler"
  runtime       = "python3.13"
  architectures = [var.common.architecture]
  layers        = var.common.layers
  memory_size   = var.memory_size
  timeout       = 900
  role          = aws_iam_role.this.arn
  s3_bucket     = var.common.code_bucket
  s3_key        = var.common.code_key

  environment {
    variables = merge(var.environment, {
      POWERTOOLS_SERVICE_NAME = "montecarlo"
      POWERTOOLS_LOG_LEVEL    = var.common.log_level # as logging_config, which Lambda filters by
    })
  }

  logging_config {
    log_format            = "JSON"
    application_log_level = var.common.log_level
    log_group             = aws_cloudwatch_log_group.this.name
  }

  # Lambda traces the first request each second and 5 % of the others, so a large run costs cents.
  tracing_config {
    mode = "Active"
  }

  # A function that starts before it may log or read would fail once.
  depends_on = [
    aws_iam_role_policy.this,
    aws_iam_role_policy_attachment.shared,
    aws_iam_role_policy_attachment.this,
  ]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${local.full_name}"
  retention_in_days = var.common.log_retention_days
}

resource "aws_iam_role" "this" {
  name_prefix = "${local.full_name}-" # roles are not per Region: a fixed name would bar the stack from a second one
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# Logs and traces, as SAM grants them.
resource "aws_iam_role_policy_attachment" "this" {
  for_each = toset(["service-role/AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"])

  role       = aws_iam_role.this.name
  policy_arn = "arn:${var.common.partition}:iam::aws:policy/${each.key}"
}

module "objects" {
  source = "../policy_document"
  allow  = var.allow
}

resource "aws_iam_role_policy" "this" {
  name   = "objects"
  role   = aws_iam_role.this.name
  policy = module.objects.json
}

# What several functions may do, in policies that stand once.
resource "aws_iam_role_policy_attachment" "shared" {
  for_each = var.policies

  role       = aws_iam_role.this.name
  policy_arn = each.value
}
