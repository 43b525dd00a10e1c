locals {
  console = "https://${module.region.console_host}"
  region  = data.aws_region.current.id
}

output "next_steps" {
  description = "What to do now"
  value       = <<-EOT
    1. Open data_gen_console and start an execution with the input {}: it writes a portfolio.
       Or upload your own below portfolios/ in data_bucket.
    2. Open data_proc_console and start one with the input {}: it simulates the portfolio.
    3. Read runs/<name of the execution>/report.html in data_bucket.
  EOT
}

output "data_bucket" {
  description = "Portfolios (portfolios/) and results (runs/). Terraform deletes it only when it is empty or delete_data is true."
  value       = module.storage.data_bucket
}

output "data_bucket_console" {
  description = "The bucket in the console"
  value       = "${local.console}/s3/buckets/${module.storage.data_bucket}?region=${local.region}"
}

output "results_database" {
  description = "Database of the results' tables, for queries in Athena"
  value       = module.storage.results_database
}

output "data_gen_state_machine_arn" {
  description = "Writes a portfolio"
  value       = module.datagen.state_machine_arn
}

output "data_gen_console" {
  description = "datagen in the console"
  value       = "${local.console}/states/home?region=${local.region}#/statemachines/view/${module.datagen.state_machine_arn}"
}

output "data_proc_state_machine_arn" {
  description = "Simulates a portfolio"
  value       = module.dataproc.state_machine_arn
}

output "data_proc_console" {
  description = "dataproc in the console"
  value       = "${local.console}/states/home?region=${local.region}#/statemachines/view/${module.dataproc.state_machine_arn}"
}

output "dashboard_console" {
  description = "Executions, chunks and errors on one page"
  value       = "${local.console}/cloudwatch/home?region=${local.region}#dashboards/dashboard/${module.monitoring.dashboard_name}"
}
