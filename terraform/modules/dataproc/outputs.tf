output "state_machine_arn" {
  description = "ARN of the state machine that simulates a portfolio."
  value       = module.state_machine.arn
}

output "simulate_chunk_name" {
  description = "Name of the function that simulates a chunk. null where workers do."
  value       = try(module.function["SimulateChunk"].name, null)
}

output "activity_arn" {
  description = "The activity from which workers take chunks. null where there are none."
  value       = var.workers == null ? null : module.workers[0].activity_arn
}

output "definition" {
  description = "The state machine as it is deployed."
  value       = module.state_machine.definition
}

output "policies" {
  description = "What the state machine and each function may do, and what functions share, as JSON."
  value = merge(
    { StateMachine = module.state_machine.policy },
    { for name, made in aws_iam_policy.shared : name => made.policy },
    { for name, made in module.function : name => made.policy },
    var.workers == null ? {} : module.workers[0].policies,
  )
}

output "handlers" {
  description = "Handler of each function."
  value = merge(
    { for name, made in module.function : name => made.handler },
    var.workers == null ? {} : { ProvideWorkers = module.workers[0].provide_workers.handler },
  )
}

output "log_groups" {
  description = "Names of the log groups of what simulates chunks, of PlanGroup and of Aggregate."
  value = {
    chunk      = var.workers == null ? module.function["SimulateChunk"].log_group : module.workers[0].log_group
    plan_group = module.function["PlanGroup"].log_group
    aggregate  = module.function["Aggregate"].log_group
  }
}
