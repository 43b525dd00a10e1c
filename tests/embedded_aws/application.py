"""The small application of `app/`, and how the tests deploy it, run it and look at it."""

import io
import json
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from embedded_aws import server

TEMPLATES = Path(__file__).parent / "app"
STACK = "tiny"


@dataclass(frozen=True)
class Aws:
    """A running embedded AWS."""

    server: server.Server

    def client(self, service: str) -> Any:
        """A boto3 client for it, which asks once: what is refused is refused."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # the stubs want a literal
            endpoint_url=self.server.endpoint,
            region_name=self.server.region,
            aws_access_key_id=self.server.access_key,
            aws_secret_access_key=self.server.secret_key,
            config=Config(retries={"max_attempts": 0}),
        )


@dataclass(frozen=True)
class Application:
    """The application, deployed."""

    aws: Aws
    outputs: dict[str, str]

    def start(self, groups: list[dict[str, Any]], max_concurrency: int = 2) -> str:
        """Start the state machine on groups of chunks; returns the execution's ARN."""
        data = {"groups": groups, "max_concurrency": max_concurrency}
        states = self.aws.client("stepfunctions")
        answer = states.start_execution(stateMachineArn=self.outputs["MachineArn"], input=json.dumps(data))
        return str(answer["executionArn"])

    def run(self, groups: list[dict[str, Any]], max_concurrency: int = 2) -> dict[str, Any]:
        """Run the state machine to its end; returns what DescribeExecution says."""
        return wait_for_end(self.aws, self.start(groups, max_concurrency))

    def read_json(self, key: str) -> Any:
        """An object of the data bucket."""
        return json.load(self.aws.client("s3").get_object(Bucket=self.outputs["DataBucket"], Key=key)["Body"])

    def keys(self, prefix: str) -> list[str]:
        """Keys of the data bucket."""
        pages = self.aws.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.outputs["DataBucket"], Prefix=prefix)
        return [item["Key"] for page in found for item in page.get("Contents", [])]


def upload(aws: Aws) -> None:
    """Put the functions' code, the nested templates and the state machine's definition into the bucket `app`."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="app")
    s3.put_object(Bucket="app", Key="code.zip", Body=zipped(TEMPLATES / "functions"))
    for name in ("functions.yaml", "machine.yaml", "machine.asl.json"):
        s3.put_object(Bucket="app", Key=name, Body=(TEMPLATES / name).read_bytes())


def deploy(aws: Aws, **parameters: str) -> dict[str, str]:
    """Create the stack, or update it; returns its outputs."""
    cloudformation = aws.client("cloudformation")
    values = {"CodeBucket": "app", "CodeKey": "code.zip", "TemplateUrlPrefix": f"{aws.server.endpoint}/app"}
    exists = STACK in [stack["StackName"] for stack in cloudformation.describe_stacks()["Stacks"]]
    act = cloudformation.update_stack if exists else cloudformation.create_stack
    act(
        StackName=STACK,
        TemplateBody=(TEMPLATES / "root.yaml").read_text(),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in (values | parameters).items()],
    )
    waiter = cloudformation.get_waiter("stack_update_complete" if exists else "stack_create_complete")
    waiter.wait(StackName=STACK, WaiterConfig={"Delay": 1})
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def create_function(aws: Aws, name: str, source: str, role: str = "any", **more: Any) -> str:
    """Create a function of one module's source, with its handler `handler`; returns its ARN."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("module.py", source)
    created = aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="module.handler",
        Role=f"arn:aws:iam::{server.ACCOUNT_ID}:role/{role}",
        Code={"ZipFile": buffer.getvalue()},
        Timeout=60,
        **more,
    )
    return str(created["FunctionArn"])


def zipped(directory: Path) -> bytes:
    """The Python files of a directory as a deployment package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(directory.glob("*.py")):
            archive.write(path, path.name)
    return buffer.getvalue()


def wait_for_end(aws: Aws, execution_arn: str, seconds: float = 30) -> dict[str, Any]:
    """Poll an execution until it has ended."""
    states = aws.client("stepfunctions")
    deadline = time.monotonic() + seconds
    while (description := states.describe_execution(executionArn=execution_arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline, f"{execution_arn} did not end within {seconds} s"
        time.sleep(0.05)
    return dict(description)
