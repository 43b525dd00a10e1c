locals {
  statements = [
    for allowed in var.allow : {
      Effect    = "Allow"
      Action    = allowed.actions
      Resource  = allowed.resources
      Condition = length(allowed.prefixes) == 0 ? null : { StringLike = { "s3:prefix" = allowed.prefixes } }
    }
  ]
}
