# Made by `make console` from terraform/lambda/common.tf: change that.
# What every stack has, whatever simulates its chunks.

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

module "monitoring" {
  source                      = "../modules/monitoring"
  stack_name                  = var.stack_name
  data_gen_state_machine_arn  = module.datagen.state_machine_arn
  data_proc_state_machine_arn = module.dataproc.state_machine_arn
  simulate_chunk_name         = module.dataproc.simulate_chunk_name
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
  alarm_topic_arn             = var.alarm_topic_arn
}
