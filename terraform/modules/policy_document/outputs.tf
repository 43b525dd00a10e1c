output "json" {
  description = "The policy as JSON."
  value = jsonencode({
    Version   = "2012-10-17"
    Statement = [for statement in local.statements : { for name, value in statement : name => value if length(value) > 0 }]
  })
}
