variable "allow" {
  description = "What is allowed: actions on resources; listing a bucket, below the prefixes only."
  type = list(object({
    actions   = list(string)
    resources = list(string)
    prefixes  = optional(list(string), [])
  }))
}
