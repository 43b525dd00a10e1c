locals {
  bucket     = "arn:${var.common.partition}:s3:::${var.data_bucket}"
  portfolios = "${local.bucket}/portfolios/*"

  list = { actions = ["s3:ListBucket"], resources = [local.bucket], prefixes = ["portfolios/*"] }

  # Each function may read, list, write and delete the keys that its own step does, and no others.
  functions = {
    PlanParts = {
      description = "Says which loans go into which part"
      memory_size = 512
      allow = [
        local.list,
        # What an earlier execution has generated under the name, and only that, gives way where the request says so.
        { actions = ["s3:GetObject"], resources = ["${local.portfolios}/parts.json", "${local.portfolios}/part-*"] },
        { actions = ["s3:DeleteObject"], resources = ["${local.portfolios}/part-*", "${local.portfolios}/manifest.json"] },
        { actions = ["s3:PutObject"], resources = ["${local.portfolios}/parts.json"] },
      ]
    }
    GeneratePart = {
      description = "Writes one part of the portfolio"
      memory_size = 1769
      allow       = [{ actions = ["s3:GetObject", "s3:PutObject"], resources = ["${local.portfolios}/part-*"] }]
    }
    WriteManifest = {
      description = "Checks that every part is there and lists them"
      memory_size = 1769
      allow = [
        local.list,
        { actions = ["s3:GetObject"], resources = ["${local.portfolios}/parts.json", "${local.portfolios}/part-*"] },
        { actions = ["s3:PutObject"], resources = ["${local.portfolios}/manifest.json"] },
      ]
    }
  }
}

module "function" {
  source   = "../function"
  for_each = local.functions

  name        = each.key
  description = each.value.description
  memory_size = each.value.memory_size
  allow       = each.value.allow
  common      = var.common
  environment = {
    DATA_BUCKET   = var.data_bucket
    DEFAULT_LOANS = var.loans
    DEFAULT_SEED  = var.seed
  }
}

module "state_machine" {
  source             = "../state_machine"
  partition          = var.common.partition
  stack_name         = var.common.stack_name
  name               = "DataGenMachine"
  log_retention_days = var.common.log_retention_days
  function_arns      = [for name in keys(local.functions) : module.function[name].arn]

  definition = templatefile("${path.module}/../../../statemachine/datagen.asl.json", {
    PlanPartsFunctionArn     = module.function["PlanParts"].arn
    GenerateTaskArn          = module.function["GeneratePart"].arn
    WriteManifestFunctionArn = module.function["WriteManifest"].arn
    DataBucket               = var.data_bucket
    Partition                = var.common.partition
  })

  allow = [
    { # ItemReader
      actions   = ["s3:GetObject"]
      resources = ["${local.portfolios}/parts.json"]
    },
    { # ResultWriter
      actions = [
        "s3:PutObject",
        "s3:GetObject",
        "s3:ListMultipartUploadParts",
        "s3:AbortMultipartUpload",
      ]
      resources = ["${local.bucket}/datagen/*"]
    },
  ]
}
