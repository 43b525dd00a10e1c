"""Deploys the project's own template with the SAM CLI, and finds what it made through CloudFormation.

Imports boto3 and the embedded AWS; nothing of the functions.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from cli import PROJECT as PROJECT
from cli import CommandError
from cli.screen import say
from embedded_aws.server import Server

STACK = "montecarlo"


class DeploymentError(CommandError):
    """The stack could not be deployed, or lacks something that was looked for."""


@dataclass(frozen=True)
class Stack:
    """The deployed application."""

    session: boto3.Session
    outputs: Mapping[str, str]

    @property
    def bucket(self) -> str:
        """The name of DataBucket."""
        return self.outputs["DataBucket"]

    def client(self, service: Any) -> Any:
        """A boto3 client of a service, where the stack is."""
        return self.session.client(service)


def deploy(environment: Mapping[str, str], log: Path, overrides: Mapping[str, str] | None = None) -> Stack:
    """`sam deploy` the template to where `environment` points. Raises DeploymentError with the end of SAM's output."""
    command = [sam(), "deploy", "--stack-name", STACK, "--resolve-s3", "--no-confirm-changeset"]
    if overrides:
        command += ["--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items())]
    settings = {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "1"}
    with log.open("wb") as output:
        status = subprocess.run(
            command, cwd=PROJECT, env={**os.environ, **environment, **settings}, stdout=output, stderr=subprocess.STDOUT
        ).returncode
    if status:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise DeploymentError(f"sam deploy failed. Its output ends:\n{tail}")
    stack = find(environment)
    if stack is None:
        raise DeploymentError(f"sam deploy left no stack named {STACK}; its output is in {log}.")
    return stack


def deployed(aws: Server) -> Stack:
    """The stack deployed on an embedded AWS, as `deploy` does it."""
    say("Deploying template.yaml with SAM ...")
    return deploy(aws.environment, Path(aws.data_dir) / "sam-deploy.log")


def find(environment: Mapping[str, str]) -> Stack | None:
    """The stack where `environment` points, or None."""
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    session = _at(session, environment["AWS_ENDPOINT_URL"])
    try:
        description = session.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    except ClientError:
        return None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
    return Stack(session, outputs) if "DataBucket" in outputs else None


def functions(stack: Stack) -> Iterator[tuple[str, str]]:
    """(name in the template without 'Function', physical name) of every function of the stack and its nested stacks."""
    cloudformation = stack.client("cloudformation")
    pending = [STACK]
    while pending:
        for resource in cloudformation.describe_stack_resources(StackName=pending.pop())["StackResources"]:
            kind, physical = resource["ResourceType"], resource.get("PhysicalResourceId", "")
            if kind == "AWS::CloudFormation::Stack":
                pending.append(physical)
            elif kind == "AWS::Lambda::Function":
                yield resource["LogicalResourceId"].removesuffix("Function"), physical


def sam() -> str:
    """The SAM CLI: of the project's own environment, else on PATH."""
    own = PROJECT / ".venv-sam" / "bin" / "sam"
    found = os.environ.get("MONTECARLO_SAM") or (str(own) if own.exists() else shutil.which("sam"))
    if not found:
        raise DeploymentError("The SAM CLI is missing: run `make setup`, or put `sam` on the PATH.")
    return found


def _at(session: boto3.Session, endpoint: str) -> boto3.Session:
    """The session with every client at one endpoint, whatever the user's own configuration says."""
    original = session.client

    def client(service: Any, **options: Any) -> Any:
        return original(service, endpoint_url=endpoint, **options)

    session.client = client  # type: ignore[method-assign,assignment]
    return session
