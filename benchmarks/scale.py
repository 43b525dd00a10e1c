"""How a run's time, memory and parts grow: whole runs on the embedded AWS, through the deployed state machines.

    python benchmarks/scale.py share            1,000,000 loans x 10,000 scenarios: what is not the kernel
    python benchmarks/scale.py loans            5,000,000 loans x 1,000 scenarios: time by stage, memory by function
    python benchmarks/scale.py objects          20,000 objects of one loan each, listed by an S3 Inventory
    python benchmarks/scale.py curve            time against loans, scenarios and chunk size, with a picture
    python benchmarks/scale.py planner          cutting a CSV of 10 GB: time and memory
    python benchmarks/scale.py reduce           memory of ReduceGroup and Aggregate against the number of chunks
    python benchmarks/scale.py speed            the figures of `montecarlo.cost.estimate.Speed` on this machine

`--json FILE` writes the figures, `--svg FILE` the picture of `curve`, `--size` makes everything smaller or larger,
`--kernel numpy` is what Lambda computes with where the parameter Kernel says so.
A stage's time is from the execution's history; time and memory of functions are from their logs.
"""

import argparse
import contextlib
import gzip
import itertools
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import numpy as np
from generated import AS_OF, SEED, generated

from cli import deployment
from cli.deployment import Stack
from cli.execution import Execution
from embedded_aws import server
from montecarlo.cost import estimate as cost
from montecarlo.host.environment import Environment
from montecarlo.model.contributions import weights
from montecarlo.model.measures import LossSample, independent_error
from montecarlo.portfolio import synthetic as datagen
from montecarlo.run.chunk import Chunk
from montecarlo.run.request import RunRequest
from montecarlo.simulation import kernel
from montecarlo.source.objects import Slice
from montecarlo.steps.plan import make
from montecarlo.steps.plan_group import plan_chunks
from montecarlo.steps.simulate_chunk import simulate
from montecarlo.storage import keys
from montecarlo.storage.store import Store

WORKERS = int(os.environ.get("MONTECARLO_WORKERS") or os.cpu_count() or 1)
"""Processes of each function, as in embedded_aws."""

SCALES = (10_000, 100_000, 1_000_000, 5_000_000)


@dataclass
class Function:
    """What all invocations of one function took."""

    invocations: int = 0
    seconds: float = 0.0
    peak_mb: int = 0


@dataclass
class Run:
    """What one run took. seconds: from start to end; stages: between the state machine's own events."""

    loans: int
    scenarios: int
    chunk_loans: int
    seconds: float
    kernel_seconds: float
    stages: dict[str, float]
    functions: dict[str, Function]
    cost: dict[str, Any] = field(default_factory=dict)
    kernel: str = ""

    @property
    def busy(self) -> float:
        """What all functions together took, in seconds of a worker."""
        return sum(function.seconds for function in self.functions.values())

    @property
    def outside(self) -> float:
        """The share of the functions' time that the kernel did not have: to read, check, value, write and add up."""
        return 1 - self.kernel_seconds / self.busy

    @property
    def idle(self) -> float:
        """The share of the workers' time in which they had nothing to do, for orchestration or for want of work."""
        return 1 - self.busy / (WORKERS * self.seconds)


class Bench:
    """An embedded AWS of its own with the project deployed."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._numbers = itertools.count()
        self.states = stack.client("stepfunctions")

    def execute(self, machine: str, name: str, request: dict[str, Any]) -> tuple[Execution, dict[str, Any]]:
        execution = Execution.start(self.states, self.stack.outputs[machine], name, request)
        return execution, execution.wait()

    def generate(self, loans: int) -> str:
        """A generated portfolio, made once. Returns its place."""
        name = f"{loans}-loans"
        place = f"portfolios/{name}/"
        if not self.stack.client("s3").list_objects_v2(Bucket=self.stack.bucket, Prefix=place).get("Contents"):
            self.execute("DataGenStateMachineArn", name, {"name": name, "loans": loans})
        return place

    def simulate(self, portfolio: str, scenarios: int, chunk_loans: int = 50_000, **more: Any) -> Run:
        run = f"bench-{next(self._numbers)}"
        request = {"run": run, "portfolio": portfolio, "scenarios": scenarios, "chunk_loans": chunk_loans, **more}
        started = time.monotonic()
        execution, output = self.execute("DataProcStateMachineArn", run, request)
        seconds = time.monotonic() - started
        body = self.stack.client("s3").get_object(Bucket=self.stack.bucket, Key=output["result"])["Body"].read()
        result = json.loads(body)
        return Run(
            loans=result["loans"]["simulated"],
            scenarios=scenarios,
            chunk_loans=chunk_loans,
            seconds=seconds,
            kernel_seconds=result["timings"]["kernel_seconds"],
            stages=self._stages(execution),
            functions=self._functions(run),
            cost=result.get("cost", {}),
            kernel=result["versions"]["kernel"],
        )

    def _stages(self, execution: Execution) -> dict[str, float]:
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=execution.arn)
        entered: dict[str, Any] = {}
        stages = {}
        for event in (event for page in pages for event in page["events"]):
            if "stateEnteredEventDetails" in event:
                entered[event["stateEnteredEventDetails"]["name"]] = event["timestamp"]
            if "stateExitedEventDetails" in event:
                name = event["stateExitedEventDetails"]["name"]
                stages[name] = (event["timestamp"] - entered[name]).total_seconds()
        return stages

    def _functions(self, run: str) -> dict[str, Function]:
        """From the log lines "done" that name the run, and the REPORT lines of the same requests."""
        logs = self.stack.client("logs")
        found = {}
        for name in ("Plan", "PlanGroup", "SimulateChunk", "ReduceGroup", "Aggregate"):
            groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
            (group,) = [key for key in groups if "-DataProc-" in key and key.endswith(f"/{name}Logs")]
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
            messages = [event["message"] for page in pages for event in page["events"]]
            ours = set()
            function = Function()
            for message in messages:
                if message.startswith("{") and '"done"' in message:
                    line = json.loads(message)
                    if run in (line.get("event_run"), line.get("event_execution")):
                        ours.add(line["request_id"])
                        function.invocations += 1
                        function.seconds += line["seconds"]
            for message in messages:
                report = re.search(r"REPORT RequestId: (\S+).*Max Memory Used: (\d+) MB", message)
                if report and report[1] in ours:
                    function.peak_mb = max(function.peak_mb, int(report[2]))
            found[name] = function
        return found


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    folder = Path(tempfile.mkdtemp(prefix="montecarlo-bench-"))
    aws = server.start(folder / "aws")
    try:
        made = Bench(deployment.deploy(aws.environment, folder / "sam-deploy.log", {"Kernel": Environment().kernel}))
        made.simulate(made.generate(2_000), 100)  # imports and the first start of every function are not measured
        yield made
    finally:
        aws.stop()
        shutil.rmtree(folder, ignore_errors=True)


def show(run: Run) -> None:
    print(
        f"{run.loans:,} loans x {run.scenarios:,} scenarios x 2 cases in chunks of {run.chunk_loans:,}: "
        f"{run.seconds:.1f} s on {WORKERS} workers, functions {run.busy:.1f} s, of them kernel ({run.kernel}) "
        f"{run.kernel_seconds:.1f} s: {run.outside:.0%} outside the kernel, {run.idle:.0%} idle"
    )
    print("  stages: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in run.stages.items()))
    print(f"  {'function':<15}{'calls':>7}{'seconds':>10}{'peak MB':>9}")
    for name, function in run.functions.items():
        print(f"  {name:<15}{function.invocations:>7,}{function.seconds:>10.1f}{function.peak_mb:>9,}", flush=True)


# ---------------------------------------------------------------------------------------------------------------------
# Whole runs


def share(size: float) -> Any:
    """1,000,000 loans x 10,000 scenarios."""
    runs = []
    with bench() as aws:
        portfolio = aws.generate(round(1_000_000 * size))
        for chunk_loans in (50_000, 100_000):
            runs.append(aws.simulate(portfolio, 10_000, chunk_loans))
            show(runs[-1])
    return [asdict(run) | {"outside": run.outside, "idle": run.idle} for run in runs]


def loans(size: float) -> Any:
    """5,000,000 loans x 1,000 scenarios."""
    with bench() as aws:
        run = aws.simulate(aws.generate(round(5_000_000 * size)), 1_000, 100_000)
    show(run)
    return asdict(run)


def objects(size: float) -> Any:
    """20,000 objects of one loan, through an S3 Inventory with two files, under names that need care."""
    number = round(20_000 * size)
    header, *rows = datagen.to_csv(datagen.generate(0, number, 42, AS_OF)).decode().splitlines(keepends=True)
    with bench() as aws:
        s3, bucket = aws.stack.client("s3"), aws.stack.bucket
        keys = [f"portfolios/one by one/ä+b/{i:06} loan.csv" for i in range(number)]
        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda i: s3.put_object(Bucket=bucket, Key=keys[i], Body=(header + rows[i]).encode()), range(number)
                )
            )
        print(f"{number:,} objects written in {time.monotonic() - started:.1f} s")
        files = []
        for part in range(2):
            lines = "".join(
                f'"{bucket}","{quote_plus(keys[i], safe="/")}","{len((header + rows[i]).encode())}"\n'
                for i in range(part, number, 2)
            )
            key = f"portfolios/inventory/data/{part}.csv.gz"
            data = gzip.compress(lines.encode())
            s3.put_object(Bucket=bucket, Key=key, Body=data)
            files.append({"key": key, "size": len(data), "MD5checksum": ""})
        manifest = {"sourceBucket": bucket, "destinationBucket": f"arn:aws:s3:::{bucket}", "version": "2016-11-30",
                    "creationTimestamp": "0", "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size",
                    "files": files}  # fmt: skip
        place = "portfolios/inventory/manifest.json"
        s3.put_object(Bucket=bucket, Key=place, Body=json.dumps(manifest).encode())
        run = aws.simulate(place, 1_000, as_of=AS_OF.isoformat())
    show(run)
    assert run.loans == number
    return asdict(run)


def curve(size: float) -> Any:
    """Time against loans, against scenarios, and against the size of chunks."""
    largest = [round(scale * size) for scale in SCALES]
    with bench() as aws:
        by_loans = [aws.simulate(aws.generate(count), 10_000) for count in largest]
        by_scenarios = [aws.simulate(aws.generate(largest[1]), count) for count in (100, 1_000, 10_000, 50_000)]
        by_chunk = [aws.simulate(aws.generate(largest[2]), 1_000, count) for count in (5_000, 20_000, 50_000, 200_000)]
    for run in (*by_loans, *by_scenarios, *by_chunk):
        show(run)
    last, before = by_loans[-1], by_loans[-2]
    slope = math.log(last.seconds / before.seconds) / math.log(last.loans / before.loans)
    print(f"from {before.loans:,} to {last.loans:,} loans time grows as loans ** {slope:.2f}")
    million = (last.seconds - before.seconds) / (last.loans - before.loans) * 1e6
    print(f"a further million loans x 10,000 scenarios takes {million:.1f} s")
    return {
        "slope": slope,
        **{
            name: [asdict(run) | {"outside": run.outside, "idle": run.idle} for run in runs]
            for name, runs in (("loans", by_loans), ("scenarios", by_scenarios), ("chunk_loans", by_chunk))
        },
    }


def reduce(size: float) -> Any:
    """20,000 loans x 10,000 scenarios in more and more chunks."""
    with bench() as aws:
        portfolio = aws.generate(20_000)
        runs = [aws.simulate(portfolio, 10_000, round(20_000 / (chunks * size))) for chunks in (10, 100, 1_000)]
    for run in runs:
        show(run)
    return [asdict(run) for run in runs]


# ---------------------------------------------------------------------------------------------------------------------
# Parts


PLANNER = """
import resource, sys, time
from montecarlo.source.cutting import csv_slices
from montecarlo.source.objects import InputObject
kind, size = sys.argv[1], int(sys.argv[2])
cells = "LN-0000000001 94110 12.50 345.67 12000.00 36 2025-03-01 65000 9000.00 fixed auto".split()
row = (",".join(f'"{cell}"' if kind == "quoted" else cell for cell in cells) + chr(10)).encode()
block = row * ((8 << 20) // len(row))
def blocks():
    yield b"A,B,C,D,E,F,G,H,I,J,K" + bytes([10])
    for _ in range(size // len(block)):
        yield block
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
slices = csv_slices(InputObject("a.csv", size), blocks(), 50_000)
seconds = time.perf_counter() - started
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(len(slices), seconds, grown / 1024)
"""


def planner(size: float) -> Any:
    """How fast a CSV of 10 GB is cut when S3 is no limit, and what memory that takes."""
    found = []
    for kind in ("plain", "quoted"):
        number = round(10e9 * size)
        chunks, seconds, grown = part(PLANNER, kind, number)
        print(
            f"{number / 1e9:.1f} GB of {kind} CSV cut into {chunks:,.0f} chunks in {seconds:.0f} s, "
            f"{grown:.0f} MB more memory"
        )
        found.append({"kind": kind, "bytes": number, "chunks": chunks, "seconds": seconds, "mb": grown})
    return found


def part(program: str, *arguments: object) -> list[float]:
    """A program in a process of its own, for its own memory; it prints numbers."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [float(word) for word in done.stdout.split()]


def speed(size: float) -> Any:
    """The constants of cost.Speed that a laptop can measure: CPU seconds of the workers' own code."""
    number = round(200_000 * size)
    speeds = cost.Speed()
    found: dict[str, tuple[float, float]] = {}
    for use in kernel.KERNELS:
        first, third = (kernel_ns(cases, use) for cases in (1, 3))
        for name, value, assumed in zip(
            ("first case", "further case"), (first, (third - first) / 2), speeds.kernel_ns[use], strict=True
        ):
            found[f"{use}, {name} (ns)"] = value, assumed
        found[f"{use}, pass over the tail"] = weighing(use), speeds.weighing[use]
    with bench() as aws:
        store = Store(aws.stack.bucket, aws.stack.client("s3"))
        portfolio = aws.generate(number)
        small, large = (worker_seconds(store, portfolio, chunk_loans) for chunk_loans in (2_000, 50_000))
    chunks = number / 2_000 - number / 50_000
    chunk_seconds = max(0.0, (small - large) / chunks)
    loan_us = (large - chunk_seconds * number / 50_000) / number * 1e6
    found |= {"chunk_seconds": (chunk_seconds, speeds.chunk_seconds), "loan_us": (loan_us, speeds.loan_us)}
    for name, (value, assumed) in found.items():
        print(f"{name:<26}{value:8.3f}   in the estimate {assumed:g}")
    return {name: value for name, (value, _) in found.items()}


def kernel_ns(cases: int, use: kernel.Kernel) -> float:
    """ns per loan and scenario, the median of three."""
    problem = generated(10_000, 10_000, cases, aimed=True)
    times = []
    for _ in range(3):
        started = time.process_time()
        kernel.simulate(*problem, SEED, use)
        times.append(time.process_time() - started)
    return sorted(times)[1] / (len(problem[0]) * len(problem[2])) * 1e9


def weighing(use: kernel.Kernel) -> float:
    """Time of the pass over the tail at 99 %, relative to that of all scenarios, half of which are aimed at it."""
    loans, tables, scenarios = generated(10_000, 10_000, 2, aimed=True)
    started = time.process_time()
    by_case = kernel.simulate(loans, tables, scenarios, SEED, use).by_segment.sum(axis=1)
    simulated = time.process_time()
    shares = np.array([weights(LossSample(losses, scenarios.weights, independent_error), 0.99) for losses in by_case])
    found = time.process_time()
    kernel.weigh(loans, tables, scenarios, SEED, shares, use)
    return (time.process_time() - found) / (simulated - started)


def worker_seconds(store: Store, portfolio: str, chunk_loans: int) -> float:
    """CPU seconds of all chunks of a portfolio in 10,000 scenarios and two cases, less the kernel's."""
    request = RunRequest(f"speed-{chunk_loans}", portfolio, chunk_loans=chunk_loans)
    host = Environment()
    host.store = store
    plan = make(request, host)
    host.scenarios(plan)  # as a warm worker has them
    seconds = 0.0
    for group in range(plan.groups):
        plan_chunks(plan, group, store, store, store)
        for item in store.get_json(keys.group_chunks(plan.run, group), list):
            started = time.process_time()
            slices = tuple(map(Slice.from_json, item["slices"]))
            partial = simulate(Chunk(item["run"], item["group"], item["chunk"], slices), plan, host)
            seconds += time.process_time() - started - partial.kernel_seconds
    return seconds


# ---------------------------------------------------------------------------------------------------------------------
# The picture


def picture(figures: dict[str, Any]) -> str:
    """Seconds against loans, both in powers of ten: the whole run, and the kernel's share on all workers."""
    runs = figures["loans"]
    totals = [(run["loans"], run["seconds"]) for run in runs]
    kernels = [(run["loans"], run["kernel_seconds"] / WORKERS) for run in runs]
    low_x, high_x = (math.floor(math.log10(totals[0][0])), math.ceil(math.log10(totals[-1][0])))
    low_y = math.floor(math.log10(min(seconds for _, seconds in kernels)))
    high_y = math.ceil(math.log10(max(seconds for _, seconds in totals)))

    def x(value: float) -> float:
        return 70 + 480 * (math.log10(value) - low_x) / (high_x - low_x)

    def y(value: float) -> float:
        return 330 - 290 * (math.log10(value) - low_y) / (high_y - low_y)

    def line(points: list[tuple[float, float]], colour: str, name: str) -> str:
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        dots = "".join(f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3.5" fill="{colour}"/>' for a, b in points)
        a, b = points[-1]
        below = 28 if b < totals[-1][1] else -8
        label = f'<text x="{x(a) - 8:.1f}" y="{y(b) + below:.1f}" text-anchor="end">{name}</text>'
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}{label}'

    ticks_x = "".join(
        f'<line x1="{x(10**p):.1f}" y1="40" x2="{x(10**p):.1f}" y2="330" stroke="#ddd"/>'
        f'<text x="{x(10**p):.1f}" y="348" text-anchor="middle">{10**p:,}</text>'
        for p in range(low_x, high_x + 1)
    )
    ticks_y = "".join(
        f'<line x1="70" y1="{y(10.0**p):.1f}" x2="550" y2="{y(10.0**p):.1f}" stroke="#ddd"/>'
        f'<text x="64" y="{y(10.0**p) + 4:.1f}" text-anchor="end">{10.0**p:g} s</text>'
        for p in range(low_y, high_y + 1)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 380" font-family="sans-serif" font-size="12">'
        '<rect width="600" height="380" fill="white"/>'
        f'<text x="70" y="24" font-size="14">A run of 10,000 scenarios and two cases on {WORKERS} workers</text>'
        f"{ticks_x}{ticks_y}{line(totals, '#1f4e79', 'whole run')}{line(kernels, '#c55a11', 'kernel')}"
        '<text x="310" y="370" text-anchor="middle">loans</text></svg>\n'
    )


MODES = {mode.__name__: mode for mode in (share, loans, objects, curve, reduce, planner, speed)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python benchmarks/scale.py", description="Time and memory of whole runs.")
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--size", type=float, default=1.0, help="everything so many times as large (default 1)")
    parser.add_argument("--kernel", choices=kernel.KERNELS, default="compiled")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the picture of curve there")
    options = parser.parse_args()
    os.environ["MONTECARLO_KERNEL"] = options.kernel
    figures = MODES[options.mode](options.size)
    if options.json:
        machine = {"processor": platform.processor() or platform.machine(), "workers": WORKERS}
        document = {"mode": options.mode, "size": options.size, "machine": machine, "figures": figures}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.svg and options.mode == "curve":
        options.svg.write_text(picture(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
