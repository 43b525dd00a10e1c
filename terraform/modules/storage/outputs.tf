output "data_bucket" {
  description = "Bucket of the portfolios and the results."
  value       = module.bucket.name
}
