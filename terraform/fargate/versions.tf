# Made by `make console` from terraform/lambda/versions.tf: change that.
terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

# The Region and the credentials come from your AWS configuration.
provider "aws" {
  default_tags {
    tags = merge({ Application = "montecarlo", Stack = var.stack_name }, var.tags)
  }
}
