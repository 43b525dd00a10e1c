"""Where things lie: the only room that speaks to S3."""
