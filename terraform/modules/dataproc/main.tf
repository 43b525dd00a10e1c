locals {
  partition  = var.common.partition
  bucket     = "arn:${local.partition}:s3:::${var.data_bucket}"
  portfolios = "${local.bucket}/portfolios/*"
  runs       = "${local.bucket}/runs/*"
  foreign    = "arn:${local.partition}:s3:::${var.portfolio_bucket_name}"

  # Every function works on runs/. Readers may list the bucket, too: without that, S3 answers a missing object with 403,
  # and a deleted file would look like a missing permission.
  work_on_runs = [
    { actions = ["s3:ListBucket"], resources = [local.bucket] },
    { actions = ["s3:GetObject", "s3:PutObject"], resources = [local.runs] },
  ]
  read_portfolios = concat(
    [{ actions = ["s3:GetObject"], resources = [local.portfolios] }],
    var.portfolio_bucket_name == "" ? [] : [
      { actions = ["s3:GetObject", "s3:ListBucket"], resources = [local.foreign, "${local.foreign}/*"] }
    ],
  )

  functions = {
    Plan = {
      description = "Checks the request and draws the scenarios"
      allow       = concat(local.work_on_runs, local.read_portfolios)
    }
    PlanGroup = {
      description = "Writes the chunks of one group"
      allow       = concat(local.work_on_runs, local.read_portfolios)
    }
    SimulateChunk = {
      description = "Simulates the loans of one chunk under every scenario"
      memory_size = var.simulate_memory
      allow       = concat(local.work_on_runs, local.read_portfolios)
    }
    ReduceGroup = {
      description = "Adds the chunks of one group up"
      allow       = local.work_on_runs
    }
    Aggregate = {
      description = "Writes the loss distribution, the measures and the report"
      allow       = local.work_on_runs
    }
    RecordFailure = {
      description = "Finds the chunk behind a failure and writes failure.json"
      memory_size = 512
      timeout     = 60
      allow       = local.work_on_runs
    }
  }
}

module "function" {
  source   = "../function"
  for_each = local.functions

  name        = each.key
  description = each.value.description
  memory_size = try(each.value.memory_size, 1769)
  timeout     = try(each.value.timeout, 900)
  allow       = each.value.allow
  common      = var.common
  environment = {
    DATA_BUCKET                   = var.data_bucket
    PORTFOLIO_BUCKET              = var.portfolio_bucket_name
    DEFAULT_SCENARIOS             = var.scenarios
    DEFAULT_SEED                  = var.seed
    DEFAULT_FED_RATE              = var.fed_rate
    DEFAULT_CHUNK_LOANS           = var.chunk_loans
    DEFAULT_MAX_CONCURRENCY       = var.max_concurrency
    DEFAULT_MAX_GROUPS            = var.max_groups
    DEFAULT_MAX_GROUP_CONCURRENCY = var.max_group_concurrency
    # For the estimate of a run's cost
    SIMULATE_MEMORY      = var.simulate_memory
    CHILD_EXECUTION_TYPE = var.child_execution_type
  }
}

module "state_machine" {
  source             = "../state_machine"
  partition          = var.common.partition
  stack_name         = var.common.stack_name
  name               = "dataproc"
  log_retention_days = var.common.log_retention_days
  function_arns      = [for name in keys(local.functions) : module.function[name].arn]

  definition = templatefile("${path.module}/../../../statemachine/dataproc.asl.json", {
    PlanFunctionArn          = module.function["Plan"].arn
    PlanGroupFunctionArn     = module.function["PlanGroup"].arn
    SimulateTaskArn          = module.function["SimulateChunk"].arn
    ReduceGroupFunctionArn   = module.function["ReduceGroup"].arn
    AggregateFunctionArn     = module.function["Aggregate"].arn
    RecordFailureFunctionArn = module.function["RecordFailure"].arn
    DataBucket               = var.data_bucket
    Partition                = local.partition
    ChunkExecutionType       = var.child_execution_type
  })

  allow = [
    { # ItemReader
      actions   = ["s3:GetObject"]
      resources = ["${local.runs}/groups/*/todo.json"]
    },
    { # ResultWriter
      actions = [
        "s3:PutObject",
        "s3:GetObject",
        "s3:ListMultipartUploadParts",
        "s3:AbortMultipartUpload",
      ]
      resources = ["${local.runs}/groups/*/map/*"]
    },
  ]
}
