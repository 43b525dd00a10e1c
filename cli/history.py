"""The runs of a stack: what each has become, from its executions and from what lies in the bucket."""

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli import CommandError
from cli.deployment import Stack
from cli.execution import Execution, State, executions, running
from cli.screen import typed
from montecarlo.errors import InvalidResult
from montecarlo.report.view import ResultView
from montecarlo.run.request import NAME
from montecarlo.storage import keys

IN_WORDS = {
    "RUNNING": "running",
    "PENDING_REDRIVE": "running",
    "SUCCEEDED": "done",
    "FAILED": "failed",
    "ABORTED": "cancelled",
    "TIMED_OUT": "timed out",
}
DONE, LEFT, DELETED = "done", "left unfinished", "deleted"

MOST_DESCRIBED = 200
"""Executions that are looked into for a run's name: a call each, of the 250 that an account may make at once."""


@dataclass(frozen=True)
class Run:
    """A run. `started`, `stopped`: of its latest execution, as long as Step Functions remembers it."""

    name: str
    state: str
    started: datetime | None = None
    stopped: datetime | None = None
    error: str = ""
    cause: str = ""
    result: ResultView | None = None

    @property
    def seconds(self) -> float | None:
        """How long the latest execution took."""
        return (self.stopped - self.started).total_seconds() if self.started and self.stopped else None


def checked_name(text: str) -> str:
    """The name of a run, as a part of keys. Raises CommandError where no run can have it."""
    if not NAME.fullmatch(text):
        raise CommandError(f"no run can be called {text!r}: names are letters, digits, '-', '_' and '.'.")
    return text


def runs(stack: Stack, most: int) -> list[Run]:
    """The latest runs, newest first; behind them those whose executions are forgotten, by name."""
    latest: dict[str, State] = {}
    for state in states(stack):
        latest.setdefault(state.run, state)
        if len(latest) == most:
            break
    names = [*latest, *(name for name in _names(stack) if name not in latest)][:most]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda name: _run(stack, name, latest.get(name)), names)
        return [run for run in found if run.state != DELETED]


def find(stack: Stack, name: str) -> Run:
    """A run by its name. Raises CommandError where there is none."""
    checked_name(name)
    state = latest_state(stack, name)
    run = _run(stack, name, state) if state or name in set(_names(stack, name)) else None
    if run is None or run.state == DELETED:
        raise CommandError(f"there is no run {name}; `{typed('list')}` shows those that there are.")
    return run


def note_deleted(stack: Stack, name: str, started: datetime) -> None:
    """Write down that a run was deleted, for as long as Step Functions remembers that it failed or was cancelled.

    started: when the latest of its executions did.
    """
    note = json.dumps({"started": started.isoformat()}).encode()
    stack.client("s3").put_object(Bucket=stack.bucket, Key=keys.deleted(name), Body=note)


def states(stack: Stack) -> Iterator[State]:
    """How the latest executions of dataproc stand, newest first."""
    found = executions(stack.client("stepfunctions"), stack.outputs["DataProcStateMachineArn"])
    for execution, _ in zip(found, range(MOST_DESCRIBED), strict=False):
        with contextlib.suppress(execution.client.exceptions.ExecutionDoesNotExist):
            yield execution.describe()


def under_way(stack: Stack, name: str) -> list[Execution]:
    """The executions at work for a run."""
    return running(stack.client("stepfunctions"), stack.outputs["DataProcStateMachineArn"], name)


def latest_state(stack: Stack, name: str) -> State | None:
    """How the latest execution of a run stands, None where none is remembered."""
    return next((state for state in states(stack) if state.run == name), None)


def request(stack: Stack, name: str) -> dict[str, Any] | None:
    """The input that continues a run: as its plan left it; of one that was stopped before, what it was started with."""
    planned = json_object(stack, keys.request(name))
    if planned is not None:
        return planned
    state = latest_state(stack, name)
    if state is None or _run(stack, name, state).state == DELETED:
        return None
    return {**state.request, "run": name}


def json_object(stack: Stack, key: str) -> dict[str, Any] | None:
    """A document of the bucket, None where there is none or it cannot be read."""
    data = read(stack, key)
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(data) if data is not None else None
        if isinstance(value, dict):
            return value
    return None


def read(stack: Stack, key: str) -> bytes | None:
    """An object of the bucket, None where there is none."""
    s3 = stack.client("s3")
    try:
        body: bytes = s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return body


def exists(stack: Stack, key: str) -> bool:
    """Whether there is an object under the key."""
    found = stack.client("s3").list_objects_v2(Bucket=stack.bucket, Prefix=key, MaxKeys=1)
    return any(item["Key"] == key for item in found.get("Contents", []))


def _run(stack: Stack, name: str, state: State | None) -> Run:
    result = None
    if (data := read(stack, keys.result(name))) is not None:
        with contextlib.suppress(InvalidResult):
            result = ResultView.read(data)
    if state is None:
        return Run(name, DONE if result else LEFT, result=result)
    deleted = data is None and _is_deleted(stack, name, state)
    return Run(
        name,
        DELETED if deleted else IN_WORDS.get(state.status, state.status.lower()),
        state.started,
        state.stopped,
        state.error,
        state.cause,
        result if state.status == "SUCCEEDED" else None,
    )


def _is_deleted(stack: Stack, name: str, state: State) -> bool:
    """Whether a run without a result was deleted after its latest execution.

    A note must say so where the execution did not succeed: stopped before its plan, it has left nothing either.
    """
    if state.running:
        return False
    if state.status == "SUCCEEDED":
        return True
    note = json_object(stack, keys.deleted(name)) or {}
    if note.get("started") != state.started.isoformat():
        return False
    return name not in set(_names(stack, name))  # what was at work when it was stopped may have written since


def _names(stack: Stack, prefix: str = "") -> Iterator[str]:
    """The runs of which something lies in the bucket."""
    pages = stack.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=stack.bucket, Prefix=f"runs/{prefix}", Delimiter="/"):
        for entry in page.get("CommonPrefixes", []):
            name = entry["Prefix"].removeprefix("runs/").removesuffix("/")
            if NAME.fullmatch(name):
                yield name
