locals {
  statements = [
    for allowed in var.allow : {
      Effect   = "Allow"
      Action   = allowed.actions
      Resource = allowed.resources
      Condition = merge(
        length(allowed.prefixes) == 0 ? {} : { StringLike = { "s3:prefix" = allowed.prefixes } },
        length(allowed.sources) == 0 ? {} : { StringEquals = { "events:source" = allowed.sources } },
      )
    }
  ]
}
