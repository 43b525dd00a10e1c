output "cluster" {
  description = "Name and ARN of the cluster."
  value       = { name = aws_ecs_cluster.this.name, arn = aws_ecs_cluster.this.arn }

  depends_on = [aws_ecs_cluster_capacity_providers.this] # or a service could not use them yet
}

output "strategy" {
  description = "Weight of each capacity provider."
  value       = { FARGATE_SPOT = var.spot_weight, FARGATE = var.on_demand_weight }
}
