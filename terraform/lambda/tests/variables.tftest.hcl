# What variables.tf refuses. tests/terraform/test_variables.py holds the bounds against those of template.yaml.

mock_provider "aws" {
  source = "./tests/aws"
}

run "too_small" {
  command = plan

  variables {
    scenarios             = 0
    seed                  = -1
    fed_rate              = -5.1
    chunk_loans           = 0
    max_concurrency       = 0
    max_groups            = 0
    max_group_concurrency = 0
    generated_loans       = 0
    simulate_memory       = 511
    log_retention_days    = 2
    run_expiration_days   = -1
    stack_name            = ""
  }

  expect_failures = [
    var.scenarios,
    var.seed,
    var.fed_rate,
    var.chunk_loans,
    var.max_concurrency,
    var.max_groups,
    var.max_group_concurrency,
    var.generated_loans,
    var.simulate_memory,
    var.log_retention_days,
    var.run_expiration_days,
    var.stack_name,
  ]
}

run "too_large" {
  command = plan

  variables {
    scenarios             = 1000001
    fed_rate              = 30.1
    chunk_loans           = 10000001
    max_concurrency       = 400001
    max_groups            = 41
    max_group_concurrency = 10001
    generated_loans       = 10000000001
    simulate_memory       = 10241
    run_expiration_days   = 36501
    stack_name            = "more-than-twenty-char"
  }

  expect_failures = [
    var.scenarios,
    var.fed_rate,
    var.chunk_loans,
    var.max_concurrency,
    var.max_groups,
    var.max_group_concurrency,
    var.generated_loans,
    var.simulate_memory,
    var.run_expiration_days,
    var.stack_name,
  ]
}

run "no_whole_number" {
  command = plan

  variables {
    scenarios             = 10.5
    seed                  = 0.5
    chunk_loans           = 10.5
    max_concurrency       = 10.5
    max_groups            = 10.5
    max_group_concurrency = 10.5
    generated_loans       = 10.5
    simulate_memory       = 600.5
    run_expiration_days   = 0.5
  }

  expect_failures = [
    var.scenarios,
    var.seed,
    var.chunk_loans,
    var.max_concurrency,
    var.max_groups,
    var.max_group_concurrency,
    var.generated_loans,
    var.simulate_memory,
    var.run_expiration_days,
  ]
}

run "malformed" {
  command = plan

  variables {
    portfolio_bucket_name    = "arn:aws:s3:::loans"
    architecture             = "arm"
    kernel                   = "c"
    child_execution_type     = "express"
    layer_arn                = "arn:aws:lambda:eu-west-1:123456789012:layer:without-a-version"
    powertools_layer_version = "latest"
    log_level                = "debug"
    alarm_topic_arn          = "risk-team"
    stack_name               = "Monte_Carlo"
  }

  expect_failures = [
    var.portfolio_bucket_name,
    var.architecture,
    var.kernel,
    var.child_execution_type,
    var.layer_arn,
    var.powertools_layer_version,
    var.log_level,
    var.alarm_topic_arn,
    var.stack_name,
  ]
}
