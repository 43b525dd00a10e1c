# `terraform test` in terraform/lambda: needs neither network nor credentials.

mock_provider "aws" {
  source = "./tests/aws"
}

run "state_machines" {
  assert {
    condition = alltrue([
      for made in [module.datagen.definition, module.dataproc.definition] : !strcontains(made, "$${")
    ])
    error_message = "a placeholder of a state machine was not filled in"
  }

  assert {
    condition     = jsondecode(module.datagen.definition).StartAt == "PlanParts"
    error_message = "datagen does not begin with PlanParts"
  }

  assert {
    condition     = jsondecode(module.dataproc.definition).StartAt == "Plan"
    error_message = "dataproc does not begin with Plan"
  }

  assert {
    condition = (
      jsondecode(module.datagen.definition).States.GenerateParts.ItemReader
      == {
        Resource     = "arn:aws:states:::s3:getObject"
        ReaderConfig = { InputType = "JSON" }
        Parameters   = { Bucket = "bucket", "Key.$" = "$.parts_key" }
      }
    )
    error_message = "datagen does not read its parts from the data bucket"
  }

  assert {
    condition = (
      jsondecode(module.dataproc.definition).States.Groups.ItemProcessor.States.Chunks.ItemProcessor.States.SimulateChunk.Resource
      == "arn:aws:lambda:eu-west-1:123456789012:function:function"
    )
    error_message = "SimulateChunk does not call its function"
  }
}

run "express_children" {
  variables {
    child_execution_type = "EXPRESS"
  }

  assert {
    condition = (
      jsondecode(module.dataproc.definition).States.Groups.ItemProcessor.States.Chunks.ItemProcessor.ProcessorConfig
      == { Mode = "DISTRIBUTED", ExecutionType = "EXPRESS" }
    )
    error_message = "the chunks do not run as the kind of execution that was asked for"
  }
}

run "functions" {
  assert {
    condition = module.dataproc.handlers == {
      Plan          = "plan.handler"
      PlanGroup     = "plan_group.handler"
      SimulateChunk = "simulate_chunk.handler"
      ReduceGroup   = "reduce_group.handler"
      Aggregate     = "aggregate.handler"
      RecordFailure = "record_failure.handler"
    }
    error_message = "a handler of dataproc is not that of its state"
  }

  assert {
    condition = module.datagen.handlers == {
      PlanParts     = "plan_parts.handler"
      GeneratePart  = "generate_part.handler"
      WriteManifest = "write_manifest.handler"
    }
    error_message = "a handler of datagen is not that of its state"
  }
}

run "policies" {
  assert {
    condition = alltrue([
      for statement in flatten([
        for policy in concat(values(module.datagen.policies), values(module.dataproc.policies)) : jsondecode(policy).Statement
      ]) :
      !contains(statement.Resource, "*") || alltrue([
        for action in statement.Action : startswith(action, "logs:") || action == "lambda:GetAccountSettings"
      ])
    ])
    error_message = "something but log delivery and a look at the account's limits is allowed on everything"
  }

  assert {
    condition = alltrue([
      for statement in flatten([
        for policy in concat(values(module.datagen.policies), values(module.dataproc.policies)) : jsondecode(policy).Statement
      ]) :
      alltrue([for action in statement.Action : !strcontains(action, "*")])
    ])
    error_message = "a policy allows actions by a wildcard"
  }

  assert {
    condition = alltrue([
      for name, policy in module.dataproc.policies : alltrue([
        for statement in jsondecode(policy).Statement :
        !contains(statement.Action, "s3:PutObject") || alltrue([
          for resource in statement.Resource : startswith(resource, "arn:aws:s3:::bucket/runs/")
        ])
      ])
    ])
    error_message = "a function of dataproc may write outside runs/"
  }

  assert {
    condition = alltrue([
      for name, policy in module.datagen.policies : alltrue([
        for statement in jsondecode(policy).Statement :
        !contains(statement.Action, "s3:DeleteObject") || name == "PlanParts"
      ])
    ])
    error_message = "a function but PlanParts may delete"
  }

  assert {
    condition     = !strcontains(join("", values(module.dataproc.policies)), "arn:aws:s3:::/")
    error_message = "an empty portfolio_bucket_name made a permission"
  }
}

run "a_bucket_of_ones_own_is_read_only" {
  variables {
    portfolio_bucket_name = "a-bank-s-loans"
  }

  assert {
    condition = alltrue([
      for name, policy in module.dataproc.policies : alltrue([
        for statement in jsondecode(policy).Statement :
        !strcontains(join(" ", statement.Resource), "a-bank-s-loans")
        || (
          jsonencode(sort(statement.Action)) == jsonencode(["s3:GetObject", "s3:ListBucket"])
          && name == "ReadPortfolios"
        )
      ])
    ])
    error_message = "the bucket of portfolios is open to more than reading by what reads portfolios"
  }

  assert {
    condition     = strcontains(module.dataproc.policies["ReadPortfolios"], "arn:aws:s3:::a-bank-s-loans/*")
    error_message = "the functions may not read the bucket of portfolios"
  }
}

run "layers_of_the_region" {
  assert {
    condition = module.region.layer_arns == tolist([
      "arn:aws:lambda:eu-west-1:336392948345:layer:AWSSDKPandas-Python313-Arm64:16",
      "arn:aws:lambda:eu-west-1:017000801446:layer:AWSLambdaPowertoolsPythonV3-python313-arm64:27",
    ])
    error_message = "not the layers that AWS publishes in eu-west-1"
  }
}

run "layers_of_the_other_processor" {
  variables {
    architecture             = "x86_64"
    powertools_layer_version = "30"
  }

  assert {
    condition = module.region.layer_arns == tolist([
      "arn:aws:lambda:eu-west-1:336392948345:layer:AWSSDKPandas-Python313:16",
      "arn:aws:lambda:eu-west-1:017000801446:layer:AWSLambdaPowertoolsPythonV3-python313-x86_64:30",
    ])
    error_message = "not the layers for x86_64"
  }
}

run "no_layers" {
  variables {
    layer_arn                = "none"
    powertools_layer_version = "0"
  }

  assert {
    condition     = length(module.region.layer_arns) == 0
    error_message = "layers although none was asked for"
  }
}
