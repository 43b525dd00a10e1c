output "bucket" {
  description = "Bucket of the functions' code."
  value       = module.bucket.name
}

output "key" {
  description = "Key of the functions' code in the bucket."
  value       = aws_s3_object.functions.key
}
