output "arn" {
  description = "ARN of the state machine."
  value       = aws_sfn_state_machine.this.arn
}

output "definition" {
  description = "The state machine as it is deployed."
  value       = aws_sfn_state_machine.this.definition
}

output "policy" {
  description = "What the state machine may do, as JSON."
  value       = aws_iam_role_policy.this.policy
}
