# Where workers run: a VPC of the stack's own, or the user's.

mock_provider "aws" {
  source = "../lambda/tests/aws"
}

variables {
  stack_name          = "montecarlo-fargate"
  vpc_cidr            = "10.42.0.0/16"
  subnet_cidrs        = ["10.42.0.0/18", "10.42.64.0/18"]
  vpc_id              = ""
  subnet_ids          = []
  interface_endpoints = true
  instances           = false
}

run "a_vpc_that_costs_nothing" {
  module {
    source = "../modules/network"
  }

  assert {
    condition     = [for subnet in aws_subnet.this : subnet.cidr_block] == ["10.42.0.0/18", "10.42.64.0/18"]
    error_message = "not the subnets that were asked for"
  }

  assert {
    condition     = aws_vpc_endpoint.s3[0].service_name == "com.amazonaws.eu-west-1.s3" && length(aws_vpc_endpoint.services) == 0
    error_message = "endpoints that cost money, or none of S3"
  }

  assert {
    condition     = output.assign_public_ip
    error_message = "the workers have no way out"
  }
}

run "a_vpc_of_ones_own" {
  module {
    source = "../modules/network"
  }

  variables {
    vpc_id     = "vpc-0123"
    subnet_ids = ["subnet-0123", "subnet-4567"]
  }

  assert {
    condition     = length(aws_vpc.this) + length(aws_subnet.this) + length(aws_route.internet) + length(aws_vpc_endpoint.s3) == 0
    error_message = "a network was made although there is one"
  }

  assert {
    condition     = keys(aws_vpc_endpoint.services) == ["ecr.api", "ecr.dkr", "lambda", "logs", "states"]
    error_message = "not the endpoints of what a worker talks to"
  }

  assert {
    condition     = aws_security_group.workers.vpc_id == "vpc-0123" && !output.assign_public_ip && output.subnet_ids == tolist(["subnet-0123", "subnet-4567"])
    error_message = "the workers do not run in the user's own network"
  }
}

run "instances_talk_to_ecs" {
  module {
    source = "../modules/network"
  }

  variables {
    vpc_id     = "vpc-0123"
    subnet_ids = ["subnet-0123"]
    instances  = true
  }

  assert {
    condition = (
      keys(aws_vpc_endpoint.services)
      == ["ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "lambda", "logs", "states"]
    )
    error_message = "not the endpoints of what a worker and its instance talk to"
  }
}

run "no_endpoints_unless_asked_for" {
  module {
    source = "../modules/network"
  }

  variables {
    vpc_id              = "vpc-0123"
    subnet_ids          = ["subnet-0123"]
    interface_endpoints = false
  }

  assert {
    condition     = length(aws_vpc_endpoint.services) + length(aws_security_group.endpoints) == 0
    error_message = "endpoints although none were asked for"
  }
}
