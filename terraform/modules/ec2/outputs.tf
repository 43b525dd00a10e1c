output "capacity" {
  description = "What workers run on: see the module workers."
  value = {
    compute   = "ec2"
    cluster   = { name = aws_ecs_cluster.this.name, arn = aws_ecs_cluster.this.arn }
    strategy  = { (aws_ecs_capacity_provider.this.name) = 1 }
    spot      = var.spot_share
    on_demand = 100 - var.spot_share
    cores     = var.cores
    memory    = var.cores * var.memory_per_core * 7 / 8 # the rest is the system's and ECS's
    group     = { name = aws_autoscaling_group.this.name, workers_per_instance = local.cores / var.cores }
  }

  # A service cannot use them before, and an instance may be one of the cluster from the start.
  depends_on = [aws_ecs_cluster_capacity_providers.this, aws_iam_role_policy.instance]
}
