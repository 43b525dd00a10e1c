variable "stack_name" {
  description = "Beginning of the bucket's name."
  type        = string
}
