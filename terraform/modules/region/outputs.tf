output "layer_arns" {
  description = "ARNs of the functions' layers."
  value       = compact([local.layer_arn, local.powertools_layer_arn])

  precondition {
    condition     = !local.wants_managed_layer || local.sdk_for_pandas != null
    error_message = <<-EOT
      AWS SDK for pandas, the layer with numpy and pyarrow, is not known to be published in ${local.region}.
      Check the Region of your AWS configuration (AWS_REGION), or set layer_arn to a layer version of your own there.
      Known Regions: ${join(", ", keys(local.mappings.SdkForPandasLayer))}.
    EOT
  }

  precondition {
    condition     = contains(["", "none"], var.layer_arn) || strcontains(var.layer_arn, ":lambda:${local.region}:")
    error_message = "layer_arn lies in another Region than the functions, which are made in ${local.region}: Lambda takes layers of its own Region only."
  }

  precondition {
    condition     = !local.wants_powertools || local.powertools_account != null
    error_message = <<-EOT
      Powertools for AWS Lambda is not known to be published in ${local.region} (partition ${local.partition}).
      Set powertools_layer_version to 0 and have Powertools in your own layer_arn.
    EOT
  }
}

output "layer_arn" {
  description = "ARN of the layer with numpy and pyarrow. Empty for none."
  value       = local.layer_arn
}

output "partition" {
  description = "Partition of AWS, such as aws."
  value       = local.partition
}

output "console_host" {
  description = "Host of the AWS console."
  value       = try(local.mappings.Partition[local.partition].ConsoleHost, "console.aws.amazon.com")
}
