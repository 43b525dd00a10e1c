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

# Tables for Athena over what every run leaves. A query names the run, of which the catalogue need not know.
locals {
  tables = {
    losses = {
      description = "Loss in each case and scenario"
      columns = [
        { name = "case_name", type = "string" },
        { name = "scenario", type = "int" },
        { name = "weight", type = "double" },
        { name = "loss_cents", type = "bigint" },
      ]
    }
    segments = {
      description = "Holdings and losses by segment and region and case"
      columns = [
        { name = "case_name", type = "string" },
        { name = "kind", type = "string" },
        { name = "part", type = "string" },
        { name = "loans", type = "bigint" },
        { name = "exposure", type = "double" },
        { name = "el", type = "double" },
        { name = "contribution_level", type = "double" },
        { name = "var_contribution", type = "double" },
        { name = "var_contribution_standard_error", type = "double" },
        { name = "es_contribution", type = "double" },
        { name = "es_contribution_standard_error", type = "double" },
        { name = "capital", type = "double" },
        { name = "twelve_month_ecl", type = "double" },
        { name = "lifetime_ecl", type = "double" },
      ]
    }
  }
}

resource "aws_glue_catalog_database" "results" {
  # In small letters and without hyphens, so that queries need no quotes
  name        = "${replace(var.stack_name, "-", "_")}_results"
  description = "Results of runs; every query names the run"
}

resource "aws_glue_catalog_table" "this" {
  for_each = local.tables

  name          = each.key
  database_name = aws_glue_catalog_database.results.name
  description   = each.value.description
  table_type    = "EXTERNAL_TABLE"
  parameters = {
    "classification"            = "parquet"
    "projection.enabled"        = "true"
    "projection.run.type"       = "injected"
    "storage.location.template" = "s3://${module.bucket.name}/runs/$${run}/tables/${each.key}/"
  }

  partition_keys {
    name = "run"
    type = "string"
  }

  storage_descriptor {
    location      = "s3://${module.bucket.name}/runs/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name = columns.value.name
        type = columns.value.type
      }
    }
  }
}
