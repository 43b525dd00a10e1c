variable "stack_name" {
  description = "Beginning of the bucket's name."
  type        = string
}

variable "run_expiration_days" {
  description = "Days after which what a run wrote is deleted. 0 keeps it."
  type        = number
}

variable "delete_data" {
  description = "Whether `terraform destroy` deletes portfolios and results."
  type        = bool
}
