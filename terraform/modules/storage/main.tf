module "bucket" {
  source        = "../bucket"
  bucket_prefix = "${var.stack_name}-data-"
  force_destroy = var.delete_data
}

# Versions let one look back at what a run under an old name has replaced, for 30 days.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = module.bucket.name

  rule {
    id     = "expire-old-versions"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "abort-multipart-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  # What Step Functions records of each part that datagen wrote. An execution can be redriven for 14 days.
  rule {
    id     = "expire-datagen-records"
    status = "Enabled"

    filter {
      prefix = "datagen/"
    }

    expiration {
      days = 30
    }
  }

  dynamic "rule" {
    for_each = var.run_expiration_days > 0 ? [var.run_expiration_days] : []

    content {
      id     = "expire-runs"
      status = "Enabled"

      filter {
        prefix = "runs/"
      }

      expiration {
        days = rule.value
      }
    }
  }
}
