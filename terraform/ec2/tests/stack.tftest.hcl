# `terraform test` in terraform/ec2: needs neither network nor credentials. The workers' policies and network are tried in
# terraform/fargate.

mock_provider "aws" {
  source = "../lambda/tests/aws"
}

run "workers" {
  assert {
    condition = toset(flatten([
      for statement in jsondecode(module.dataproc.policies.ProvideWorkers).Statement : statement.Action
      ])) == toset([
      "s3:PutObject", "ecs:DescribeServices", "ecs:UpdateService", "events:EnableRule", "events:DisableRule",
      "autoscaling:SetDesiredCapacity",
    ])
    error_message = "ProvideWorkers may do more, or less, than it does"
  }

  assert {
    condition = (
      jsondecode(module.dataproc.policies.ProvideWorkers).Statement[3].Resource
      == ["arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:*:autoScalingGroupName/montecarlo-ec2-Instances"]
    )
    error_message = "ProvideWorkers may set the size of another group"
  }
}

run "instances" {
  module {
    source = "../modules/ec2"
  }

  variables {
    stack_name      = "montecarlo-ec2"
    partition       = "aws"
    architecture    = "x86_64"
    network         = { subnet_ids = ["subnet-0123"], security_group_id = "sg-0123", assign_public_ip = false }
    max_workers     = 7
    cores           = 1
    memory_per_core = 4096
    spot_share      = 75
  }

  assert {
    condition = (
      output.capacity.memory == 3584 && output.capacity.group.workers_per_instance == 2
      && output.capacity.spot == 75 && output.capacity.on_demand == 25
    )
    error_message = "workers do not fit on their instances"
  }

  assert {
    condition     = aws_autoscaling_group.this.min_size == 0 && aws_autoscaling_group.this.max_size == 7
    error_message = "instances while nothing runs, or more than workers"
  }

  assert {
    condition = (
      aws_autoscaling_group.this.mixed_instances_policy[0].launch_template[0].override[0].instance_requirements[0].memory_mib[0].min
      == 8192
    )
    error_message = "not the memory that was asked for"
  }

  assert {
    condition     = data.aws_ssm_parameter.image.name == "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
    error_message = "not ECS's image for x86_64"
  }

  assert {
    condition     = aws_launch_template.this.image_id == "ami-0123456789abcdef0"
    error_message = "Auto Scaling takes no name of a parameter where attributes choose the types"
  }

  assert {
    condition = (
      aws_launch_template.this.metadata_options[0].http_tokens == "required"
      && aws_launch_template.this.metadata_options[0].http_put_response_hop_limit == 1
      && aws_launch_template.this.block_device_mappings[0].ebs[0].encrypted == "true"
    )
    error_message = "a container could get the instance's role, or a disk is not encrypted"
  }
}
