variable "stack_name" {
  description = "Beginning of all names."
  type        = string
}

variable "partition" {
  description = "Partition of the account."
  type        = string
}

variable "console_host" {
  description = "Host of the console in this partition."
  type        = string
}

variable "data_proc_state_machine_arn" {
  description = "State machine that simulates portfolios."
  type        = string
}

variable "schedule" {
  description = "When dataproc is started. Empty for never."
  type        = string
}

variable "scheduled_request" {
  description = "The input with which it is started, as JSON."
  type        = string
}

variable "notification_email" {
  description = "Address that is told how a run has ended. Empty for none."
  type        = string
}

variable "alarm_topic_arn" {
  description = "SNS topic that is told where a scheduled run could not start. Empty for none."
  type        = string
}
