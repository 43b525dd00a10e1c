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

  # Where chunks wait too long
  wait = {
    "of a function" = {
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      dimensions  = { FunctionName = var.simulate_chunk_name }
      statistic   = "Sum"
      threshold   = 0
      description = "Calls of SimulateChunk are refused for a quarter of an hour, so that chunks wait. Lower max_concurrency, or ask AWS for more concurrent executions."
    }
    "of workers" = {
      namespace   = "AWS/States"
      metric      = "ActivityScheduleTime"
      dimensions  = { ActivityArn = var.activity_arn }
      statistic   = "Minimum"
      threshold   = 1800000
      description = "For a quarter of an hour each chunk that a worker took had waited for half an hour or longer. See why there are no more workers, or raise MaxWorkers."
    }
  }
  kind = var.simulate_chunk_name == null ? "of workers" : "of a function"

  # What one asks the logs
  done = "filter message = \"done\""
  queries = {
    errors = {
      groups = [var.log_groups.chunk, var.log_groups.plan_group, var.log_groups.aggregate]
      lines = [
        "filter level = \"ERROR\"",
        "fields @timestamp, event_run, event_group, event_chunk, error, message",
        "sort @timestamp desc",
        "limit 200",
      ]
    }
    chunks-done-and-waiting = {
      groups = [var.log_groups.chunk, var.log_groups.plan_group]
      lines = [
        local.done,
        "stats sum(chunks) as planned, count(event_chunk) as done, sum(chunks) - count(event_chunk) as waiting, max(@timestamp) as latest by event_run",
        "sort latest desc",
        "limit 20",
      ]
    }
    durations-and-memory = {
      groups = [var.log_groups.chunk]
      lines = [
        local.done,
        "stats count(*) as chunks, pct(seconds, 50) as p50, pct(seconds, 99) as p99, max(seconds) as longest, max(peak_memory_mb) as memory_mb by event_run",
        "sort chunks desc",
        "limit 20",
      ]
    }
    runs-and-cost = {
      groups = [var.log_groups.aggregate]
      lines = [
        "${local.done} and ispresent(cost_usd)",
        "fields @timestamp, event_run, loans, cost_usd",
        "sort @timestamp desc",
        "limit 50",
      ]
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
            ["...", { stat = "p90" }],
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
            ["...", { stat = "p90" }],
            ["...", { stat = "p99" }],
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

resource "aws_cloudwatch_metric_alarm" "chunks_wait" {
  alarm_name          = "${var.stack_name}-ChunksWait"
  alarm_description   = local.wait[local.kind].description
  namespace           = local.wait[local.kind].namespace
  metric_name         = local.wait[local.kind].metric
  dimensions          = local.wait[local.kind].dimensions
  statistic           = local.wait[local.kind].statistic
  period              = 300
  evaluation_periods  = 3
  threshold           = local.wait[local.kind].threshold
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = compact([var.alarm_topic_arn])
}

# Queries that whoever looks for something would write anew each time, in a folder of the stack's name.
resource "aws_cloudwatch_query_definition" "this" {
  for_each = local.queries

  name            = "${var.stack_name}/${each.key}"
  log_group_names = each.value.groups
  query_string    = join("\n| ", each.value.lines)
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
            [".", "ExecutionsAborted", ".", "."],
          ]
        }
      },
      {
        type = "log", x = 12, y = 0, width = 12, height = 6
        properties = {
          title = "runs and what they cost (US$)", region = data.aws_region.current.id, view = "table"
          query = join(" | ", concat(["SOURCE '${var.log_groups.aggregate}'"], local.queries.runs-and-cost.lines))
        }
      },
      {
        type = "log", x = 0, y = 12, width = 12, height = 6
        properties = {
          title = "chunks done and waiting", region = data.aws_region.current.id, view = "table"
          query = join(" | ", concat(
            ["SOURCE '${var.log_groups.chunk}'", "SOURCE '${var.log_groups.plan_group}'"],
            local.queries.chunks-done-and-waiting.lines,
          ))
        }
      },
      {
        type = "metric", x = 12, y = 12, width = 12, height = 6
        properties = {
          title = "datagen executions", region = data.aws_region.current.id, stat = "Sum", period = 60
          metrics = [
            ["AWS/States", "ExecutionsStarted", "StateMachineArn", var.data_gen_state_machine_arn],
            [".", "ExecutionsSucceeded", ".", "."],
            [".", "ExecutionsFailed", ".", "."],
            [".", "ExecutionsTimedOut", ".", "."],
            [".", "ExecutionsAborted", ".", "."],
          ]
        }
      },
    ], local.chunks[local.kind])
  })
}
