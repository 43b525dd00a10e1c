output "data_bucket" {
  description = "Bucket of the portfolios and the results."
  value       = module.bucket.name
}

output "results_database" {
  description = "Database of the results' tables."
  value       = aws_glue_catalog_database.results.name
}
