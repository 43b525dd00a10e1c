# Monte Carlo simulation of loan portfolios, the chunks simulated by workers on instances of EC2.

data "aws_region" "current" {}

module "storage" {
  source              = "../modules/storage"
  stack_name          = var.stack_name
  run_expiration_days = var.run_expiration_days
  delete_data         = var.delete_data
}

module "package" {
  source     = "../modules/package"
  stack_name = var.stack_name
}

module "region" {
  source                   = "../modules/region"
  architecture             = var.architecture
  layer_arn                = var.layer_arn
  powertools_layer_version = var.powertools_layer_version
}

locals {
  common = {
    stack_name         = var.stack_name
    partition          = module.region.partition
    architecture       = var.architecture
    layers             = module.region.layer_arns
    code_bucket        = module.package.bucket
    code_key           = module.package.key
    log_level          = var.log_level
    log_retention_days = var.log_retention_days
  }
}

module "datagen" {
  source      = "../modules/datagen"
  data_bucket = module.storage.data_bucket
  loans       = var.generated_loans
  seed        = var.seed
  common      = local.common
}

module "network" {
  source              = "../modules/network"
  stack_name          = var.stack_name
  vpc_cidr            = var.vpc_cidr
  subnet_cidrs        = var.subnet_cidrs
  vpc_id              = var.vpc_id
  subnet_ids          = var.subnet_ids
  interface_endpoints = var.interface_endpoints
  instances           = true
}

module "ec2" {
  source          = "../modules/ec2"
  stack_name      = var.stack_name
  partition       = module.region.partition
  architecture    = var.architecture
  network         = module.network
  max_workers     = var.max_workers
  cores           = var.worker_cores
  memory_per_core = var.memory_per_core
  spot_share      = var.spot_share
}

module "dataproc" {
  source                = "../modules/dataproc"
  data_bucket           = module.storage.data_bucket
  portfolio_bucket_name = var.portfolio_bucket_name
  scenarios             = var.scenarios
  seed                  = var.seed
  fed_rate              = var.fed_rate
  chunk_loans           = var.chunk_loans
  max_concurrency       = var.max_concurrency
  max_groups            = var.max_groups
  max_group_concurrency = var.max_group_concurrency
  kernel                = var.kernel
  common                = local.common
  workers = {
    capacity            = module.ec2.capacity
    network             = module.network
    max_workers         = var.max_workers
    image               = var.worker_image
    layer_arn           = module.region.layer_arn
    no_capacity_minutes = var.no_capacity_minutes
  }
}

module "monitoring" {
  source                      = "../modules/monitoring"
  stack_name                  = var.stack_name
  data_gen_state_machine_arn  = module.datagen.state_machine_arn
  data_proc_state_machine_arn = module.dataproc.state_machine_arn
  activity_arn                = module.dataproc.activity_arn
  log_groups                  = module.dataproc.log_groups
  alarm_topic_arn             = var.alarm_topic_arn
}

module "automation" {
  source                      = "../modules/automation"
  stack_name                  = var.stack_name
  partition                   = module.region.partition
  console_host                = module.region.console_host
  data_proc_state_machine_arn = module.dataproc.state_machine_arn
  schedule                    = var.schedule
  scheduled_request           = var.scheduled_request
  notification_email          = var.notification_email
}
