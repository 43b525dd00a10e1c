variable "stack_name" {
  description = "Beginning of all names."
  type        = string
}

variable "vpc_cidr" {
  description = "Addresses of the VPC that is made."
  type        = string
}

variable "subnet_cidrs" {
  description = "Addresses of its two subnets."
  type        = list(string)
}

variable "vpc_id" {
  description = "A VPC of your own. Empty for one that is made."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of your own VPC."
  type        = list(string)
}

variable "instances" {
  description = "Whether the workers run on instances, which talk to ECS."
  type        = bool
}

variable "interface_endpoints" {
  description = "Whether your own VPC gets endpoints of the services that the workers talk to."
  type        = bool
}
