variable "allow" {
  description = "What is allowed: actions on resources; listing a bucket, below the prefixes only; sending events, of the sources only."
  type = list(object({
    actions   = list(string)
    resources = list(string)
    prefixes  = optional(list(string), [])
    sources   = optional(list(string), [])
  }))
}
