variable "data_bucket" {
  description = "Bucket that holds portfolios/ and that runs/ is written to."
  type        = string
}

variable "portfolio_bucket_name" {
  description = "Another bucket to read portfolios from. Empty for none."
  type        = string
}

variable "scenarios" {
  description = "Scenarios when the execution's input does not say."
  type        = number
}

variable "seed" {
  description = "Seed when the execution's input does not say."
  type        = number
}

variable "fed_rate" {
  description = "Federal Funds rate of the stressed case, in percent, when the execution's input does not say."
  type        = number
}

variable "chunk_loans" {
  description = "Loans in a chunk when the execution's input does not say."
  type        = number
}

variable "max_concurrency" {
  description = "Chunks simulated at once when the execution's input does not say."
  type        = number
}

variable "max_groups" {
  description = "Groups at once when the execution's input does not say."
  type        = number
}

variable "max_group_concurrency" {
  description = "Chunks of one group at once when the execution's input does not say."
  type        = number
}

variable "child_execution_type" {
  description = "Kind of the executions that simulate the chunks. With workers it is STANDARD, as the others cannot wait for an activity."
  type        = string
  default     = null
}

variable "simulate_memory" {
  description = "Memory of SimulateChunk in MB."
  type        = number
  default     = null
}

variable "kernel" {
  description = "What simulates: compiled or numpy."
  type        = string
}

variable "workers" {
  description = "The workers that simulate the chunks: see the module workers. null for the function SimulateChunk."
  type = object({
    capacity = object({
      compute   = string
      cluster   = object({ name = string, arn = string })
      strategy  = map(number)
      spot      = number
      on_demand = number
      cores     = number
      memory    = number
      group     = object({ name = string, workers_per_instance = number })
    })
    network             = object({ subnet_ids = list(string), security_group_id = string, assign_public_ip = bool })
    max_workers         = number
    image               = string
    layer_arn           = string
    no_capacity_minutes = number
  })
  default = null
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
