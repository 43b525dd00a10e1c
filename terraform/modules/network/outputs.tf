output "subnet_ids" {
  description = "Subnets that the workers run in."
  value       = local.own ? var.subnet_ids : aws_subnet.this[*].id

  # A worker that starts before there is a way out would fail.
  depends_on = [aws_route.internet, aws_route_table_association.this, aws_vpc_endpoint.s3, aws_vpc_endpoint.services]
}

output "security_group_id" {
  description = "Security group of the workers."
  value       = aws_security_group.workers.id
}

output "assign_public_ip" {
  description = "Whether the subnets are public."
  value       = !local.own
}
