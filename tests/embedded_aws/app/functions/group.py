"""Plans a group's chunks before its Distributed Map, and adds up their results after it."""

import json
import os
from typing import Any

import boto3

s3 = boto3.client("s3")
bucket = os.environ["DATA_BUCKET"]


class EmptyGroup(Exception):
    """There is nothing to plan."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return reduce(event) if "written" in event else plan(event)


def plan(event: dict[str, Any]) -> dict[str, Any]:
    chunks = [chunk | {"run": event["run"]} for chunk in event["group"]["chunks"]]
    if not chunks:
        raise EmptyGroup("the group has no chunks")
    key = f"runs/{event['run']}/groups/{event['group']['name']}.json"
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(chunks))
    return {**event, "chunks_key": key, "padding": "x" * event["group"].get("padding", 0)}


def reduce(event: dict[str, Any]) -> dict[str, Any]:
    chunks = json.load(s3.get_object(Bucket=bucket, Key=event["chunks_key"])["Body"])
    keys = [f"runs/{event['run']}/chunks/{chunk['value']}" for chunk in chunks]
    total = sum(int(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys)
    return {"group": event["group"]["name"], "total": total, "manifest": event["written"]["ResultWriterDetails"]}
