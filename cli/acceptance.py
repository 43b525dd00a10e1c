"""What a stack must do, tried on it: the same digits as everywhere, a stop that costs nothing, a failure that says why.

What is made on the way is deleted in the end: everything lies below portfolios/accept-... and runs/accept-....
"""

import contextlib
import hashlib
import io
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cli import RunFailed, history
from cli.deployment import Stack
from cli.execution import Execution
from cli.screen import say
from cli.simulation import timestamp
from montecarlo import MODEL_VERSION, __version__
from montecarlo.storage import keys

EXPECTED = Path(__file__).with_name("acceptance.json")
"""The digest of the run's losses under this version of the model; a test computes it anew."""

PORTFOLIO: dict[str, Any] = {"loans": 20_000, "part_loans": 5_000, "seed": 42, "as_of": "2026-01-01"}
RUN: dict[str, Any] = {
    "scenarios": 1_000, "seed": 42, "chunk_loans": 1_000, "tail_sampling": False, "as_of": "2026-01-01",
}  # fmt: skip
"""Plain Monte Carlo, whose losses are whole numbers from whole numbers."""

POISONED = b'AccountID,PD,EAD\nA1,0.01,1000\nA2,"0.01,1000\nA3,0.01,1000\n'
"""A quote that is never closed."""

_ACCOUNT = re.compile(r"\b\d{12}\b")
_STOP_SECONDS = 120.0


def losses_digest(losses: bytes) -> str:
    """SHA-256 of the whole numbers in losses.parquet: the losses of every scenario, case by case."""
    table = pq.read_table(io.BytesIO(losses))
    found = hashlib.sha256()
    for name in sorted(table.column_names):
        if name.endswith("_cents"):
            found.update(f"{name}:{json.dumps(table[name].to_pylist())};".encode())
    return found.hexdigest()


def of_stack(stack: Stack) -> dict[str, Any]:
    """Try everything; returns what was seen, with account numbers removed. What was made is deleted."""
    acceptance = Acceptance(stack, f"accept-{timestamp()}")
    try:
        for part in (acceptance.digits, acceptance.stop_and_resume, acceptance.poisoned):
            acceptance.judge(part)
    finally:
        acceptance.clean()
    return acceptance.report()


class Acceptance:
    """One acceptance of a stack, under names of its own."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack, self.name = stack, name
        self.client, self.s3 = stack.client("stepfunctions"), stack.client("s3")
        self.parts: list[dict[str, Any]] = []
        self.seen: dict[str, Any] = {}
        self.usd = 0.0
        self.expected: dict[str, str] = json.loads(EXPECTED.read_text(encoding="utf-8"))

    def judge(self, part: Callable[[], tuple[bool, str]]) -> None:
        """Try a part; what goes wrong in it is its verdict."""
        name = part.__name__.replace("_", " ")
        say(f"Trying {name} ...")
        began = time.monotonic()
        try:
            passed, told = part()
        except RunFailed as failure:
            passed, told = False, failure.in_words()
        self.parts.append({"name": name, "passed": passed, "told": told, "seconds": round(time.monotonic() - began, 1)})

    def digits(self) -> tuple[bool, str]:
        """20,000 generated loans give the same losses as everywhere else."""
        request = {**PORTFOLIO, "name": self.name}
        self._execute("DataGenStateMachineArn", f"{self.name}-datagen", request)
        result = self._run(f"{self.name}-whole")
        found, wanted = self._digest(f"{self.name}-whole"), self.expected["digest"]
        self._calibrate(result)
        if self.expected["model"] != MODEL_VERSION or result["versions"]["model"] != MODEL_VERSION:
            return False, f"the stack's model is version {result['versions']['model']}, this one's {MODEL_VERSION}"
        return (
            found == wanted,
            f"{found[:16]}, as it must be" if found == wanted else f"{found[:16]}, not {wanted[:16]}",
        )

    def stop_and_resume(self) -> tuple[bool, str]:
        """A run that is stopped with some chunks done is resumed to the same losses."""
        run = f"{self.name}-stopped"
        execution = self._start("DataProcStateMachineArn", run, self._request(run))
        deadline = time.monotonic() + _STOP_SECONDS
        while not self._keys(keys.groups(run), "chunk-") and time.monotonic() < deadline:
            time.sleep(0.5)
        execution.stop("montecarlo accept")
        with contextlib.suppress(RunFailed):
            execution.wait()
        self._observe(run, execution)
        done = len(self._keys(keys.groups(run), "chunk-"))
        self._execute("DataProcStateMachineArn", f"{run}-resumed", self._request(run))
        same = self._digest(run) == self.expected["digest"]
        return same, f"stopped with {done} of 20 chunks done; {'the same' if same else 'other'} losses"

    def poisoned(self) -> tuple[bool, str]:
        """A file that cannot be read fails the run by its name, and nothing is published."""
        run, key = f"{self.name}-poisoned", f"portfolios/{self.name}-poisoned/loans.csv"
        self.s3.put_object(Bucket=self.stack.bucket, Key=key, Body=POISONED)
        try:
            self._execute("DataProcStateMachineArn", run, {"run": run, "portfolio": key, "scenarios": 10})
        except RunFailed as failure:
            recorded = history.json_object(self.stack, keys.failure(run)) or {}
            published = history.read(self.stack, keys.result(run)) is not None
            right = failure.error == "InvalidPortfolio" and "loans.csv" in failure.cause and not published
            return right and recorded.get("error") == failure.error, f"{failure.error}: {failure.cause[:100]}"
        return False, "the run succeeded"

    def report(self) -> dict[str, Any]:
        """All that was seen."""
        told = {
            "versions": {"montecarlo": __version__, "model": MODEL_VERSION},
            "region": self.stack.session.region_name,
            "parts": self.parts,
            "usd": round(self.usd, 6),
            "seen": self.seen,
        }
        cleaned: dict[str, Any] = json.loads(_ACCOUNT.sub("000000000000", json.dumps(told, default=str)))
        return cleaned

    def clean(self) -> None:
        """Delete what the acceptance made."""
        for prefix in (f"{folder}/{self.name}" for folder in ("runs", "portfolios", "datagen")):
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.stack.bucket, Prefix=prefix)
            for page in pages:
                if found := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
                    self.s3.delete_objects(Bucket=self.stack.bucket, Delete={"Objects": found, "Quiet": True})

    # ------------------------------------------------------------------------------------------------------------------

    def _request(self, run: str) -> dict[str, Any]:
        return {**RUN, "run": run, "portfolio": keys.portfolio_manifest(self.name)}

    def _run(self, run: str) -> dict[str, Any]:
        self._execute("DataProcStateMachineArn", run, self._request(run))
        result = history.json_object(self.stack, keys.result(run)) or {}
        self.usd += result.get("cost", {}).get("usd", 0.0)
        return result

    def _start(self, machine: str, name: str, request: dict[str, Any]) -> Execution:
        return Execution.start(self.client, self.stack.outputs[machine], name[:80], request)

    def _execute(self, machine: str, name: str, request: dict[str, Any]) -> None:
        execution = self._start(machine, name, request)
        try:
            execution.wait()
        finally:
            self._observe(name, execution)

    def _observe(self, name: str, execution: Execution) -> None:
        """How an execution went: its events by kind, its Map Runs, and the last line that Lambda reports of each."""
        events: Counter[str] = Counter()
        pages = self.client.get_paginator("get_execution_history")
        for page in pages.paginate(executionArn=execution.arn, includeExecutionData=False):
            events.update(event["type"] for event in page["events"])
        runs = self.client.list_map_runs(executionArn=execution.arn)["mapRuns"]
        state = execution.describe()
        self.seen[name.removeprefix(self.name).strip("-")] = {
            "status": state.status,
            "error": state.error,
            "events": dict(events),
            "map_runs": [self.client.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"] for run in runs[:5]],
            "layout": sorted(self._layout(f"runs/{name}/")),
        }

    def _layout(self, prefix: str) -> set[str]:
        """The keys below a prefix, with every number and every UUID as a sign."""
        found = self._keys(prefix)
        return {
            re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", re.sub(r"\d{5,6}", "<n>", key[len(prefix) :])) for key in found
        }

    def _keys(self, prefix: str, part: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.stack.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", []) if part in item["Key"]]

    def _digest(self, run: str) -> str:
        losses = history.read(self.stack, keys.losses(run))
        return losses_digest(losses) if losses else "no losses"

    def _calibrate(self, result: dict[str, Any]) -> None:
        """What a loan under a scenario took here, for `montecarlo.cost.estimate.Speed`."""
        trials = result["loans"]["simulated"] * result["scenarios"]
        self.seen["speed"] = {
            "kernel": result["versions"].get("kernel"),
            "kernel_ns_of_a_trial": round(result["timings"]["kernel_seconds"] / trials * 1e9, 2),
            "worker_us_of_a_loan": round(result["timings"]["worker_seconds"] / result["loans"]["simulated"] * 1e6, 1),
        }
