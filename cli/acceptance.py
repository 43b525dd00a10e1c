"""What a stack must do, tried on it: the same digits as everywhere, a stop that costs nothing, a failure that says why.

What is made on the way is deleted in the end: everything lies below portfolios/accept-... and runs/accept-..., beside a
state machine and a role of that name. Notes in deleted/ stay: of the runs that were to fail, so that none lists them.
"""

import contextlib
import hashlib
import io
import json
import re
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError

from cli import RunFailed, history, seen, speeds, twin
from cli.deployment import Stack, functions
from cli.execution import Execution
from cli.screen import say
from cli.simulation import timestamp
from montecarlo import MODEL_VERSION, __version__
from montecarlo.cost.estimate import prices
from montecarlo.storage import keys

EXPECTED = Path(__file__).with_name("acceptance.json")
"""What the embedded AWS does, and the digest of the run's losses under this version of the model."""

OK, WRONG, UNTRIED = "ok", "wrong", "untried"
Verdict = tuple[str, str]
"""One of the three, and what was found."""

LOANS, CHUNK, SMALL_CHUNK = 20_000, 5_000, 500
PORTFOLIO: dict[str, Any] = {"loans": LOANS, "part_loans": SMALL_CHUNK, "seed": 42, "as_of": "2026-01-01"}
RUN: dict[str, Any] = {
    "scenarios": 5_000, "seed": 42, "chunk_loans": CHUNK, "tail_sampling": False, "as_of": "2026-01-01",
}  # fmt: skip
"""Plain Monte Carlo, whose losses are whole numbers from whole numbers."""

MANY_GROUPS: dict[str, Any] = {"chunk_loans": SMALL_CHUNK, "max_group_concurrency": 1}
FEW_AT_ONCE = 13
"""A chunk in each group, so that there are as many groups as an Inline Map runs at once; resumed, they take turns."""

POISONED = b'AccountID,PD,EAD\nA1,0.01,1000\nA2,"0.01,1000\nA3,0.01,1000\n'
"""A quote that is never closed."""

NAME_BYTES = 1_000
"""Of each AccountID of a chunk that is to fill the memory of a function: one that no loan may have."""

OUT_OF_MEMORY = ("Runtime.OutOfMemory", "Runtime.ExitError", "Lambda.Unknown")
"""How Lambda tells, through Step Functions, that a function took more memory than it has."""

LOG_SECONDS = 20.0
"""What CloudWatch Logs is given to bring the last lines."""

_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
_STOP_SECONDS = 120.0


def losses_digest(losses: bytes) -> str:
    """SHA-256 of the whole numbers in losses.parquet: the losses of every scenario, case by case."""
    table = pq.read_table(io.BytesIO(losses))
    found = hashlib.sha256()
    for name in sorted(table.column_names):
        if name.endswith("_cents"):
            found.update(f"{name}:{json.dumps(table[name].to_pylist())};".encode())
    return found.hexdigest()


def huge_file(megabytes: int) -> bytes:
    """A Parquet file of a few KB whose second row group, a chunk of its own, takes so much memory once it is read."""
    target = io.BytesIO()
    names = {1_000: "A", megabytes * 1_000_000 // NAME_BYTES: "A" * NAME_BYTES}
    tables = [
        pa.table({
            "AccountID": pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [name]),
            "PD": np.full(rows, 0.01, np.float32),
            "EAD": np.full(rows, 1000.0, np.float32),
        })
        for rows, name in names.items()
    ]  # fmt: skip
    with pq.ParquetWriter(target, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=len(table))
    return target.getvalue()


def of_stack(stack: Stack) -> dict[str, Any]:
    """Try everything; returns what was seen, with account numbers removed. What was made is deleted."""
    acceptance = Acceptance(stack, f"accept-{timestamp()}")
    try:
        acceptance.try_all()
        acceptance.collect()
    finally:
        acceptance.clean()
    return acceptance.report()


class Acceptance:
    """One acceptance of a stack, under names of its own."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack, self.name = stack, name
        self.client, self.s3 = stack.client("stepfunctions"), stack.client("s3")
        self.parts: dict[str, dict[str, Any]] = {}
        self.seen: dict[str, Any] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.reports: dict[str, list[dict[str, float]]] = {}
        self.metrics: dict[str, dict[str, float]] = {}
        self.began = datetime.now(UTC) - timedelta(seconds=1)
        self.expected: dict[str, Any] = json.loads(EXPECTED.read_text(encoding="utf-8"))
        self._started: list[Execution] = []
        self._twin: twin.Twin | None = None
        self._lock = threading.Lock()

    def try_all(self) -> None:
        """Try every part: all at once, since most of their time is waiting."""
        self.judge(self.generated)
        if self.parts["generated"]["verdict"] != OK:
            return
        parts = (self.digits, self.stop_and_resume, self.other_children, self.poisoned, self.too_large)
        with ThreadPoolExecutor(len(parts)) as pool:
            for _ in pool.map(self.judge, parts):
                pass

    def judge(self, part: Callable[[], Verdict]) -> None:
        """Try a part; what goes wrong in it is its verdict."""
        name = part.__name__.replace("_", " ")
        with self._lock:
            say(f"Trying {name} ...")
        began = time.monotonic()
        try:
            verdict, told = part()
        except RunFailed as failure:
            verdict, told = WRONG, failure.in_words()
        self.parts[name] = {"verdict": verdict, "told": told, "seconds": round(time.monotonic() - began, 1)}

    # Parts ------------------------------------------------------------------------------------------------------------

    def generated(self) -> Verdict:
        """A portfolio of 20,000 loans is made; its digits show in those of its losses."""
        self._execute("DataGenStateMachineArn", "datagen", {**PORTFOLIO, "name": self.name}, f"portfolios/{self.name}/")
        return OK, f"{LOANS:,} loans"

    def digits(self) -> Verdict:
        """They have the same losses as everywhere else."""
        self._run("whole")
        return self._judged("whole")

    def stop_and_resume(self) -> Verdict:
        """A run of 40 groups that is stopped is resumed to the same losses, its groups taking turns."""
        run = f"{self.name}-stopped"
        execution = self._start("DataProcStateMachineArn", run, self._request(run, **MANY_GROUPS))
        deadline = time.monotonic() + _STOP_SECONDS
        while not self._partials(run) and time.monotonic() < deadline:
            time.sleep(0.3)
        execution.stop("montecarlo accept")
        with contextlib.suppress(RunFailed):
            execution.wait()
        done = self._partials(run)
        self._observe("stopped", execution, f"runs/{run}/")
        self._run("stopped", "resumed", **MANY_GROUPS, max_groups=FEW_AT_ONCE)
        verdict, told = self._judged("stopped")
        groups = self.seen["resumed"]["layout"].get("groups/<n>/group.json", 0)
        return verdict, f"{told}, stopped with {done} of {LOANS // SMALL_CHUNK} chunks done, in {groups} groups"

    def other_children(self) -> Verdict:
        """Chunks run as Express children have the same losses; as Standard ones where the stack has Express."""
        if not self._worker():
            return UNTRIED, "chunks are for workers, which Express children cannot ask"
        try:
            self._twin = twin.make(self.stack, self.name)
            self._run("children", machine=self._twin.machine)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            return UNTRIED, (
                f"{error.operation_name} says {code}; it takes a state machine and a role of its own for a while. "
                "Or deploy with the other ChildExecutionType and accept that."
            )
        verdict, told = self._judged("children")
        return verdict, f"{self._twin.kind} children: {told}"

    def poisoned(self) -> Verdict:
        """A file that cannot be read fails the run by its name, and nothing is published."""
        failure = self._failing("poisoned", "loans.csv", POISONED)
        if failure is None:
            return WRONG, "the run succeeded"
        right = failure.error == "InvalidPortfolio" and "loans.csv" in failure.cause
        return self._recorded("poisoned", failure, right)

    def too_large(self) -> Verdict:
        """A chunk that needs more memory than its function has fails the run, and nothing is published."""
        if not self._worker():
            return UNTRIED, "chunks are for workers, whose memory is not that of a function"
        memory = self._worker()["MemorySize"]
        content = huge_file(2 * memory)
        failure = self._failing("huge", "loans.parquet", content, chunk_loans=2 * memory * 1_000_000 // NAME_BYTES)
        if failure is None:
            return WRONG, f"a chunk that takes {2 * memory:,} MB went through"
        return self._recorded("huge", failure, failure.error in OUT_OF_MEMORY)

    # What is seen -----------------------------------------------------------------------------------------------------

    def collect(self) -> None:
        """What Lambda and CloudWatch tell of all that was done, once their lines have come."""
        deadline = time.monotonic() + LOG_SECONDS
        while True:
            self.reports = seen.reports(self.stack, self.began)
            wanted = (self.seen.get("whole") or {}).get("layout", {}).get("loans/<n>-<n>.parquet", 0)
            found = self.reports.get("SimulateChunk")  # which workers do without a report
            if found is None or len(found) >= wanted or time.monotonic() > deadline:
                break
            time.sleep(2)
        self.metrics = seen.metrics(self.stack, self.began)

    def report(self) -> dict[str, Any]:
        """All that was seen."""
        reference = self.expected["seen"]
        told = {
            "versions": {"montecarlo": __version__, "model": MODEL_VERSION},
            "region": self.stack.session.region_name,
            "parts": self.parts,
            "differences": {
                name: found
                for name in reference
                if name in self.seen and (found := seen.differences(self.seen[name], reference[name]))
            },
            "usd": round(self.usd(), 6),
            "speeds": speeds.measured(
                self.results, self.reports, {"whole": LOANS // CHUNK, "stopped": LOANS // SMALL_CHUNK}
            ),
            "seen": self.seen,
            "reports": {
                name: {"number": len(lines), "some": lines[: seen.KEPT]} for name, lines in self.reports.items()
            },
            "metrics": self.metrics,
        }
        cleaned: dict[str, Any] = json.loads(_ACCOUNT.sub("000000000000", json.dumps(told, default=str)))
        return cleaned

    def usd(self) -> float:
        """What all of it cost by list prices: what Lambda reports, states that were entered, objects that are left.

        What workers cost is not in it.
        """
        table, architecture = prices()["usd"], self._worker().get("Architectures", ["x86_64"])[0]
        lines = [line for of_function in self.reports.values() for line in of_function]
        gb_seconds = sum(line.get("Billed Duration", 0) * line.get("Memory Size", 0) for line in lines) / 1024e3
        entered = sum(
            number
            for each in self.seen.values()
            for name, number in each["events"].items()
            if name.endswith("StateEntered")  # each of them is a transition
        )
        children = sum(counts["total"] for each in self.seen.values() for counts in each["counts"])
        written = sum(sum(each["layout"].values()) for each in self.seen.values())
        return float(
            gb_seconds * table["lambda_gb_second"][architecture]
            + len(lines) * table["lambda_request"]
            + (entered + 2 * children) * table["standard_transition"]
            + written * (table["s3_put"] + 3 * table["s3_get"])
        )

    def clean(self) -> None:
        """Stop what still runs, and delete what the acceptance made; what cannot be deleted is named."""
        for execution in self._started:
            with contextlib.suppress(ClientError):
                if execution.describe().running:
                    execution.stop("montecarlo accept")
        for what, delete in self._made():
            try:
                delete()
            except ClientError as error:
                say(f"{what} is left: {error.operation_name} says {error.response['Error']['Code']}.")

    def _made(self) -> Iterator[tuple[str, Callable[[], None]]]:
        for prefix in (f"{folder}/{self.name}" for folder in ("runs", "portfolios", "datagen")):
            yield f"{prefix}*", partial(self._delete, prefix)
        yield f"{self.name} in `montecarlo list`", self._note_deleted
        if self._twin:
            yield f"The state machine and the role {self.name}", self._twin.delete

    def _delete(self, prefix: str) -> None:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.stack.bucket, Prefix=prefix)
        for page in pages:
            if found := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
                self.s3.delete_objects(Bucket=self.stack.bucket, Delete={"Objects": found, "Quiet": True})

    def _note_deleted(self) -> None:
        """Let no command list the runs that were to fail."""
        latest = {}
        for execution in self._started:
            state = execution.describe()
            if "run" in state.request:
                latest[state.run] = state
        for run, state in latest.items():
            if state.status != "SUCCEEDED":
                history.note_deleted(self.stack, run, state.started)

    # How --------------------------------------------------------------------------------------------------------------

    def _request(self, run: str, **more: Any) -> dict[str, Any]:
        return {**RUN, "run": run, "portfolio": keys.portfolio_manifest(self.name), **more}

    def _run(self, name: str, seen_as: str = "", machine: str | None = None, **more: Any) -> None:
        """Run the portfolio to its end under `name`, which may have been begun before."""
        run = f"{self.name}-{name}"
        request = self._request(run, **more)
        self._execute(machine or "DataProcStateMachineArn", seen_as or name, request, f"runs/{run}/")
        self.results[name] = history.json_object(self.stack, keys.result(run)) or {}

    def _failing(self, name: str, file: str, content: bytes, **more: Any) -> RunFailed | None:
        """Run a portfolio of one file, which must fail; returns how it did."""
        run, key = f"{self.name}-{name}", f"portfolios/{self.name}-{name}/{file}"
        self.s3.put_object(Bucket=self.stack.bucket, Key=key, Body=content)
        request = {"run": run, "portfolio": key, "scenarios": 10, "as_of": "2026-01-01", **more}
        try:
            self._execute("DataProcStateMachineArn", name, request, f"runs/{run}/")
        except RunFailed as failure:
            return failure
        return None

    def _recorded(self, name: str, failure: RunFailed, right: bool) -> Verdict:
        """Whether a failure is as it must be, has been written down, and has let nothing be published."""
        run = f"{self.name}-{name}"
        recorded = history.json_object(self.stack, keys.failure(run)) or {}
        published = history.read(self.stack, keys.result(run)) is not None
        fine = right and recorded.get("error") == failure.error and not published
        return OK if fine else WRONG, textwrap.shorten(f"{failure.error}: {failure.cause}", 200, placeholder=" ...")

    def _judged(self, name: str) -> Verdict:
        """Whether a run's losses are those that every stack must give."""
        losses = history.read(self.stack, keys.losses(f"{self.name}-{name}"))
        found, wanted = losses_digest(losses) if losses else "no losses", self.expected["digest"]
        theirs = self.results[name].get("versions", {}).get("model")
        if self.expected["model"] != MODEL_VERSION or theirs != MODEL_VERSION:
            return WRONG, f"the stack's model is version {theirs}, this one's {MODEL_VERSION}"
        if found != wanted:
            return WRONG, f"losses {found[:16]}, not {wanted[:16]}"
        return OK, f"losses {found[:16]}, as they must be"

    def _start(self, machine: str, name: str, request: dict[str, Any]) -> Execution:
        execution = Execution.start(self.client, self.stack.outputs.get(machine, machine), name[:80], request)
        with self._lock:
            self._started.append(execution)
        return execution

    def _execute(self, machine: str, name: str, request: dict[str, Any], prefix: str) -> None:
        execution = self._start(machine, f"{self.name}-{name}", request)
        try:
            execution.wait()
        finally:
            self._observe(name, execution, prefix)

    def _observe(self, name: str, execution: Execution, prefix: str) -> None:
        self.seen[name] = seen.of_execution(self.stack, execution, prefix)

    def _worker(self) -> dict[str, Any]:
        """How SimulateChunk is set up; nothing where workers do what it does."""
        name = dict(functions(self.stack)).get("SimulateChunk")
        if name is None:
            return {}
        found: dict[str, Any] = self.stack.client("lambda").get_function_configuration(FunctionName=name)
        return found

    def _partials(self, run: str) -> int:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.stack.bucket, Prefix=keys.groups(run))
        return sum("/chunk-" in item["Key"] for page in pages for item in page.get("Contents", []))
