output "activity_arn" {
  description = "The activity from which workers take their chunks."
  value       = aws_sfn_activity.chunks.id
}

output "provide_workers" {
  description = "ARN and handler of the function that sets how many workers there are."
  value       = { arn = module.provide_workers.arn, handler = module.provide_workers.handler }
}

output "policies" {
  description = "What a worker, ECS for it, and ProvideWorkers may do, as JSON."
  value = {
    Worker          = aws_iam_role_policy.work.policy
    WorkerExecution = aws_iam_role_policy.start.policy
    ProvideWorkers  = module.provide_workers.policy
    SeeExecutions   = aws_iam_role_policy.see_executions.policy
  }
}

output "log_group" {
  description = "Name of the workers' log group."
  value       = aws_cloudwatch_log_group.workers.name
}
