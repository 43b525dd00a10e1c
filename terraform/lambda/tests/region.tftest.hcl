# A Region and a partition that the layer table does not know.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "us-gov-west-1", name = "us-gov-west-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws-us-gov" }
  }
}

run "needs_a_layer_of_ones_own" {
  command = plan

  module {
    source = "../modules/region"
  }

  variables {
    architecture             = "arm64"
    layer_arn                = ""
    powertools_layer_version = "27"
  }

  expect_failures = [output.layer_arns]
}

run "refuses_a_layer_of_another_region" {
  command = plan

  module {
    source = "../modules/region"
  }

  variables {
    architecture             = "arm64"
    layer_arn                = "arn:aws:lambda:eu-west-1:123456789012:layer:scientific:3"
    powertools_layer_version = "0"
  }

  expect_failures = [output.layer_arns]
}

run "takes_a_layer_of_ones_own" {
  command = plan

  module {
    source = "../modules/region"
  }

  variables {
    architecture             = "arm64"
    layer_arn                = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:layer:scientific:3"
    powertools_layer_version = "0"
  }

  assert {
    condition     = output.layer_arns == tolist(["arn:aws-us-gov:lambda:us-gov-west-1:123456789012:layer:scientific:3"])
    error_message = "not the layer that was given"
  }
}
