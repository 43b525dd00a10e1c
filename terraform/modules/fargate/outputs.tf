output "capacity" {
  description = "What workers run on: see the module workers."
  value = {
    compute   = "fargate"
    cluster   = { name = aws_ecs_cluster.this.name, arn = aws_ecs_cluster.this.arn }
    strategy  = { FARGATE_SPOT = var.spot_weight, FARGATE = var.on_demand_weight }
    spot      = var.spot_weight
    on_demand = var.on_demand_weight
    cores     = var.cores
    memory    = var.cores * var.memory_per_core
    group     = null
  }

  depends_on = [aws_ecs_cluster_capacity_providers.this] # or a service could not use them yet
}
