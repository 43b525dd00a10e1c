"""The deployed application: found by its name in an account, whoever deployed it; on the embedded AWS deployed by SAM.

Imports boto3 and the embedded AWS; nothing of the functions.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from cli import PROJECT as PROJECT
from cli import CommandError
from cli.screen import say
from embedded_aws.server import Server
from publishing import STACKS

STACK = "montecarlo"
"""The name under which SAM deploys, and the console and Terraform by default."""

MACHINES = {"DataGenStateMachineArn": "DataGenMachine", "DataProcStateMachineArn": "DataProcMachine"}
"""Outputs of a stack, and how Terraform names what they name: after the stack and the template's resource."""

_CLIENT = Config(
    retries={"mode": "adaptive", "total_max_attempts": 10},  # slows down where AWS asks for it
    max_pool_connections=32,
)


class DeploymentError(CommandError):
    """The stack could not be deployed, or lacks something that was looked for."""


@dataclass(frozen=True)
class Stack:
    """The deployed application. `endpoint`: of the embedded AWS; otherwise where boto3's own settings point."""

    session: boto3.Session
    outputs: Mapping[str, str]
    endpoint: str | None = None
    name: str = STACK
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _making: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def bucket(self) -> str:
        """The name of DataBucket."""
        return self.outputs["DataBucket"]

    def client(self, service: Any) -> Any:
        """The boto3 client of a service, where the stack is: one for all threads, which so keep to one pace."""
        with self._making:  # clients may be shared by threads, a session may not
            if service not in self._clients:
                self._clients[service] = self.session.client(service, endpoint_url=self.endpoint, config=_CLIENT)
            return self._clients[service]


# ---------------------------------------------------------------------------------------------------------------------
# In an account


def connect(name: str, profile: str | None, region: str | None) -> Stack:
    """The stack of this name in the account and Region that the user's own settings or the arguments name.

    SAM and the console make a stack of CloudFormation, whose outputs say what is where; Terraform names its state
    machines after the stack. Raises DeploymentError where there is neither.
    """
    session = boto3.Session(profile_name=profile, region_name=region or None)
    if not session.region_name:
        raise DeploymentError("no Region is set: give --region, or set AWS_REGION.")
    stack = Stack(session, {}, None, name)
    outputs = _of_cloudformation(stack) or _of_terraform(stack)
    if outputs is None:
        raise DeploymentError(
            f"there is no stack {name} in {session.region_name}: check the name, --profile and --region, or deploy it."
        )
    missing = {"DataBucket", *MACHINES} - outputs.keys()
    if missing:
        raise DeploymentError(
            f"the stack {name} is none of this project: it lacks the outputs {', '.join(sorted(missing))}."
        )
    return Stack(session, outputs, None, name)


def _of_cloudformation(stack: Stack) -> dict[str, str] | None:
    try:
        (found,) = stack.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # there is none of this name
            return None
        raise
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def _of_terraform(stack: Stack) -> dict[str, str] | None:
    identity = stack.client("sts").get_caller_identity()
    place = f"arn:{identity['Arn'].split(':')[1]}:states:{stack.session.region_name}:{identity['Account']}:stateMachine"
    outputs = {output: f"{place}:{stack.name}-{machine}" for output, machine in MACHINES.items()}
    states = stack.client("stepfunctions")
    try:
        definition = states.describe_state_machine(stateMachineArn=outputs["DataProcStateMachineArn"])["definition"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("StateMachineDoesNotExist", "InvalidArn"):
            return None
        raise
    buckets = {value for name, value in _values(json.loads(definition)) if name == "Bucket"}
    return {**outputs, "DataBucket": buckets.pop()} if len(buckets) == 1 else outputs


def functions(stack: Stack) -> Iterator[tuple[str, str]]:
    """(name of the state, ARN of its function) for every function of the two state machines."""
    states = stack.client("stepfunctions")
    seen = set()
    for output in MACHINES:
        machine = states.describe_state_machine(stateMachineArn=stack.outputs[output])
        found = _tasks(json.loads(machine["definition"]))
        for name, arn in sorted(found):  # of two states of one function, such as Plan and PlanWave, the first
            if arn not in seen:
                seen.add(arn)
                yield name, arn


def _tasks(machine: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, state in machine["States"].items():
        if state["Type"] == "Task" and ":lambda:" in state["Resource"]:  # and not what workers do, or Step Functions
            yield name, state["Resource"]
        elif "ItemProcessor" in state:
            yield from _tasks(state["ItemProcessor"])


def _values(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every name with its value in a JSON document."""
    for name, value in tree.items() if isinstance(tree, dict) else ():
        yield name, value
        yield from _values(value)


# ---------------------------------------------------------------------------------------------------------------------
# On the embedded AWS


def deployed(aws: Server, compute: str = "lambda") -> Stack:
    """The stack on an embedded AWS, deployed if it is not there or the sources have changed since.

    Two commands at once deploy one after the other, the second nothing. Raises DeploymentError.
    """
    place = Path(aws.data_dir)
    made_from = place / ("deployed-from" if compute == "lambda" else f"deployed-from-{compute}")
    with (place / "deploy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sources = _sources_digest()
        stack = find(aws.environment, compute)
        if stack and made_from.exists() and made_from.read_text() == sources:
            return stack
        say(f"Deploying {STACKS[compute]} with SAM ...")
        stack = deploy(aws.environment, place / "sam-deploy.log", on_this_computer(compute), compute)
        made_from.write_text(sources)
        return stack


def quoted(value: str) -> str:
    """A parameter's value as SAM takes it on its command line, where a space would end it."""
    escaped = value.replace('"', '\\"')
    return value if re.fullmatch(r"[\w.:/,@-]*", value) else f'"{escaped}"'


def deploy(
    environment: Mapping[str, str], log: Path, overrides: Mapping[str, str] | None = None, compute: str = "lambda"
) -> Stack:
    """`sam deploy` a template to where `environment` points. Raises DeploymentError with the end of SAM's output."""
    name = stack_name(compute)
    command = [sam(), "deploy", "--template-file", STACKS[compute], "--stack-name", name, "--resolve-s3"]
    command.append("--no-confirm-changeset")
    if overrides:
        command += ["--parameter-overrides", *(f"{name}={quoted(value)}" for name, value in overrides.items())]
    settings = {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "1"}
    with log.open("wb") as output:
        status = subprocess.run(
            command, cwd=PROJECT, env={**os.environ, **environment, **settings}, stdout=output, stderr=subprocess.STDOUT
        ).returncode
    if status:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise DeploymentError(f"sam deploy failed. Its output ends:\n{tail}")
    stack = find(environment, compute)
    if stack is None:
        raise DeploymentError(f"sam deploy left no stack named {name}; its output is in {log}.")
    return stack


def on_this_computer(compute: str) -> dict[str, str]:
    """Parameters for a stack on the embedded AWS: with workers, one for each processor, with one process each."""
    return {} if compute == "lambda" else {"MaxWorkers": str(os.cpu_count() or 1), "WorkerCores": "1"}


def stack_name(compute: str) -> str:
    """The name under which the stack of a compute option is deployed here; they live side by side."""
    return STACK if compute == "lambda" else f"{STACK}-{compute}"


def find(environment: Mapping[str, str], compute: str = "lambda") -> Stack | None:
    """The stack of a compute option where `environment` points, or None."""
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    stack = Stack(session, {}, environment["AWS_ENDPOINT_URL"], stack_name(compute))
    outputs = _of_cloudformation(stack)
    return Stack(session, outputs, stack.endpoint, stack.name) if outputs and "DataBucket" in outputs else None


def sam() -> str:
    """The SAM CLI: of the project's own environment, else on PATH."""
    own = PROJECT / ".venv-sam" / "bin" / "sam"
    found = os.environ.get("MONTECARLO_SAM") or (str(own) if own.exists() else shutil.which("sam"))
    if not found:
        raise DeploymentError("The SAM CLI is missing: run `make setup`, or put `sam` on the PATH.")
    return found


def _sources_digest() -> str:
    """SHA-256 of all that a deployment is made from."""
    digest = hashlib.sha256()
    folders = ("cloudformation", "statemachine", "functions")
    found = (path for folder in folders for path in (PROJECT / folder).rglob("*"))
    for path in sorted([*(PROJECT / name for name in STACKS.values()), *found]):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(PROJECT).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()
