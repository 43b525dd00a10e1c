"""Executions of the state machines through the ordinary Step Functions API, asked no more often than it allows."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli import RunFailed as RunFailed
from montecarlo.errors import message_of_cause
from montecarlo.run.request import run_of

FIRST_POLL, LONGEST_POLL, SLOWER = 0.5, 5.0, 1.05
"""Seconds between two looks at an execution: a short run is not kept waiting, a long one is looked at less often."""


@dataclass(frozen=True)
class Execution:
    """An execution that was started."""

    client: Any
    arn: str

    @property
    def name(self) -> str:
        """Its name, unique for its state machine."""
        return self.arn.rsplit(":", 1)[-1]

    @classmethod
    def start(cls, client: Any, state_machine: str, name: str, request: Mapping[str, Any]) -> "Execution":
        """Start an execution. Its name is unique for 90 days."""
        started = client.start_execution(stateMachineArn=state_machine, name=name, input=json.dumps(request))
        return cls(client, started["executionArn"])

    def describe(self) -> "State":
        """How it stands."""
        return State.of(self.client.describe_execution(executionArn=self.arn))

    def wait(self, look: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Wait for the end, calling `look` before each look at the execution; returns the output. Raises RunFailed."""
        pause = FIRST_POLL
        while True:
            look()
            state = self.describe()
            if state.status == "SUCCEEDED":
                look()
                return state.output
            if not state.running:
                raise self._failure(state)
            time.sleep(pause)
            pause = min(LONGEST_POLL, pause * SLOWER)

    def stop(self, cause: str) -> None:
        """Stop the execution and its children."""
        self.client.stop_execution(executionArn=self.arn, cause=cause)

    def _failure(self, state: "State") -> RunFailed:
        """What the execution says, or its first failed child where it only says that there was one."""
        if state.error == "States.ExceedToleratedFailureThreshold":
            for run in self.client.list_map_runs(executionArn=self.arn)["mapRuns"]:
                children = self.client.list_executions(mapRunArn=run["mapRunArn"], statusFilter="FAILED")["executions"]
                if children:
                    child = Execution(self.client, children[0]["executionArn"]).describe()
                    return RunFailed(state.status, child.error, child.cause)
        return RunFailed(state.status, state.error, state.cause)


@dataclass(frozen=True)
class State:
    """How an execution stands. `request`: its input, if it is an object; `error` and `cause`: why it has failed."""

    name: str
    status: str
    request: Mapping[str, Any]
    output: dict[str, Any]
    error: str
    cause: str
    started: datetime
    stopped: datetime | None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> "State":
        """From what DescribeExecution answers."""
        return cls(
            described["name"],
            described["status"],
            _object(described.get("input")),
            _object(described.get("output")),
            described.get("error", ""),
            message_of_cause(described.get("cause", "")),
            described["startDate"],
            described.get("stopDate"),
        )

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")

    @property
    def run(self) -> str:
        """The run that a dataproc execution works for: the one that its input names, else its own name."""
        return str(run_of(self.request, self.name, self.started))


def executions(client: Any, state_machine: str, status: str | None = None) -> Iterator[Execution]:
    """The executions of a state machine, the latest first; of one status, if one is given."""
    chosen = {"statusFilter": status} if status else {}
    for page in client.get_paginator("list_executions").paginate(stateMachineArn=state_machine, **chosen):
        for entry in page["executions"]:
            yield Execution(client, entry["executionArn"])


def running(client: Any, state_machine: str, run: str) -> list[Execution]:
    """The executions under way that work for the run."""
    return [found for found in executions(client, state_machine, "RUNNING") if found.describe().run == run]


def _object(text: str | None) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        value = json.loads(text or "")
        if isinstance(value, dict):
            return value
    return {}
