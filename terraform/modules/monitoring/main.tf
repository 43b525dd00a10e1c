data "aws_region" "current" {}

locals {
  alarms = {
    DataGenFailed = {
      arn         = var.data_gen_state_machine_arn
      metric      = "ExecutionsFailed"
      description = "An execution of datagen failed. Its page in the console says why."
    }
    DataGenTimedOut = {
      arn         = var.data_gen_state_machine_arn
      metric      = "ExecutionsTimedOut"
      description = "An execution of datagen ran for longer than its state machine allows."
    }
    DataProcFailed = {
      arn         = var.data_proc_state_machine_arn
      metric      = "ExecutionsFailed"
      description = "An execution of dataproc failed. failure.json of the run says why."
    }
    DataProcTimedOut = {
      arn         = var.data_proc_state_machine_arn
      metric      = "ExecutionsTimedOut"
      description = "An execution of dataproc ran for longer than its state machine allows."
    }
  }

  # What the dashboard shows of the chunks
  chunks = {
    "of a function" = [
      {
        type = "metric", x = 0, y = 6, width = 12, height = 6
        properties = {
          title = "SimulateChunk calls", region = data.aws_region.current.id, stat = "Sum", period = 60
          metrics = [
            ["AWS/Lambda", "Invocations", "FunctionName", var.simulate_chunk_name],
            [".", "Errors", ".", "."],
            [".", "Throttles", ".", "."],
            [".", "ConcurrentExecutions", ".", ".", { stat = "Maximum" }],
          ]
        }
      },
      {
        type = "metric", x = 12, y = 6, width = 12, height = 6
        properties = {
          title = "SimulateChunk duration (ms)", region = data.aws_region.current.id, period = 60
          metrics = [
            ["AWS/Lambda", "Duration", "FunctionName", var.simulate_chunk_name, { stat = "p50" }],
            ["...", { stat = "p99" }],
            ["...", { stat = "Maximum" }],
          ]
        }
      },
    ]
    "of workers" = [
      {
        type = "metric", x = 0, y = 6, width = 12, height = 6
        properties = {
          title = "chunks", region = data.aws_region.current.id, stat = "Sum", period = 60
          metrics = [
            ["AWS/States", "ActivitiesScheduled", "ActivityArn", var.activity_arn],
            [".", "ActivitiesStarted", ".", "."],
            [".", "ActivitiesSucceeded", ".", "."],
            [".", "ActivitiesFailed", ".", "."],
            [".", "ActivitiesHeartbeatTimedOut", ".", "."],
          ]
        }
      },
      {
        type = "metric", x = 12, y = 6, width = 12, height = 6
        properties = {
          title = "duration of a chunk, and its wait for a worker (ms)", region = data.aws_region.current.id, period = 60
          metrics = [
            ["AWS/States", "ActivityRunTime", "ActivityArn", var.activity_arn, { stat = "p50" }],
            ["...", { stat = "Maximum" }],
            [".", "ActivityScheduleTime", ".", ".", { stat = "p50" }],
          ]
        }
      },
    ]
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.stack_name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "AWS/States"
  metric_name         = each.value.metric
  dimensions          = { StateMachineArn = each.value.arn }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = compact([var.alarm_topic_arn])
}

resource "aws_cloudwatch_dashboard" "this" {
  # Dashboards are not per Region: the name keeps stacks in two Regions apart.
  dashboard_name = "${var.stack_name}-${data.aws_region.current.id}"
  dashboard_body = jsonencode({
    widgets = concat([
      {
        type = "metric", x = 0, y = 0, width = 12, height = 6
        properties = {
          title = "dataproc executions", region = data.aws_region.current.id, stat = "Sum", period = 60
          metrics = [
            ["AWS/States", "ExecutionsStarted", "StateMachineArn", var.data_proc_state_machine_arn],
            [".", "ExecutionsSucceeded", ".", "."],
            [".", "ExecutionsFailed", ".", "."],
            [".", "ExecutionsTimedOut", ".", "."],
          ]
        }
      },
      {
        type = "metric", x = 12, y = 0, width = 12, height = 6
        properties = {
          title = "datagen executions", region = data.aws_region.current.id, stat = "Sum", period = 60
          metrics = [
            ["AWS/States", "ExecutionsStarted", "StateMachineArn", var.data_gen_state_machine_arn],
            [".", "ExecutionsSucceeded", ".", "."],
            [".", "ExecutionsFailed", ".", "."],
            [".", "ExecutionsTimedOut", ".", "."],
          ]
        }
      },
    ], local.chunks[var.simulate_chunk_name == null ? "of workers" : "of a function"])
  })
}
