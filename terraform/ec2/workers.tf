# What can be set of workers on EC2 and their network; all else is in variables.tf. The same parameters and defaults as
# template-ec2.yaml has; tests/terraform/test_variables.py holds the two together.

# Workers --------------------------------------------------------------------------------------------------------------

variable "max_workers" {
  description = "There are never more workers than this, and no more than there are chunks. Your account's quota of vCPUs of Spot instances bounds them too."
  type        = number
  default     = 25
  nullable    = false

  validation {
    condition     = floor(var.max_workers) == var.max_workers && var.max_workers >= 1 && var.max_workers <= 1000
    error_message = "max_workers must be a whole number from 1 to 1,000, the most that an activity lets ask for chunks."
  }
}

variable "worker_cores" {
  description = "A worker simulates one chunk on each of its vCPUs. It has an instance of as many for itself; workers with 1 vCPU share one of 2."
  type        = number
  default     = 4
  nullable    = false

  validation {
    condition     = contains([1, 2, 4], var.worker_cores)
    error_message = "worker_cores must be 1, 2 or 4."
  }
}

variable "memory_per_core" {
  description = "Memory of an instance for each vCPU, in MB. Raise it for chunks that need more memory. A worker gets seven eighths of it."
  type        = number
  default     = 2048
  nullable    = false

  validation {
    condition     = contains([2048, 4096], var.memory_per_core)
    error_message = "memory_per_core must be 2048 or 4096: MB."
  }
}

variable "spot_share" {
  description = "Of 100 instances, so many are on Spot, which costs about 40 % of the other; the rest are on demand."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = contains([100, 75, 50, 25, 0], var.spot_share)
    error_message = "spot_share must be 100, 75, 50, 25 or 0: percent."
  }
}

variable "worker_image" {
  description = "An image in your own ECR that holds the worker. Empty for the image that AWS publishes for Lambda's Python, which gets the code and the libraries of the functions when it starts."
  type        = string
  default     = ""
  nullable    = false
}

variable "no_capacity_minutes" {
  description = "A run that has chunks left and no worker at work on them for so long ends with NoCapacity."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = floor(var.no_capacity_minutes) == var.no_capacity_minutes && var.no_capacity_minutes >= 20 && var.no_capacity_minutes <= 1440
    error_message = "no_capacity_minutes must be a whole number of minutes from 20 to 1,440."
  }
}

# Network --------------------------------------------------------------------------------------------------------------

variable "vpc_cidr" {
  description = "Addresses of the VPC that the stack makes for its workers."
  type        = string
  default     = "10.42.0.0/16"
  nullable    = false

  validation {
    condition     = can(regex("^\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}/(1[6-9]|2[0-8])$", var.vpc_cidr)) && can(cidrnetmask(var.vpc_cidr))
    error_message = "vpc_cidr must be a block of addresses from /16 to /28, such as 10.42.0.0/16."
  }
}

variable "subnet_cidrs" {
  description = "Two blocks of addresses within those of the VPC."
  type        = list(string)
  default     = ["10.42.0.0/18", "10.42.64.0/18"]
  nullable    = false

  validation {
    condition     = length(var.subnet_cidrs) == 2 && alltrue([for block in var.subnet_cidrs : can(cidrnetmask(block))])
    error_message = "subnet_cidrs must be two blocks of addresses, such as [\"10.42.0.0/18\", \"10.42.64.0/18\"]."
  }
}

variable "vpc_id" {
  description = "Your own VPC. Empty for a VPC that the stack makes, with public subnets in which nothing can be reached from outside."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^vpc-[0-9a-z]+$", var.vpc_id))
    error_message = "vpc_id must be the ID of a VPC, or empty."
  }
}

variable "subnet_ids" {
  description = "With your own VPC. They need a way to S3, Step Functions, CloudWatch Logs, Lambda and ECS, and to the workers' image."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-z]+$", id))])
    error_message = "subnet_ids must be IDs of subnets, such as [\"subnet-0123abcd\"], or empty."
  }

  validation {
    condition     = (var.vpc_id == "") == (length(var.subnet_ids) == 0)
    error_message = "vpc_id and subnet_ids go together: give both for a VPC of your own, or neither."
  }
}

variable "interface_endpoints" {
  description = "Whether the stack makes endpoints of Step Functions, CloudWatch Logs, Lambda, ECR and ECS in your own VPC. Each costs about a cent an hour in each subnet, also when nothing runs."
  type        = bool
  default     = false
  nullable    = false
}
