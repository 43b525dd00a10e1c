# `terraform test` in terraform/fargate: needs neither network nor credentials.

mock_provider "aws" {
  source = "../lambda/tests/aws"
}

run "workers" {
  assert {
    condition     = !strcontains(module.dataproc.definition, "$${")
    error_message = "a placeholder of the state machine was not filled in"
  }

  assert {
    condition = (
      jsondecode(module.dataproc.definition).States.Groups.ItemProcessor.States.Chunks.ItemProcessor.States.SimulateChunk.Resource
      == "arn:aws:states:eu-west-1:123456789012:activity:chunks"
    )
    error_message = "chunks do not wait in the activity"
  }

  assert {
    condition = module.dataproc.handlers == {
      Plan           = "plan.handler"
      PlanGroup      = "plan_group.handler"
      ProvideWorkers = "provide_workers.handler"
      ReduceGroup    = "reduce_group.handler"
      Aggregate      = "aggregate.handler"
      RecordFailure  = "record_failure.handler"
    }
    error_message = "a handler of dataproc is not that of its state"
  }

  assert {
    condition = toset(flatten([
      for policy in values(module.dataproc.policies) : [
        for statement in jsondecode(policy).Statement : statement.Action if contains(statement.Resource, "*")
      ]
      ])) == toset(flatten([
      "lambda:GetAccountSettings",
      [for kind in ["Success", "Failure", "Heartbeat"] : "states:SendTask${kind}"],
      [for action in flatten(jsondecode(module.dataproc.policies.StateMachine).Statement[*].Action) : action if startswith(action, "logs:")],
    ]))
    error_message = "something that has resources is allowed on everything"
  }

  assert {
    condition     = contains(jsondecode(module.dataproc.policies.Worker).Statement[*].Action, ["states:GetActivityTask"])
    error_message = "a worker may not ask for chunks"
  }
}

run "an_image_of_ones_own" {
  variables {
    worker_image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/worker@sha256:0123"
    layer_arn    = "none"
  }

  assert {
    condition = (
      jsondecode(module.dataproc.policies.WorkerExecution).Statement[1].Resource
      == ["arn:aws:ecr:eu-west-1:123456789012:repository/*"]
    )
    error_message = "ECS may not fetch the image"
  }

  assert {
    condition     = !strcontains(module.dataproc.policies.Worker, "lambda:GetLayerVersion")
    error_message = "a worker may read a layer although there is none"
  }
}
