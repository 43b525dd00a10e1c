locals {
  group = local.instances ? join(":", [
    "arn", local.partition, "autoscaling", data.aws_region.current.id, data.aws_caller_identity.current.account_id,
    "autoScalingGroup", "*", "autoScalingGroupName/${var.capacity.group.name}",
  ]) : ""
}

# As many workers as the runs under way have chunks for ----------------------------------------------------------------

module "provide_workers" {
  source = "../function"

  name        = "ProvideWorkers"
  description = "Has as many workers as the runs under way have chunks for"
  memory_size = 512
  policies    = { ReadRuns = var.policies["ReadRuns"] }
  allow = concat([
    { actions = ["s3:PutObject"], resources = ["${local.runs}/failure.json", "${local.runs}/failure.html"] },
    { actions = ["ecs:DescribeServices", "ecs:UpdateService"], resources = [aws_ecs_service.workers.id] },
    { actions = ["events:EnableRule", "events:DisableRule"], resources = [aws_cloudwatch_event_rule.look_again.arn] },
    ], local.instances ? [{ actions = ["autoscaling:SetDesiredCapacity"], resources = [local.group] }] : [],
  )
  environment = merge(var.environment, local.instances ? tomap({
    GROUP                = var.capacity.group.name
    WORKERS_PER_INSTANCE = tostring(var.capacity.group.workers_per_instance)
    }) : tomap({}), {
    CLUSTER          = var.capacity.cluster.name
    SERVICE          = aws_ecs_service.workers.name
    RULE             = aws_cloudwatch_event_rule.look_again.name
    PATIENCE_MINUTES = var.no_capacity_minutes
  })
  common = var.common
}

# A policy of its own, as the state machine calls the function, and the two would wait for each other otherwise.
module "see_executions" {
  source = "../policy_document"
  allow = [
    { actions = ["states:ListExecutions"], resources = [var.state_machine_arn] },
    {
      actions   = ["states:DescribeExecution", "states:StopExecution"]
      resources = ["${replace(var.state_machine_arn, ":stateMachine:", ":execution:")}:*"]
    },
  ]
}

resource "aws_iam_role_policy" "see_executions" {
  name   = "see-executions"
  role   = module.provide_workers.role
  policy = module.see_executions.json
}

locals {
  look = jsonencode({ machine = var.state_machine_arn })

  # Each calls ProvideWorkers.
  rules = {
    ExecutionEnds = { rule = aws_cloudwatch_event_rule.execution_ends, input = null }
    EveryHour     = { rule = aws_cloudwatch_event_rule.every_hour, input = local.look }
    LookAgain     = { rule = aws_cloudwatch_event_rule.look_again, input = local.look }
  }
}

# However an execution ends, aborted and timed out too, which no state of its own sees.
resource "aws_cloudwatch_event_rule" "execution_ends" {
  name        = "${local.stack}-ExecutionEnds"
  description = "An execution of dataproc has ended, so that fewer workers are needed"
  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail = {
      stateMachineArn = [var.state_machine_arn]
      status          = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
    }
  })
}

# The last net.
resource "aws_cloudwatch_event_rule" "every_hour" {
  name                = "${local.stack}-EveryHour"
  description         = "Looks once an hour whether there are workers that nobody needs"
  schedule_expression = "rate(1 hour)"
}

# ProvideWorkers turns it on with the first run, and off after the last.
resource "aws_cloudwatch_event_rule" "look_again" {
  name                = "${local.stack}-LookAgain"
  description         = "Looks every five minutes, while there is a run, whether its workers are at work"
  schedule_expression = "rate(5 minutes)"
  state               = "DISABLED"

  lifecycle {
    ignore_changes = [state]
  }
}

resource "aws_cloudwatch_event_target" "provide_workers" {
  for_each = local.rules

  rule      = each.value.rule.name
  target_id = "ProvideWorkers"
  arn       = module.provide_workers.arn
  input     = each.value.input
}

resource "aws_lambda_permission" "rules" {
  for_each = local.rules

  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = module.provide_workers.name
  principal     = "events.amazonaws.com"
  source_arn    = each.value.rule.arn
}
