"""Runs a state machine through the ordinary Step Functions API and watches its Map Runs."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from tqdm import tqdm

from cli import RunFailed as RunFailed
from montecarlo.errors import message_of_cause

POLL_SECONDS = 0.5

Progress = Callable[[int, int], None]
"""Called with the number of items done and known so far."""


@dataclass(frozen=True)
class Execution:
    """An execution that was started."""

    client: Any
    arn: str

    @classmethod
    def start(cls, client: Any, state_machine: str, name: str, request: Mapping[str, Any]) -> "Execution":
        """Start an execution. Its name is unique for 90 days."""
        started = client.start_execution(stateMachineArn=state_machine, name=name, input=json.dumps(request))
        return cls(client, started["executionArn"])

    @classmethod
    def running(cls, client: Any, state_machine: str, run: str) -> list["Execution"]:
        """The executions under way whose input names the run, or that are named so themselves."""
        found = []
        pages = client.get_paginator("list_executions").paginate(stateMachineArn=state_machine, statusFilter="RUNNING")
        for entry in (entry for page in pages for entry in page["executions"]):
            given = json.loads(client.describe_execution(executionArn=entry["executionArn"])["input"])
            if given.get("run", entry["name"]) == run:
                found.append(cls(client, entry["executionArn"]))
        return found

    def wait(self, progress: Progress | None = None) -> dict[str, Any]:
        """Wait for the end and return the output. Raises RunFailed with what the execution says."""
        while True:
            if progress:
                progress(*self._items())
            state = self.client.describe_execution(executionArn=self.arn)
            if state["status"] == "SUCCEEDED":
                if progress:
                    progress(*self._items())
                output: dict[str, Any] = json.loads(state["output"])
                return output
            if state["status"] != "RUNNING":
                raise self._failure(state)
            time.sleep(POLL_SECONDS)

    def stop(self, cause: str) -> None:
        """Stop the execution and its children."""
        self.client.stop_execution(executionArn=self.arn, cause=cause)

    def _failure(self, state: Mapping[str, Any]) -> RunFailed:
        """What the execution says, or its first failed child where it only says that there was one."""
        if state.get("error") == "States.ExceedToleratedFailureThreshold":
            for run in self.client.list_map_runs(executionArn=self.arn)["mapRuns"]:
                children = self.client.list_executions(mapRunArn=run["mapRunArn"], statusFilter="FAILED")["executions"]
                if children:
                    state = {
                        **self.client.describe_execution(executionArn=children[0]["executionArn"]),
                        "status": state["status"],
                    }
                    break
        return RunFailed(state["status"], state.get("error", "unknown"), message_of_cause(state.get("cause", "")))

    def _items(self) -> tuple[int, int]:
        """Items of all Map Runs: (done, total)."""
        done = known = 0
        try:
            for page in self.client.get_paginator("list_map_runs").paginate(executionArn=self.arn):
                for run in page["mapRuns"]:
                    counts = self.client.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
                    done += counts["succeeded"]
                    known += counts["total"]
        except ClientError:  # between the execution's start and its first Map Run there may be nothing to list
            pass
        return done, known


def watched(execution: Execution, title: str) -> dict[str, Any]:
    """Wait for the end with a bar and return the output. Ctrl-C stops the execution. Raises RunFailed."""
    with tqdm(
        desc=title, unit=" chunks", bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}]"
    ) as bar:

        def show(done: int, known: int) -> None:
            bar.total, bar.n = known or None, done
            bar.refresh()

        try:
            return execution.wait(show)
        except KeyboardInterrupt:
            execution.stop("interrupted by the user")
            raise
