data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  stack     = var.common.stack_name
  partition = var.common.partition
  instances = var.capacity.compute == "ec2"
  runs      = "arn:${local.partition}:s3:::${var.data_bucket}/runs/*"

  # Whoever runs as a task of ECS in this account, and nobody else.
  tasks = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

# Chunks wait here until a worker asks for one.
resource "aws_sfn_activity" "chunks" {
  name = "${local.stack}-Chunks"
}

resource "aws_cloudwatch_log_group" "workers" {
  name              = "/ecs/${local.stack}-Workers"
  retention_in_days = var.common.log_retention_days
}

# What ECS does for a worker: its log, and its image if it is your own. ------------------------------------------------

resource "aws_iam_role" "execution" {
  name_prefix        = "${local.stack}-WorkerExecution-"
  assume_role_policy = local.tasks
}

module "start" {
  source = "../policy_document"
  allow = concat(
    [{ actions = ["logs:CreateLogStream", "logs:PutLogEvents"], resources = ["${aws_cloudwatch_log_group.workers.arn}:*"] }],
    var.image == "" ? [] : [
      {
        actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        resources = [
          join(":", ["arn", local.partition, "ecr", data.aws_region.current.id,
          data.aws_caller_identity.current.account_id, "repository/*"])
        ]
      },
      { actions = ["ecr:GetAuthorizationToken"], resources = ["*"] }, # AWS knows no resource of it
    ],
  )
}

resource "aws_iam_role_policy" "start" {
  name   = "start"
  role   = aws_iam_role.execution.name
  policy = module.start.json
}

# What a worker does ---------------------------------------------------------------------------------------------------

resource "aws_iam_role" "worker" {
  name_prefix        = "${local.stack}-Worker-"
  assume_role_policy = local.tasks
}

resource "aws_iam_role_policy_attachment" "shared" {
  for_each = var.policies

  role       = aws_iam_role.worker.name
  policy_arn = each.value
}

module "work" {
  source = "../policy_document"
  allow = concat(
    var.allow,
    [
      { actions = ["s3:PutObject"], resources = ["${local.runs}/at-work"] },
      { actions = ["states:GetActivityTask"], resources = [aws_sfn_activity.chunks.id] },
      # A task is named by its token, a secret that only the worker has who took it, and not by a resource.
      { actions = ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"], resources = ["*"] },
      # The code and the libraries of the functions, with which it starts.
      { actions = ["lambda:GetFunction"], resources = [var.code_function.arn] },
    ],
    var.layer_arn == "" ? [] : [{ actions = ["lambda:GetLayerVersion"], resources = [var.layer_arn] }],
  )
}

resource "aws_iam_role_policy" "work" {
  name   = "work"
  role   = aws_iam_role.worker.name
  policy = module.work.json
}

# Without an image of one's own, a worker starts from AWS's and gets the functions' code and layer.
locals {
  start = {
    entryPoint = ["python3", "-c"]
    command    = [replace(file("${path.module}/../../../publishing/worker_start.py"), "\r\n", "\n")]
  }
  container = {
    name                   = "worker"
    image                  = var.image == "" ? "public.ecr.aws/lambda/python:3.13" : var.image
    essential              = true
    readonlyRootFilesystem = true
    privileged             = false
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    mountPoints            = [{ sourceVolume = "scratch", containerPath = "/tmp", readOnly = false }]
    stopTimeout            = 60 # to hand its chunks back, which takes a moment
    environment = [
      for name, value in {
        ACTIVITY_ARN      = aws_sfn_activity.chunks.id
        DATA_BUCKET       = var.data_bucket
        PORTFOLIO_BUCKET  = var.portfolio_bucket_name
        MONTECARLO_KERNEL = var.kernel
        CODE_FUNCTION     = var.code_function.name
        LAYER_ARN         = var.layer_arn
        WORKER_CORES      = tostring(var.capacity.cores)
        WORKER_MEMORY     = tostring(var.capacity.memory)
        MAX_WORKERS       = tostring(var.max_workers)
        LOG_LEVEL         = var.common.log_level
        # ECS itself says it on Fargate only.
        AWS_DEFAULT_REGION = data.aws_region.current.id
        # Its processes share the cores: one thread each.
        OPENBLAS_NUM_THREADS = "1"
        OMP_NUM_THREADS      = "1"
      } : { name = name, value = value }
    ]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.workers.name
        awslogs-region        = data.aws_region.current.id
        awslogs-stream-prefix = "worker"
      }
    }
  }
}

resource "aws_ecs_task_definition" "worker" {
  family                   = "${local.stack}-Worker"
  requires_compatibilities = [upper(var.capacity.compute)]
  network_mode             = local.instances ? "bridge" : "awsvpc" # on instances a task of its own address has no way out
  cpu                      = 1024 * var.capacity.cores
  memory                   = var.capacity.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.worker.arn
  container_definitions    = jsonencode([merge(local.container, { for name, value in local.start : name => value if var.image == "" })])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.common.architecture == "arm64" ? "ARM64" : "X86_64"
  }

  volume {
    name = "scratch"
  }
}

resource "aws_ecs_service" "workers" {
  name            = "${local.stack}-Workers"
  cluster         = var.capacity.cluster.arn
  task_definition = aws_ecs_task_definition.worker.arn
  desired_count   = 0

  propagate_tags = "SERVICE" # to the workers, which are what costs

  # A new version of the code waits for no old worker, and needs no capacity beside them.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  force_new_deployment               = true # other weights are an update and no other service

  # Workers need no balance, and ECS has it on unless told.
  availability_zone_rebalancing = "DISABLED"

  dynamic "capacity_provider_strategy" {
    for_each = var.capacity.strategy

    content {
      capacity_provider = capacity_provider_strategy.key
      weight            = capacity_provider_strategy.value
    }
  }

  dynamic "network_configuration" {
    for_each = local.instances ? [] : [var.network]

    content {
      subnets          = network_configuration.value.subnet_ids
      security_groups  = [network_configuration.value.security_group_id]
      assign_public_ip = network_configuration.value.assign_public_ip
    }
  }

  dynamic "ordered_placement_strategy" {
    for_each = local.instances ? ["cpu"] : []

    content {
      type  = "binpack"
      field = ordered_placement_strategy.value
    }
  }

  lifecycle {
    ignore_changes = [desired_count] # ProvideWorkers sets it
  }

  # A worker that starts before it may log or work would fail once.
  depends_on = [
    aws_iam_role_policy.start,
    aws_iam_role_policy.work,
    aws_iam_role_policy_attachment.shared,
  ]
}
