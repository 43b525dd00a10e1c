data "aws_default_tags" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  # Of today's types, those with one vCPU have hardly enough memory for a worker and a system.
  cores     = max(2, var.cores)
  memory    = local.cores * var.memory_per_core
  processor = var.architecture == "arm64" ? "arm64/" : ""
  instances = join(":", [
    "arn", var.partition, "ecs", data.aws_region.current.id, data.aws_caller_identity.current.account_id,
    "container-instance/${aws_ecs_cluster.this.name}/*",
  ])
}

resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:Container Insights costs money for each worker; the workers' log and the activity's metrics say as much.
  name = var.stack_name
}

# What an instance does: it is one of the cluster, and tells of its containers. It may nothing of what a worker may. -----

resource "aws_iam_role" "instance" {
  name_prefix = "${var.stack_name}-Instance-"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

module "be_an_instance" {
  source = "../policy_document"
  allow = [
    {
      actions = [
        "ecs:RegisterContainerInstance",
        "ecs:DeregisterContainerInstance",
        "ecs:SubmitTaskStateChange",
        "ecs:SubmitContainerStateChange",
      ]
      resources = [aws_ecs_cluster.this.arn]
    },
    {
      actions   = ["ecs:Poll", "ecs:StartTelemetrySession", "ecs:UpdateContainerInstancesState"]
      resources = [local.instances]
    },
    { actions = ["ecs:DiscoverPollEndpoint"], resources = ["*"] }, # AWS knows no resource of it
  ]
}

resource "aws_iam_role_policy" "instance" {
  name   = "be-an-instance"
  role   = aws_iam_role.instance.name
  policy = module.be_an_instance.json
}

resource "aws_iam_instance_profile" "this" {
  name_prefix = "${var.stack_name}-Instance-"
  role        = aws_iam_role.instance.name
}

# Instances ------------------------------------------------------------------------------------------------------------

# Looked up with each plan. Auto Scaling, which could with each instance, refuses to in a group whose types are chosen by
# attributes.
data "aws_ssm_parameter" "image" {
  name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/${local.processor}recommended/image_id"
}

resource "aws_launch_template" "this" {
  #checkov:skip=CKV_AWS_88:In public subnets, a public address is the way out without a NAT gateway, which costs when nothing runs; nothing may come in.
  name = "${var.stack_name}-Instance"

  image_id = data.aws_ssm_parameter.image.insecure_value

  iam_instance_profile {
    arn = aws_iam_instance_profile.this.arn
  }

  # A container is one hop further away than the instance: it gets no token, and so not the instance's role.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    http_endpoint               = "enabled"
  }

  network_interfaces {
    device_index                = 0
    associate_public_ip_address = var.network.assign_public_ip
    delete_on_termination       = true
    security_groups             = [var.network.security_group_id]
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = 30 # GiB: the image's own size
      encrypted             = true
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = false # by the minute costs money
  }

  user_data = base64encode(<<-EOT
    #!/bin/bash
    cat >> /etc/ecs/ecs.config <<END
    ECS_CLUSTER=${aws_ecs_cluster.this.name}
    ECS_ENABLE_SPOT_INSTANCE_DRAINING=true
    ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true
    ECS_DISABLE_PRIVILEGED=true
    END
  EOT
  )
}

resource "aws_autoscaling_group" "this" {
  name                      = "${var.stack_name}-Instances"
  min_size                  = 0
  max_size                  = var.max_workers
  vpc_zone_identifier       = var.network.subnet_ids
  capacity_rebalance        = false # a worker has chunks of seconds: to take its instance away even sooner saves none
  protect_from_scale_in     = false # a worker whose instance is taken away hands its chunks back
  wait_for_capacity_timeout = "0"

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = 100 - var.spot_share
      on_demand_allocation_strategy            = "lowest-price"
      spot_allocation_strategy                 = "price-capacity-optimized"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.this.id
        version            = aws_launch_template.this.latest_version
      }

      override {
        instance_requirements {
          cpu_manufacturers     = var.architecture == "arm64" ? ["amazon-web-services"] : ["intel", "amd"]
          instance_generations  = ["current"]
          bare_metal            = "excluded"
          burstable_performance = "excluded"

          vcpu_count {
            min = local.cores
            max = local.cores
          }

          memory_mib {
            min = local.memory
          }

          accelerator_count {
            max = 0
          }
        }
      }
    }
  }

  dynamic "tag" {
    # The provider gives its own tags to everything but this group. AmazonECSManaged ECS sets otherwise.
    for_each = merge(data.aws_default_tags.current.tags, { AmazonECSManaged = "", Name = var.stack_name })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  lifecycle {
    ignore_changes = [desired_capacity] # ProvideWorkers sets it
  }
}

# What ProvideWorkers has missed, ECS itself puts right, within a quarter of an hour.
resource "aws_ecs_capacity_provider" "this" {
  name = "capacity-${var.stack_name}" # a name that begins with aws, ecs or fargate is refused

  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.this.arn
    managed_draining               = "ENABLED"
    managed_termination_protection = "DISABLED"

    managed_scaling {
      status                    = "ENABLED"
      target_capacity           = 100
      minimum_scaling_step_size = 1
      instance_warmup_period    = 120
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = [aws_ecs_capacity_provider.this.name]

  default_capacity_provider_strategy {
    capacity_provider = aws_ecs_capacity_provider.this.name
    weight            = 1
  }
}
