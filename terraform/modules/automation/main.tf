data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  region    = data.aws_region.current.id
  schedules = toset(var.schedule == "" ? [] : ["NightlyRun"])
  mails     = toset(var.notification_email == "" ? [] : ["Notifications"])

  rules = {
    # The event that the state machine sends in its state Announce.
    RunPublished = {
      description = "A run is published"
      pattern = {
        source      = ["montecarlo"]
        detail-type = ["Run published"]
        detail      = { machine = [var.data_proc_state_machine_arn] }
      }
      paths = {
        text   = "$.detail.published.headline.text"
        report = "$.detail.published.console.report"
      }
      template = <<-EOT
        "<text>"
        "The report: <report>"
      EOT
    }

    # What Step Functions tells of every end. The cause is left out: it can name a bank's files, and has quotes in it.
    RunNotPublished = {
      description = "An execution of dataproc has ended, and nothing is published"
      pattern = {
        source      = ["aws.states"]
        detail-type = ["Step Functions Execution Status Change"]
        detail = {
          stateMachineArn = [var.data_proc_state_machine_arn]
          status          = ["FAILED", "TIMED_OUT", "ABORTED"]
        }
      }
      paths = {
        name      = "$.detail.name"
        status    = "$.detail.status"
        execution = "$.detail.executionArn"
      }
      template = <<-EOT
        "The execution <name> of dataproc has ended as <status>. Nothing of it is published; what was simulated is kept."
        "Why, and what to do: https://${var.console_host}/states/home?region=${local.region}#/v2/executions/details/<execution>"
      EOT
    }
  }
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:The request has no secret in it; EventBridge Scheduler encrypts it with a key that AWS owns.
  for_each = local.schedules

  name                         = "${var.stack_name}-${each.key}"
  description                  = "Starts dataproc"
  schedule_expression          = var.schedule
  schedule_expression_timezone = "UTC"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.data_proc_state_machine_arn
    role_arn = aws_iam_role.schedule[each.key].arn
    input    = var.scheduled_request

    # A start that is late by more than an hour is left out. One that is repeated finds the run of its date.
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 10
    }

    dead_letter_config {
      arn = aws_sqs_queue.this[each.key].arn
    }
  }
}

resource "aws_iam_role" "schedule" {
  for_each = local.schedules

  name_prefix = "${var.stack_name}-${each.key}-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = {
          "aws:SourceAccount" = local.account
          "aws:SourceArn"     = "arn:${var.partition}:scheduler:${local.region}:${local.account}:schedule-group/default"
        }
      }
    }]
  })
}

module "start" {
  source = "../policy_document"
  allow = concat(
    [{ actions = ["states:StartExecution"], resources = [var.data_proc_state_machine_arn] }],
    [for queue in aws_sqs_queue.this : { actions = ["sqs:SendMessage"], resources = [queue.arn] }],
  )
}

resource "aws_iam_role_policy" "schedule" {
  for_each = local.schedules

  name   = "start"
  role   = aws_iam_role.schedule[each.key].name
  policy = module.start.json
}

# What EventBridge Scheduler was to start and could not, with what it was told: nothing else would tell of it.
resource "aws_sqs_queue" "this" {
  for_each = local.schedules

  name                      = "${var.stack_name}-NotStarted"
  message_retention_seconds = 1209600 # 14 days, the most
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_policy" "this" {
  for_each = local.schedules

  queue_url = aws_sqs_queue.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.this[each.key].arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

# It stays until the messages are deleted, or are 14 days old.
resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.schedules

  alarm_name          = "${var.stack_name}-RunNotStarted"
  alarm_description   = "A scheduled run could not be started. The messages in the queue NotStarted say why; the alarm ends when they are deleted."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.this[each.key].name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = concat(compact([var.alarm_topic_arn]), [for topic in aws_sns_topic.this : topic.arn])
}

# EventBridge can use a key only whose policy names it, which that of the key alias/aws/sns does not. Neither this policy
# nor the topic's can have conditions on the rule: AWS documents that EventBridge does not meet them.
resource "aws_kms_key" "this" {
  for_each = local.mails

  description             = "Encrypts what is told of runs until it is sent"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:${var.partition}:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "EventBridge"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
      },
      ], [for _ in local.schedules : {
        Sid       = "Alarm"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
    }])
  })
}

resource "aws_sns_topic" "this" {
  for_each = local.mails

  name              = "${var.stack_name}-${each.key}"
  kms_master_key_id = aws_kms_key.this[each.key].key_id
}

resource "aws_sns_topic_policy" "this" {
  for_each = local.mails

  arn = aws_sns_topic.this[each.key].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Sid       = "EventBridge"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.this[each.key].arn
      }], [for alarm in aws_cloudwatch_metric_alarm.this : {
      Sid       = "Alarm"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.this[each.key].arn
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnEquals    = { "aws:SourceArn" = alarm.arn }
      }
    }])
  })
}

resource "aws_sns_topic_subscription" "this" {
  for_each = local.mails

  topic_arn = aws_sns_topic.this[each.key].arn
  protocol  = "email"
  endpoint  = var.notification_email
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = var.notification_email == "" ? {} : local.rules

  name          = "${var.stack_name}-${each.key}"
  description   = each.value.description
  event_pattern = jsonencode(each.value.pattern)
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = aws_cloudwatch_event_rule.this

  rule      = each.value.name
  target_id = "Notifications"
  arn       = aws_sns_topic.this["Notifications"].arn

  input_transformer {
    input_paths    = local.rules[each.key].paths
    input_template = trimspace(local.rules[each.key].template)
  }
}
