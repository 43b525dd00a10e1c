variable "stack_name" {
  description = "Beginning of all names."
  type        = string
}

variable "spot_weight" {
  description = "How many workers of the sum of both weights are on Spot."
  type        = number
}

variable "on_demand_weight" {
  description = "How many workers of the sum of both weights are on demand."
  type        = number
}
