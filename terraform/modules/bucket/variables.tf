variable "bucket_prefix" {
  description = "Beginning of the bucket's name; AWS-wide uniqueness is the provider's work."
  type        = string
}

variable "force_destroy" {
  description = "Whether destroying the bucket deletes what is in it."
  type        = bool
  default     = false
}
