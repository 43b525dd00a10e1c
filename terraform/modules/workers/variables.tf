variable "capacity" {
  description = "What workers run on: see the modules fargate and ec2. strategy: weight of each capacity provider of the cluster; spot and on_demand: of their sum, so many workers are on the one and on the other; memory: of a worker, in MB; group: of Auto Scaling, whose instances they run on."
  type = object({
    compute   = string
    cluster   = object({ name = string, arn = string })
    strategy  = map(number)
    spot      = number
    on_demand = number
    cores     = number
    memory    = number
    group     = object({ name = string, workers_per_instance = number })
  })
}

variable "network" {
  description = "Where the workers run on Fargate; instances have a network of their own."
  type        = object({ subnet_ids = list(string), security_group_id = string, assign_public_ip = bool })
}

variable "max_workers" {
  description = "The most workers at once."
  type        = number
}

variable "image" {
  description = "Image of the workers. Empty for the one that AWS publishes for Lambda's Python."
  type        = string
}

variable "no_capacity_minutes" {
  description = "A run that no worker is at work on for so long is ended."
  type        = number
}

variable "data_bucket" {
  description = "Bucket that holds portfolios/ and that runs/ is written to."
  type        = string
}

variable "portfolio_bucket_name" {
  description = "Another bucket to read portfolios from. Empty for none."
  type        = string
}

variable "kernel" {
  description = "What simulates: compiled or numpy."
  type        = string
}

variable "layer_arn" {
  description = "Layer with numpy and pyarrow, which the workers take too. Empty for none."
  type        = string
}

variable "code_function" {
  description = "Function whose code the workers start with."
  type        = object({ name = string, arn = string })
}

variable "policies" {
  description = "ARNs of the policies ReadRuns and ReadPortfolios."
  type        = map(string)
}

variable "allow" {
  description = "What a worker may do to a run's objects, as SimulateChunk may: actions on resources."
  type        = list(object({ actions = list(string), resources = list(string) }))
}

variable "environment" {
  description = "Environment variables of all functions of dataproc."
  type        = map(string)
}

variable "state_machine_arn" {
  description = "State machine that simulates a portfolio."
  type        = string
}

variable "common" {
  description = "What all functions of a stack share."
  type = object({
    stack_name         = string
    partition          = string
    architecture       = string
    layers             = list(string)
    code_bucket        = string
    code_key           = string
    log_level          = string
    log_retention_days = number
  })
}
