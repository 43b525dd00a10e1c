variable "stack_name" {
  description = "Beginning of all names."
  type        = string
}

variable "data_gen_state_machine_arn" {
  description = "State machine that writes portfolios."
  type        = string
}

variable "data_proc_state_machine_arn" {
  description = "State machine that simulates portfolios."
  type        = string
}

variable "simulate_chunk_name" {
  description = "Name of the function that simulates a chunk. null where workers do."
  type        = string
  default     = null
}

variable "activity_arn" {
  description = "The activity from which workers take their chunks. null where a function simulates them."
  type        = string
  default     = null
}

variable "log_groups" {
  description = "Names of the log groups of what simulates chunks, of PlanGroup and of Aggregate."
  type        = object({ chunk = string, plan_group = string, aggregate = string })
}

variable "alarm_topic_arn" {
  description = "SNS topic to tell. Empty for none."
  type        = string
}
