"""Handles one chunk: squares its value, after as much trouble as the chunk asks for."""

import os
import time
from typing import Any

import boto3
import numpy as np  # of the managed layer

s3 = boto3.client("s3")
bucket = os.environ["DATA_BUCKET"]


class SlowDown(Exception):
    """Passes if tried again."""


class InvalidPortfolio(Exception):
    """Never passes."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    if "allocate_mb" in event:
        return {"bytes": np.ones(event["allocate_mb"] << 20, dtype=np.uint8).nbytes}
    time.sleep(event.get("sleep", 0))
    if event.get("broken"):
        raise InvalidPortfolio(f"chunk {event['value']} is broken")
    if count_attempt(event) <= event.get("failures", 0):
        raise SlowDown("try again")
    key = f"runs/{event['run']}/chunks/{event['value']}"
    s3.put_object(Bucket=bucket, Key=key, Body=str(np.square(event["value"])))
    return {"value": event["value"], "greeting": os.environ["GREETING"], "python_path": os.environ["PYTHONPATH"]}


def count_attempt(event: dict[str, Any]) -> int:
    """How many times this chunk has been tried, kept in S3."""
    prefix = f"runs/{event['run']}/attempts/{event['value']}/"
    attempt: int = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"] + 1
    s3.put_object(Bucket=bucket, Key=f"{prefix}{attempt}")
    return attempt
