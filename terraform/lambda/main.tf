# Monte Carlo simulation of loan portfolios with every state on Lambda.

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
  child_execution_type  = var.child_execution_type
  simulate_memory       = var.simulate_memory
  kernel                = var.kernel
  common                = local.common
}
