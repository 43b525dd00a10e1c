variable "stack_name" {
  description = "Beginning of all names."
  type        = string
}

variable "partition" {
  description = "Partition of AWS, such as aws."
  type        = string
}

variable "architecture" {
  description = "Processor of the instances: arm64 or x86_64."
  type        = string
}

variable "network" {
  description = "Where the instances run."
  type        = object({ subnet_ids = list(string), security_group_id = string, assign_public_ip = bool })
}

variable "max_workers" {
  description = "The most workers at once."
  type        = number
}

variable "cores" {
  description = "vCPUs of a worker."
  type        = number
}

variable "memory_per_core" {
  description = "Memory of an instance for each of its vCPUs, in MB."
  type        = number
}

variable "spot_share" {
  description = "Of 100 instances, so many are on Spot."
  type        = number
}
