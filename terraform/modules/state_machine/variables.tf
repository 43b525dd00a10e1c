variable "stack_name" {
  description = "Beginning of all names."
  type        = string
}

variable "partition" {
  description = "Partition of AWS, such as aws."
  type        = string
}

variable "name" {
  description = "DataGenMachine or DataProcMachine."
  type        = string
}

variable "definition" {
  description = "The state machine in Amazon States Language, with its placeholders filled in."
  type        = string
}

variable "function_arns" {
  description = "Functions that the state machine calls."
  type        = list(string)
}

variable "allow" {
  description = "What its ItemReader and ResultWriter may do: actions on resources; and sending events, of the sources only."
  type = list(object({
    actions   = list(string)
    resources = list(string)
    sources   = optional(list(string), [])
  }))
}

variable "log_retention_days" {
  description = "Days to keep logs."
  type        = number
}
