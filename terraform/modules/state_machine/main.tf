data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  full_name = "${var.stack_name}-${var.name}"
  states    = "arn:${var.partition}:states:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}"
  machine   = "${local.states}:stateMachine:${local.full_name}"
  execution = "${local.states}:execution:${local.full_name}"

  allow = concat(
    [{ actions = ["lambda:InvokeFunction"], resources = var.function_arns }],
    var.allow,
    [
      # A Distributed Map starts its children as executions of its own state machine.
      { actions = ["states:StartExecution"], resources = [local.machine] },
      {
        actions   = ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"]
        resources = ["${local.execution}:*", "${local.execution}/*"]
      },
      # Log delivery has no resources to name: AWS demands "*" for these actions.
      {
        actions = [
          "logs:CreateLogDelivery",
          "logs:GetLogDelivery",
          "logs:UpdateLogDelivery",
          "logs:DeleteLogDelivery",
          "logs:ListLogDeliveries",
          "logs:PutResourcePolicy",
          "logs:DescribeResourcePolicies",
          "logs:DescribeLogGroups",
        ]
        resources = ["*"]
      },
    ],
  )
}

resource "aws_sfn_state_machine" "this" {
  #checkov:skip=CKV_AWS_285:Without the executions' data: inputs can name a bank's files.
  name       = local.full_name
  type       = "STANDARD"
  role_arn   = aws_iam_role.this.arn
  definition = var.definition

  # Errors only, and without the executions' data: inputs can name a bank's files.
  logging_configuration {
    level                  = "ERROR"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.this.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  depends_on = [aws_iam_role_policy.this, aws_iam_role_policy_attachment.tracing]
}

# Step Functions writes to groups of this name without adding to CloudWatch's resource policy, whose size is limited.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/vendedlogs/states/${local.full_name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "this" {
  name_prefix = "${local.full_name}-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "tracing" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:${var.partition}:iam::aws:policy/AWSXrayWriteOnlyAccess"
}

module "run" {
  source = "../policy_document"
  allow  = local.allow
}

resource "aws_iam_role_policy" "this" {
  name   = "run"
  role   = aws_iam_role.this.name
  policy = module.run.json
}
