# Made by `make console` from terraform/lambda/variables.tf: change that.
# The same parameters and defaults as template-fargate.yaml has; tests/terraform/test_variables.py holds the two together.

# Simulation defaults (a run can set its own) --------------------------------------------------------------------------

variable "scenarios" {
  description = "Economic scenarios that every loan is simulated under."
  type        = number
  default     = 10000
  nullable    = false

  validation {
    condition     = floor(var.scenarios) == var.scenarios && var.scenarios >= 1 && var.scenarios <= 1000000
    error_message = "scenarios must be a whole number from 1 to 1,000,000."
  }
}

variable "seed" {
  description = "The same seed and the same portfolio give the same results to the last bit."
  type        = number
  default     = 42
  nullable    = false

  validation {
    condition     = floor(var.seed) == var.seed && var.seed >= 0
    error_message = "seed must be a whole number, 0 or more."
  }
}

variable "fed_rate" {
  description = "The Federal Funds rate, in percent, that the stressed case assumes."
  type        = number
  default     = 8
  nullable    = false

  validation {
    condition     = var.fed_rate >= -5 && var.fed_rate <= 30
    error_message = "fed_rate must be a number from -5 to 30: percent, 8 for 8 %."
  }
}

variable "chunk_loans" {
  description = "Loans that one call of SimulateChunk simulates. More is cheaper, fewer is faster on a small portfolio. It does not change the results."
  type        = number
  default     = 50000
  nullable    = false

  validation {
    condition     = floor(var.chunk_loans) == var.chunk_loans && var.chunk_loans >= 1 && var.chunk_loans <= 10000000
    error_message = "chunk_loans must be a whole number from 1 to 10,000,000."
  }
}

variable "max_concurrency" {
  description = "At most this many chunks run at once, of all groups together; calls of PlanGroup and ReduceGroup, at most one for each group, come on top. The default is half of the 1,000 concurrent executions that Lambda usually grants an account in a Region. Where it grants fewer, a run takes nine in ten of them at most."
  type        = number
  default     = 500
  nullable    = false

  validation {
    condition     = floor(var.max_concurrency) == var.max_concurrency && var.max_concurrency >= 1 && var.max_concurrency <= 400000
    error_message = "max_concurrency must be a whole number from 1 to 400,000."
  }
}

variable "max_groups" {
  description = "At most this many groups of chunks run at once. A group is planned, simulated and added up by itself."
  type        = number
  default     = 40
  nullable    = false

  validation {
    condition     = floor(var.max_groups) == var.max_groups && var.max_groups >= 1 && var.max_groups <= 40
    error_message = "max_groups must be a whole number from 1 to 40, the most that an Inline Map runs at once."
  }
}

variable "max_group_concurrency" {
  description = "At most this many chunks of one group run at once, and no more of all groups together than the limit above says."
  type        = number
  default     = 10000
  nullable    = false

  validation {
    condition     = floor(var.max_group_concurrency) == var.max_group_concurrency && var.max_group_concurrency >= 1 && var.max_group_concurrency <= 10000
    error_message = "max_group_concurrency must be a whole number from 1 to 10,000, the most that one Map Run takes."
  }
}

# Portfolio ------------------------------------------------------------------------------------------------------------

variable "generated_loans" {
  description = "Loans that datagen writes when its input does not say how many."
  type        = number
  default     = 500000
  nullable    = false

  validation {
    condition     = floor(var.generated_loans) == var.generated_loans && var.generated_loans >= 1 && var.generated_loans <= 10000000000
    error_message = "generated_loans must be a whole number from 1 to 10,000,000,000."
  }
}

variable "portfolio_bucket_name" {
  description = "A bucket that dataproc may read portfolios from, beside its own. Its own policy must allow that when it belongs to another account. Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.portfolio_bucket_name))
    error_message = "portfolio_bucket_name must be the name of an S3 bucket (not its ARN), or empty."
  }
}

# Compute --------------------------------------------------------------------------------------------------------------

variable "architecture" {
  description = "Processor of the functions. arm64 costs a fifth less for the same work, and the results are the same to the last bit."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "kernel" {
  description = "What simulates. compiled is machine code that this repository holds as text, made from functions/montecarlo/simulation/kernel.c. numpy does without it, for those who let no machine code in: it takes three times as long, and the results are the same to the last bit."
  type        = string
  default     = "compiled"
  nullable    = false

  validation {
    condition     = contains(["compiled", "numpy"], var.kernel)
    error_message = "kernel must be compiled or numpy."
  }
}

variable "layer_arn" {
  description = "Layer with numpy and pyarrow. Empty for AWS SDK for pandas, the layer that AWS publishes. The ARN of a layer version to bring your own (built for the same processor). none for no layer."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(none|arn:aws[a-z-]*:lambda:[a-z0-9-]+:\\d{12}:layer:[A-Za-z0-9_-]+:\\d+)?$", var.layer_arn))
    error_message = "layer_arn must be the ARN of a layer version (it ends in its number), or none, or empty."
  }
}

variable "powertools_layer_version" {
  description = "Version of the Powertools for AWS Lambda layer that AWS publishes. 0 for no layer."
  type        = string
  default     = "27"
  nullable    = false

  validation {
    condition     = can(regex("^\\d{1,5}$", var.powertools_layer_version))
    error_message = "powertools_layer_version must be a whole number."
  }
}

# Operation ------------------------------------------------------------------------------------------------------------

variable "stack_name" {
  description = "Beginning of all names. Two stacks in one account and Region need different ones."
  type        = string
  default     = "montecarlo-fargate"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$", var.stack_name))
    error_message = "stack_name must have 1 to 20 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "schedule" {
  description = "When dataproc is started, in UTC, such as cron(0 2 * * ? *), every night at two. Empty for never."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^rate\\([1-9]\\d* (minute|hour|day)s?\\)$|^cron\\(\\S+( \\S+){5}\\)$", var.schedule))
    error_message = "schedule must be rate(...) or cron(...) of EventBridge Scheduler, such as cron(0 2 * * ? *), or empty."
  }
}

variable "scheduled_request" {
  description = "What a scheduled run is asked, as JSON. In its name {date} and {time} stand for the day and the hour and minute, in UTC, at which the execution was started."
  type        = string
  default     = "{\"run\": \"nightly-{date}\"}"
  nullable    = false

  validation {
    condition     = can(keys(jsondecode(var.scheduled_request))) && can(regex("^\\{[^<>]*\\}$", var.scheduled_request)) && length(var.scheduled_request) <= 4000
    error_message = "scheduled_request must be a JSON object without < and >, of at most 4,000 characters."
  }
}

variable "notification_email" {
  description = "Is told how a run has ended, with the headline of its result. AWS asks the address to confirm first. Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.notification_email))
    error_message = "notification_email must be an e-mail address, or empty."
  }
}

variable "log_level" {
  description = "What the functions log. DEBUG adds what every call returned, keys and numbers of loans."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.log_level)
    error_message = "log_level must be DEBUG, INFO, WARN or ERROR."
  }
}

variable "log_retention_days" {
  description = "Logs are deleted after so many days."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3653],
      var.log_retention_days
    )
    error_message = "log_retention_days must be one of the numbers that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3653."
  }
}

variable "run_expiration_days" {
  description = "Everything a run wrote, its results too, is deleted after so many days. 0 keeps it until you delete it. Portfolios are never deleted."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = floor(var.run_expiration_days) == var.run_expiration_days && var.run_expiration_days >= 0 && var.run_expiration_days <= 36500
    error_message = "run_expiration_days must be a whole number from 0 to 36,500."
  }
}

variable "alarm_topic_arn" {
  description = "SNS topic for alarms. Told when an execution fails or times out, when chunks wait for long, and when a scheduled run cannot start. Empty for alarms that show in CloudWatch only."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^arn:aws[a-z-]*:sns:[a-z0-9-]+:\\d{12}:[A-Za-z0-9_-]+$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn must be the ARN of an SNS topic, or empty."
  }
}

variable "delete_data" {
  description = "Whether `terraform destroy` deletes the data bucket with all portfolios and results in it. Apply it before you destroy."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags for everything that is made, beside Application and Stack."
  type        = map(string)
  default     = {}
  nullable    = false
}
