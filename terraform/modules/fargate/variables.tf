variable "stack_name" {
  description = "Beginning of all names."
  type        = string
}

variable "cores" {
  description = "vCPUs of a worker."
  type        = number
}

variable "memory_per_core" {
  description = "Memory of a worker for each of its vCPUs, in MB."
  type        = number
}

variable "spot_weight" {
  description = "How many workers of the sum of both weights are on Spot."
  type        = number
}

variable "on_demand_weight" {
  description = "How many workers of the sum of both weights are on demand."
  type        = number
}
