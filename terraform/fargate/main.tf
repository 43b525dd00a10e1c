# Monte Carlo simulation of loan portfolios, the chunks simulated by workers on Fargate.

module "network" {
  source              = "../modules/network"
  stack_name          = var.stack_name
  vpc_cidr            = var.vpc_cidr
  subnet_cidrs        = var.subnet_cidrs
  vpc_id              = var.vpc_id
  subnet_ids          = var.subnet_ids
  interface_endpoints = var.interface_endpoints
  instances           = false
}

module "fargate" {
  source           = "../modules/fargate"
  stack_name       = var.stack_name
  cores            = var.worker_cores
  memory_per_core  = var.memory_per_core
  spot_weight      = var.spot_weight
  on_demand_weight = var.on_demand_weight
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
    capacity            = module.fargate.capacity
    network             = module.network
    max_workers         = var.max_workers
    image               = var.worker_image
    layer_arn           = module.region.layer_arn
    no_capacity_minutes = var.no_capacity_minutes
  }
}
