data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  region    = data.aws_region.current.id
  partition = data.aws_partition.current.partition

  # The tables have one home, the Mappings of the SAM template. The rest of the template is no plain YAML.
  mappings = yamldecode(regex("(?s)\nMappings:\r?\n(.*?)\n[A-Z]", file("${path.module}/../../../template.yaml"))[0])

  sdk_for_pandas      = try(local.mappings.SdkForPandasLayer[local.region], null)
  powertools_account  = try(local.mappings.Partition[local.partition].PowertoolsAccount, null)
  wants_managed_layer = var.layer_arn == ""
  wants_powertools    = var.powertools_layer_version != "0"

  layer_arn = local.wants_managed_layer ? try(join(":", [
    "arn:${local.partition}:lambda:${local.region}",
    local.sdk_for_pandas.Account,
    "layer",
    "AWSSDKPandas-Python313${var.architecture == "arm64" ? "-Arm64" : ""}",
    local.sdk_for_pandas.Version,
  ]), "") : var.layer_arn == "none" ? "" : var.layer_arn

  powertools_layer_arn = local.wants_powertools ? try(join(":", [
    "arn:${local.partition}:lambda:${local.region}",
    local.powertools_account,
    "layer",
    "AWSLambdaPowertoolsPythonV3-python313-${var.architecture}",
    var.powertools_layer_version,
  ]), "") : ""
}
