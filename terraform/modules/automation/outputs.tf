output "topic_arn" {
  description = "The topic that tells of runs. null where there is none."
  value       = one([for topic in aws_sns_topic.this : topic.arn])
}
