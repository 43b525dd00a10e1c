variable "data_bucket" {
  description = "Bucket that portfolios/ is written to."
  type        = string
}

variable "loans" {
  description = "Loans in a portfolio when the execution's input does not say."
  type        = number
}

variable "seed" {
  description = "Seed when the execution's input does not say."
  type        = number
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
