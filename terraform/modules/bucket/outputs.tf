output "name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id

  # Nothing is written before the bucket is as private as it will be.
  depends_on = [
    aws_s3_bucket_ownership_controls.this,
    aws_s3_bucket_policy.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

output "policy" {
  description = "The bucket's policy as JSON."
  value       = aws_s3_bucket_policy.this.policy
}
