output "state_machine_arn" {
  description = "ARN of the state machine that writes a portfolio."
  value       = module.state_machine.arn
}

output "definition" {
  description = "The state machine as it is deployed."
  value       = module.state_machine.definition
}

output "policies" {
  description = "What the state machine and each function may do, as JSON."
  value       = merge({ StateMachine = module.state_machine.policy }, { for name, made in module.function : name => made.policy })
}

output "handlers" {
  description = "Handler of each function."
  value       = { for name, made in module.function : name => made.handler }
}
