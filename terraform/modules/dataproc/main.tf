data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  partition  = var.common.partition
  bucket     = "arn:${local.partition}:s3:::${var.data_bucket}"
  portfolios = "${local.bucket}/portfolios/*"
  runs       = "${local.bucket}/runs/*"
  machine    = var.workers == null ? "dataproc" : "dataproc-workers"
  bus        = "arn:${local.partition}:events:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:event-bus/default"
  foreign    = "arn:${local.partition}:s3:::${var.portfolio_bucket_name}"

  # In keys, `*` stands for slashes too, so that the keys of a wave of scenarios (runs/<run>/waves/<number>/...) are
  # meant as well.
  read_runs = [
    # Loans, rejects and what is published are not in it.
    {
      actions   = ["s3:GetObject"]
      resources = [for key in ["plan.json", "scenarios.npz", "estimate.json", "groups/*"] : "${local.runs}/${key}"]
    },
    # S3 answers a missing object with 403 to whoever may not list the whole bucket. Listing below the prefix is what
    # tells a missing object from a refused one.
    { actions = ["s3:ListBucket"], resources = [local.bucket], prefixes = ["runs/*"] },
  ]
  read_portfolios = concat(
    [
      { actions = ["s3:GetObject"], resources = [local.portfolios], prefixes = [] },
      { actions = ["s3:ListBucket"], resources = [local.bucket], prefixes = ["portfolios/*"] },
    ],
    var.portfolio_bucket_name == "" ? [] : [
      { actions = ["s3:GetObject", "s3:ListBucket"], resources = [local.foreign, "${local.foreign}/*"], prefixes = [] }
    ],
  )

  # What the steps hand on to one another all may read; each may write the keys that its own step writes, and no others.
  all_functions = {
    Plan = {
      description = "Checks the request and draws the scenarios"
      policies    = ["ReadRuns", "ReadPortfolios"]
      writes = [
        "request.json", "estimate.json", "scenarios.npz", "plan.json", "groups/*/objects.json",
        "waves/*/groups/*/chunks.json", "waves/*/groups/*/group.json",
      ]
      reads = ["sums.npz"] # which scenarios a run has, for another to take them over
      # How many functions the account may run at once. AWS knows no resource of this action.
      more = [{ actions = ["lambda:GetAccountSettings"], resources = ["*"] }]
    }
    PlanGroup = {
      description = "Writes the chunks of one group"
      policies    = ["ReadRuns", "ReadPortfolios"]
      writes      = ["groups/*/chunks.json", "groups/*/group.json", "groups/*/todo.json"]
    }
    SimulateChunk = {
      description = "Simulates the loans of one chunk under every scenario"
      memory_size = var.simulate_memory
      policies    = ["ReadRuns", "ReadPortfolios"]
      writes      = ["groups/*/chunk-*.npz", "loans/*", "rejects/*"]
      reads       = ["loans/*", "rejects/*"] # what another run has of a chunk, to take it over
    }
    ReduceGroup = {
      description = "Adds the chunks of one group up"
      policies    = ["ReadRuns"]
      writes      = ["groups/*/partial.npz", "groups/*/keys-*.npz", "groups/*/keys.json"]
    }
    Aggregate = {
      description = "Writes the loss distribution, the measures and the report"
      policies    = ["ReadRuns"]
      reads       = ["loans/*"] # AccountIDs that occur more than once, to compare them
      writes = [
        "duplicates.parquet", "losses.parquet", "segments.parquet", "tables/*", "sums.npz", "report.html", "result.json",
      ]
    }
    RecordFailure = {
      description = "Finds the chunk behind a failure and writes failure.json and its page"
      memory_size = 512
      policies    = ["ReadRuns"]
      writes      = ["failure.json", "failure.html"]
    }
  }
  allow = {
    for name, function in local.all_functions : name => concat(
      [{ actions = ["s3:PutObject"], resources = [for key in function.writes : "${local.runs}/${key}"] }],
      length(try(function.reads, [])) == 0 ? [] : [
        { actions = ["s3:GetObject"], resources = [for key in function.reads : "${local.runs}/${key}"] }
      ],
      try(function.more, []),
    )
  }
  functions = {
    for name, function in local.all_functions : name => function if name != "SimulateChunk" || var.workers == null
  }

  environment = merge(
    {
      DATA_BUCKET                   = var.data_bucket
      PORTFOLIO_BUCKET              = var.portfolio_bucket_name
      DEFAULT_SCENARIOS             = var.scenarios
      DEFAULT_SEED                  = var.seed
      DEFAULT_FED_RATE              = var.fed_rate
      DEFAULT_CHUNK_LOANS           = var.chunk_loans
      DEFAULT_MAX_CONCURRENCY       = var.max_concurrency
      DEFAULT_MAX_GROUPS            = var.max_groups
      DEFAULT_MAX_GROUP_CONCURRENCY = var.max_group_concurrency
      MONTECARLO_KERNEL             = var.kernel
    },
    # For the estimate of a run's cost
    var.workers == null ? tomap({
      SIMULATE_MEMORY      = tostring(var.simulate_memory)
      CHILD_EXECUTION_TYPE = var.child_execution_type
      }) : tomap({
      COMPUTE       = var.workers.capacity.compute
      SPOT          = tostring(var.workers.capacity.spot)
      ON_DEMAND     = tostring(var.workers.capacity.on_demand)
      MAX_WORKERS   = tostring(var.workers.max_workers)
      WORKER_CORES  = tostring(var.workers.capacity.cores)
      WORKER_MEMORY = tostring(var.workers.capacity.memory)
    }),
  )
}

module "shared" {
  source   = "../policy_document"
  for_each = { ReadRuns = local.read_runs, ReadPortfolios = local.read_portfolios }

  allow = each.value
}

resource "aws_iam_policy" "shared" {
  for_each = module.shared

  name_prefix = "${var.common.stack_name}-${each.key}-" # policies are not per Region, as roles
  policy      = each.value.json
}

module "function" {
  source   = "../function"
  for_each = local.functions

  name        = each.key
  description = each.value.description
  memory_size = try(each.value.memory_size, 1769)
  allow       = local.allow[each.key]
  policies    = { for name in each.value.policies : name => aws_iam_policy.shared[name].arn }
  common      = var.common
  environment = local.environment
}

# Workers, where they simulate the chunks.
module "workers" {
  source = "../workers"
  count  = var.workers == null ? 0 : 1

  capacity              = var.workers.capacity
  network               = var.workers.network
  max_workers           = var.workers.max_workers
  image                 = var.workers.image
  no_capacity_minutes   = var.workers.no_capacity_minutes
  layer_arn             = var.workers.layer_arn
  data_bucket           = var.data_bucket
  portfolio_bucket_name = var.portfolio_bucket_name
  kernel                = var.kernel
  code_function         = { name = module.function["Plan"].name, arn = module.function["Plan"].arn }
  policies              = { for name, policy in aws_iam_policy.shared : name => policy.arn }
  allow                 = local.allow["SimulateChunk"]
  environment           = local.environment
  state_machine_arn     = module.state_machine.arn
  common                = var.common
}

module "state_machine" {
  source             = "../state_machine"
  partition          = var.common.partition
  stack_name         = var.common.stack_name
  name               = "DataProcMachine"
  log_retention_days = var.common.log_retention_days
  function_arns = concat(
    [for name in keys(local.functions) : module.function[name].arn],
    var.workers == null ? [] : [module.workers[0].provide_workers.arn],
  )

  definition = templatefile("${path.module}/../../../statemachine/${local.machine}.asl.json", merge(
    {
      PlanFunctionArn          = module.function["Plan"].arn
      PlanGroupFunctionArn     = module.function["PlanGroup"].arn
      ReduceGroupFunctionArn   = module.function["ReduceGroup"].arn
      AggregateFunctionArn     = module.function["Aggregate"].arn
      RecordFailureFunctionArn = module.function["RecordFailure"].arn
      DataBucket               = var.data_bucket
      Partition                = local.partition
    },
    var.workers == null ? tomap({
      SimulateTaskArn    = module.function["SimulateChunk"].arn
      ChunkExecutionType = var.child_execution_type
      }) : tomap({
      SimulateTaskArn           = module.workers[0].activity_arn
      ProvideWorkersFunctionArn = module.workers[0].provide_workers.arn
    }),
  ))

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
    { # Announce
      actions   = ["events:PutEvents"]
      resources = [local.bus]
      sources   = ["montecarlo"]
    },
  ]
}
