"""What the AWS account allows, as far as the planner must know. Imports boto3."""

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def concurrent_functions() -> int | None:
    """Functions that Lambda runs at once for those without a reserve, in this account and Region.

    None where Lambda does not say, such as for want of the permission lambda:GetAccountSettings.
    """
    config = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=5)
    try:
        limit = boto3.client("lambda", config=config).get_account_settings()["AccountLimit"]
    except (ClientError, BotoCoreError):
        return None
    return limit["UnreservedConcurrentExecutions"]
