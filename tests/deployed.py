"""The project's own stack, deployed by SAM on an embedded AWS of the tests' own, once for all tests that want it."""

import contextlib
import fcntl
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cli import main, place
from cli.deployment import Stack, deployed
from cli.execution import Execution
from embedded_aws import server
from embedded_aws.profile import STRICT, Profile
from montecarlo.storage.parquet import to_parquet

Montecarlo = Callable[..., tuple[int, str, str]]
"""Arguments of the command -> (exit status, standard output, standard error)."""


@dataclass
class Cloud:
    """The deployed stack, with what the tests do to it."""

    stack: Stack
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def upload(self, key: str, data: bytes | pa.Table) -> str:
        """Put an object, a table as Parquet, and return its key."""
        body = to_parquet(data) if isinstance(data, pa.Table) else data
        self.stack.client("s3").put_object(Bucket=self.stack.bucket, Key=key, Body=body)
        return key

    def read(self, key: str) -> bytes:
        body: bytes = self.stack.client("s3").get_object(Bucket=self.stack.bucket, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str) -> list[str]:
        return list(self.modified(prefix))

    def modified(self, prefix: str) -> dict[str, Any]:
        """When each object below the prefix was written."""
        pages = (
            self.stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.stack.bucket, Prefix=prefix)
        )
        return {item["Key"]: item["LastModified"] for page in pages for item in page.get("Contents", [])}

    def generate(self, **request: Any) -> dict[str, Any]:
        """Run datagen; returns the manifest."""
        output = self._execute("DataGenStateMachineArn", f"generate-{next(self._numbers)}", request)
        manifest: dict[str, Any] = json.loads(self.read(output["manifest"]))
        return manifest

    def simulate(self, portfolio: str, **request: Any) -> dict[str, Any]:
        """Run dataproc; returns result.json. Raises RunFailed."""
        run = request.pop("run", None) or f"test-{next(self._numbers)}"
        output = self._execute(
            "DataProcStateMachineArn", f"{run}-{next(self._numbers)}", {"run": run, "portfolio": portfolio, **request}
        )
        result: dict[str, Any] = json.loads(self.read(output["result"]))
        return result

    def _execute(self, output: str, name: str, request: dict[str, Any]) -> dict[str, Any]:
        execution = Execution.start(self.stack.client("stepfunctions"), self.stack.outputs[output], name, request)
        return execution.wait()


@contextlib.contextmanager
def refused(stack: Stack, state: str) -> Iterator[None]:
    """Within the block no invocation of the state's function begins: the state waits, and with it the run.

    None of its concurrency is left to it, as an operator stops a function on AWS.
    """
    machine = stack.client("stepfunctions").describe_state_machine(
        stateMachineArn=stack.outputs["DataProcStateMachineArn"]
    )
    function = _states(json.loads(machine["definition"]))[state]["Resource"]
    functions = stack.client("lambda")
    functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        functions.delete_function_concurrency(FunctionName=function)


def _states(machine: dict[str, Any]) -> dict[str, Any]:
    """All states of a machine by name, with those of its maps."""
    found = dict(machine["States"])
    for state in machine["States"].values():
        found |= _states(state["ItemProcessor"]) if "ItemProcessor" in state else {}
    return found


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on how a run was carried out."""
    return {name: value for name, value in result.items() if name not in ("run", "versions", "timings", "cost")}


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of an embedded AWS on which SAM has deployed the stack: once for all processes that run these tests.

    To be copied: a server that starts on a copy brings the stack back, as after a restart.
    """
    own = tmp_path_factory.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "prepared"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "done").exists():
            running = server.start(place / "aws", profile=STRICT)
            try:
                deployed(running)
            finally:
                running.stop()
            (place / "done").touch()
    return place / "aws"


def start_on_copy(prepared: Path, data_dir: Path, profile: Profile = STRICT) -> server.Server:
    """An embedded AWS with the stack, on a copy of its prepared data."""
    shutil.copytree(prepared, data_dir)
    return server.start(data_dir, profile=profile)


@pytest.fixture(scope="session")
def aws(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Server]:
    running = start_on_copy(prepared, tmp_path_factory.mktemp("state") / "up")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def cloud(aws: server.Server) -> Cloud:
    return Cloud(deployed(aws))


@pytest.fixture
def montecarlo(
    cloud: Cloud, aws: server.Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Montecarlo:
    """The command line on the tests' embedded AWS."""
    monkeypatch.setattr(place, "STATE", Path(aws.data_dir).parent)

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main.main([str(argument) for argument in arguments])
        return status, *capfd.readouterr()

    return run
