module "bucket" {
  source        = "../bucket"
  bucket_prefix = "${var.stack_name}-code-"
  force_destroy = true # nothing but what this module put there
}

# The key bears the sources' hash: changed sources are a new object, which updates the functions; the same sources are
# no change, whatever version of Terraform compresses them.
resource "aws_s3_object" "functions" {
  bucket         = module.bucket.name
  key            = "functions-${sha256(jsonencode(zipmap(local.names, local.contents)))}.zip"
  content_base64 = sensitive(local.zip_base64) # no secret, but 100,000 characters that nobody wants in a plan
  content_type   = "application/zip"

  lifecycle {
    precondition {
      condition     = length(local.names) > 0
      error_message = "There are no sources in ${abspath(local.source_dir)}: run Terraform in a whole clone of the project, in a folder of its own such as terraform/lambda."
    }
  }
}
