data "aws_region" "current" {}

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:A zone that AWS adds moves no subnet: their zones are looked at once.
  state = "available"

  filter { # no Local Zones
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  own      = var.vpc_id != ""
  made     = local.own ? 0 : 1
  services = "com.amazonaws.${data.aws_region.current.id}"

  endpoints = !(local.own && var.interface_endpoints) ? [] : concat(
    ["states", "logs", "lambda", "ecr.api", "ecr.dkr"],
    var.instances ? ["ecs", "ecs-agent", "ecs-telemetry"] : [],
  )
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:Flow logs cost by the gigabyte; the one security group that is used lets nothing in.
  #checkov:skip=CKV2_AWS_12:The default group lets in nothing but its own members, of which there are none.
  count = local.made

  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.stack_name }
}

resource "aws_internet_gateway" "this" {
  count = local.made

  vpc_id = aws_vpc.this[0].id
}

resource "aws_route_table" "this" {
  count = local.made

  vpc_id = aws_vpc.this[0].id
}

resource "aws_route" "internet" {
  count = local.made

  route_table_id         = aws_route_table.this[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

# The workers ask for a public address themselves, so that nothing else that is started here gets one.
resource "aws_subnet" "this" {
  count = local.own ? 0 : 2

  vpc_id            = aws_vpc.this[0].id
  availability_zone = data.aws_availability_zones.available.names[count.index]
  cidr_block        = var.subnet_cidrs[count.index]

  lifecycle {
    ignore_changes = [availability_zone] # a zone that AWS adds moves no subnet
  }
}

resource "aws_route_table_association" "this" {
  count = length(aws_subnet.this)

  subnet_id      = aws_subnet.this[count.index].id
  route_table_id = aws_route_table.this[0].id
}

# Traffic to S3 stays within AWS; a gateway endpoint costs nothing.
resource "aws_vpc_endpoint" "s3" {
  count = local.made

  vpc_endpoint_type = "Gateway"
  vpc_id            = aws_vpc.this[0].id
  service_name      = "${local.services}.s3"
  route_table_ids   = [aws_route_table.this[0].id]
}

# Nothing may come in. Out: TLS only.
resource "aws_security_group" "workers" {
  #checkov:skip=CKV2_AWS_5:It is attached in the modules workers and ec2, to tasks or instances.
  name        = "${var.stack_name}-Workers"
  description = "Workers of the Monte Carlo simulation. Nothing may come in."
  vpc_id      = local.own ? var.vpc_id : aws_vpc.this[0].id

  egress {
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
    description = "AWS services by TLS"
  }
}

resource "aws_security_group" "endpoints" {
  count = length(local.endpoints) == 0 ? 0 : 1

  name        = "${var.stack_name}-Endpoints"
  description = "Endpoints of the services that workers talk to"
  vpc_id      = var.vpc_id

  ingress {
    protocol        = "tcp"
    from_port       = 443
    to_port         = 443
    security_groups = [aws_security_group.workers.id]
    description     = "From the workers"
  }
}

resource "aws_vpc_endpoint" "services" {
  for_each = toset(local.endpoints)

  vpc_endpoint_type   = "Interface"
  vpc_id              = var.vpc_id
  service_name        = "${local.services}.${each.key}"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [aws_security_group.endpoints[0].id]
  private_dns_enabled = true
}
