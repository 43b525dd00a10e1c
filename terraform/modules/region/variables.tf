variable "architecture" {
  description = "Processor of the functions: arm64 or x86_64."
  type        = string
}

variable "layer_arn" {
  description = "Layer with numpy and pyarrow: empty for AWS SDK for pandas, an ARN for another one, none for none."
  type        = string
}

variable "powertools_layer_version" {
  description = "Version of the layer of Powertools for AWS Lambda. 0 for no layer."
  type        = string
}
