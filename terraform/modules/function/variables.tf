variable "name" {
  description = "Name of the state that calls the function, such as GeneratePart."
  type        = string
}

variable "description" {
  description = "What the function does."
  type        = string
}

variable "allow" {
  description = "What the function may do beyond logging: see policy_document."
  type = list(object({
    actions   = list(string)
    resources = list(string)
    prefixes  = optional(list(string), [])
  }))
}

variable "policies" {
  description = "ARNs of policies that it shares with other functions, by name."
  type        = map(string)
  default     = {}
}

variable "environment" {
  description = "Environment variables."
  type        = map(string)
}

variable "memory_size" {
  description = "Memory in MB. 1,769 MB is one vCPU: less slows the start of numpy and pyarrow, more buys cores that lie idle."
  type        = number
  default     = 1769
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
