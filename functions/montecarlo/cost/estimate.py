"""What a run will take and cost, before it starts, and what it took, from dated prices and a measured speed.

The model is a sum of simple parts, all of them in `estimate`: nothing is spent to find out. It leaves out what a run
does not cause by itself: storage of the portfolio and the results, data transfer out of the Region, X-Ray traces, free
tiers, retries. Imports the standard library and `limits` only.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from montecarlo.limits import CHUNKS_PER_GROUP, EVENTS_PER_GROUP, INLINE_ITERATIONS, MAP_RUN_CHILDREN, MOST_LISTED

OBJECTS_PER_CHUNK = 2_000
"""About so many names fit into the input of a child."""

SEGMENTS_AND_REGIONS = 6 + 11
"""Rows of int64 that a partial has for each case and scenario."""


@cache
def prices() -> dict[str, Any]:
    """The table of prices and quotas, with its date and source."""
    table: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text(encoding="utf-8"))
    return table


@dataclass(frozen=True)
class Work:
    """What is to be simulated. `size`: bytes of the portfolio's `objects`; `to_scan`: of them, CSV to be cut."""

    loans: int
    scenarios: int = 10_000
    cases: int = 2
    chunk_loans: int = 50_000
    sample: int = 1
    objects: int = 1
    size: int = 0
    to_scan: int = 0


@dataclass(frozen=True)
class Pace:
    """How many groups run at once, and how many chunks of each."""

    groups: int
    chunks_each: int

    @property
    def chunks(self) -> int:
        """How many chunks run at once."""
        return self.groups * self.chunks_each


@dataclass(frozen=True)
class Setup:
    """How the stack is set up. `groups`: their number, where it is known; `children`: STANDARD or EXPRESS."""

    memory_mb: int = 1769
    architecture: str = "arm64"
    children: str = "STANDARD"
    max_concurrency: int = 500
    max_groups: int = INLINE_ITERATIONS
    max_group_concurrency: int = MAP_RUN_CHILDREN
    groups: int | None = None

    def pace(self, groups: int) -> Pace:
        """The three limits applied to so many groups: none is exceeded at any moment."""
        at_once = max(1, min(groups, self.max_groups, self.max_concurrency))
        return Pace(at_once, max(1, min(self.max_group_concurrency, self.max_concurrency // at_once)))


@dataclass(frozen=True)
class Speed:
    """How fast a function of 1,769 MB, one vCPU, is. `python benchmarks/scale.py speed` measures the first four anew.

    The kernel's times are NumPy's; the compiled kernel needs a third of them. Of what a loan takes, 5 us are assumed
    for S3; so are the start of a function and the rates at which S3 delivers, which no laptop can measure.
    """

    first_case_ns: float = 3.5
    further_case_ns: float = 1.3
    """Of a loan in a scenario."""
    loan_us: float = 8.0
    """To read, check, value and write a loan."""
    object_ms: float = 6.0
    """To get an object of its own, when many are got at once."""
    chunk_seconds: float = 0.5
    """To start on a chunk and to write what is not counted by loan."""
    cold_start_seconds: float = 4.0
    plan_seconds: float = 10.0
    listed_per_second: float = 10_000.0
    s3_mb_per_second: float = 60.0
    reduce_mb_per_second: float = 60.0
    """Of partials, read and added."""
    aggregate_seconds: float = 10.0


@dataclass(frozen=True)
class CostEstimate:
    """A run's size, time, requests and price. seconds and dollars: by what they are for, in the order of the run."""

    work: Work
    setup: Setup
    chunks: int
    groups: int
    pace: Pace
    chunk_seconds: float
    seconds: Mapping[str, float]
    gb_seconds: float
    requests: Mapping[str, int]
    dollars: Mapping[str, float]

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return sum(self.seconds.values())

    @property
    def usd(self) -> float:
        """What the whole run costs, in US dollars."""
        return sum(self.dollars.values())

    def explain(self) -> str:
        """The estimate in a line."""
        parts = ", ".join(f"{name} ${usd:,.2f}" for name, usd in self.dollars.items() if usd >= 0.005)
        return (
            f"{self.work.loans:,} loans x {self.work.scenarios:,} scenarios x {self.work.cases} cases in "
            f"{self.chunks:,} chunks; {parts or 'all below a cent'} "
            f"(prices of {prices()['date']}, {prices()['region']})"
        )

    def quotas(self) -> dict[str, tuple[float, float]]:
        """What the run uses of each quota that it might meet: (used, quota)."""
        rate = self.pace.chunks / self.chunk_seconds
        standard = self.setup.children == "STANDARD"
        started = min(rate, _dispatch(self.setup))
        used = {
            "Inline Map iterations at once": self.pace.groups,
            "open Map Runs": self.pace.groups,
            "children of a Map Run at once": self.pace.chunks_each,
            "events in an execution's history": 30 + EVENTS_PER_GROUP * self.groups,
            "bytes of a payload": 200 + 160 * self.groups,
            "concurrent Lambda executions": self.pace.chunks,
            "seconds of a Lambda invocation": max(self.chunk_seconds, *(self.seconds[name] for name in _ONE_FUNCTION)),
            "MB of memory of a Lambda function": self.setup.memory_mb,
            **({} if standard else {"seconds of an Express child": self.chunk_seconds}),
            f"{self.setup.children.capitalize()} children started a second": started,
            "S3 writes a second to a prefix": 3 * started,
            "S3 reads a second of a prefix": started * _chunk_gets(self.work, self.chunks),
        }
        return {name: (value, prices()["quotas"][name]) for name, value in used.items()}

    def format(self) -> str:
        """The estimate as a text with every step of the arithmetic."""
        work, setup = self.work, self.setup
        trials = work.loans / work.sample * work.scenarios * work.cases
        lines = [
            f"{work.loans:,} loans x {work.scenarios:,} scenarios x {work.cases} cases = {trials:.3g} trials"
            + (f", one loan in {work.sample:,} simulated" if work.sample > 1 else ""),
            f"{self.chunks:,} chunks of {work.chunk_loans:,} loans in {self.groups:,} groups; "
            f"{self.pace.groups} groups x {self.pace.chunks_each:,} chunks = {self.pace.chunks:,} at once",
            f"a chunk takes {self.chunk_seconds:.1f} s on {setup.memory_mb:,} MB of {setup.architecture}",
            "",
            *(f"{name:<16}{seconds:>9,.0f} s" for name, seconds in self.seconds.items()),
            f"{'duration':<16}{self.duration:>9,.0f} s",
            "",
            *(
                f"{name:<18}{amount:>15,.0f} x {price:<24}${self.dollars[name]:>10,.2f}"
                for name, amount, price in self._priced()
            ),
            f"{'cost':<60}${self.usd:>10,.2f}",
            *self._design_not_taken(),
            "",
            f"{'quota':<34}{'used':>12}{'of':>12}",
            *(f"{name:<34}{used:>12,.0f}{quota:>12,.0f}" for name, (used, quota) in self.quotas().items()),
            "",
            f"Prices of {prices()['date']}, {prices()['region']}. {prices()['source']}.",
        ]
        return "\n".join(lines)

    def _design_not_taken(self) -> list[str]:
        """What one object for each loan would add, where that is not what the portfolio is."""
        if self.work.objects >= self.work.loans:
            return []
        return [f"one S3 object for each loan, written and read: ${one_object_per_loan(self.work.loans):,.2f} more"]

    def _priced(self) -> list[tuple[str, float, str]]:
        """What is paid for: its name, how much of it, at which price."""
        usd, express = prices()["usd"], self.setup.children == "EXPRESS"
        return [
            ("Lambda GB-seconds", self.gb_seconds, f"${usd['lambda_gb_second'][self.setup.architecture]:.10f}"),
            ("Lambda requests", self.requests["lambda"], f"${usd['lambda_request'] * 1e6:.2f} a million"),
            ("state transitions", self.requests["transitions"], f"${usd['standard_transition'] * 1e3:.3f} a thousand"),
            ("Express children", express * self.requests["children"], "$1 a million + time"),
            ("S3 writes", self.requests["s3_put"], f"${usd['s3_put'] * 1e3:.3f} a thousand"),
            ("S3 reads", self.requests["s3_get"], f"${usd['s3_get'] * 1e3:.4f} a thousand"),
            ("logs, of 2 kB", self.requests["lambda"], f"${usd['logs_gb']:.2f} a GB"),
        ]

    def to_json(self) -> dict[str, Any]:
        """As estimate.json and the result have it."""
        return {
            "usd": round(self.usd, 4),
            "seconds": round(self.duration, 1),
            "work": asdict(self.work),
            "setup": asdict(self.setup),
            "chunks": self.chunks,
            "groups": self.groups,
            "chunks_at_once": self.pace.chunks,
            "chunk_seconds": round(self.chunk_seconds, 2),
            "gb_seconds": round(self.gb_seconds, 1),
            "requests": dict(self.requests),
            "usd_by_item": {name: round(usd, 6) for name, usd in self.dollars.items()},
            "seconds_by_stage": {name: round(seconds, 1) for name, seconds in self.seconds.items()},
            "prices": {name: prices()[name] for name in ("date", "region", "source")},
        }


_ONE_FUNCTION = ("Plan", "Aggregate")


def estimate(work: Work, setup: Setup | None = None, speed: Speed | None = None) -> CostEstimate:
    """Estimate a run."""
    setup, speed = setup or Setup(), speed or Speed()
    simulated = work.loans / work.sample
    chunks = max(1, ceil(work.loans / work.chunk_loans), ceil(work.objects / OBJECTS_PER_CHUNK))
    groups = setup.groups or typical_groups(chunks)
    pace = setup.pace(groups)
    partial_mb = 8e-6 * SEGMENTS_AND_REGIONS * work.cases * work.scenarios

    trial_ns = speed.first_case_ns + speed.further_case_ns * (work.cases - 1)
    kernel = simulated * work.scenarios * trial_ns * 1e-9
    reading = work.loans * speed.loan_us * 1e-6 + work.objects * speed.object_ms * 1e-3
    workers = kernel + reading + chunks * speed.chunk_seconds
    chunk_seconds = workers / chunks
    cut = (work.to_scan / groups) / (speed.s3_mb_per_second * 1e6) + 2
    added = chunks / groups * partial_mb / speed.reduce_mb_per_second + 2
    listed = work.objects if work.objects <= MOST_LISTED else 0  # beyond that by an inventory
    waves = ceil(groups / pace.groups)
    environments = min(chunks, pace.chunks)
    seconds = {
        "Plan": speed.plan_seconds + listed / speed.listed_per_second + groups * 0.05,
        "PlanGroup": cut * waves,
        "SimulateChunk": max(
            chunks / _dispatch(setup), ceil(chunks / pace.chunks) * chunk_seconds
        ) + min(chunk_seconds, workers) + speed.cold_start_seconds,
        "ReduceGroup": added * waves,
        "Aggregate": speed.aggregate_seconds + groups * partial_mb / speed.reduce_mb_per_second,
    }  # fmt: skip
    functions = {
        "Plan": seconds["Plan"],
        "PlanGroup": cut * groups,
        "SimulateChunk": workers + environments * speed.cold_start_seconds,
        "ReduceGroup": added * groups,
        "Aggregate": seconds["Aggregate"],
    }
    other_mb = Setup.memory_mb
    gb_seconds = sum(s * (setup.memory_mb if name == "SimulateChunk" else other_mb) for name, s in functions.items())
    requests = {
        "lambda": 2 + 2 * groups + chunks,
        "children": chunks,
        "transitions": 3 + 4 * groups + (2 * chunks if setup.children == "STANDARD" else 0),
        "s3_put": 3 * chunks + 9 * groups + 12 + work.objects // 1_000,
        "s3_get": round(chunks * (_chunk_gets(work, chunks) + 2)) + environments + 8 * groups + 40,
    }
    return CostEstimate(
        work,
        setup,
        chunks,
        groups,
        pace,
        chunk_seconds,
        seconds,
        gb_seconds / 1024,
        requests,
        _dollars(requests, gb_seconds / 1024, chunks * chunk_seconds, setup),
    )


def typical_groups(chunks: int) -> int:
    """How many groups a portfolio of many objects gets: as source.grouping deals them out."""
    groups = dealt = 0
    while dealt < chunks:
        dealt += CHUNKS_PER_GROUP * (1 + groups // INLINE_ITERATIONS)
        groups += 1
    return groups


def actual(estimated: Mapping[str, Any], chunks: int, worker_seconds: float) -> dict[str, Any]:
    """What the run's chunks took, priced as the estimate was, with the estimate beside it.

    estimated: estimate.json. worker_seconds: sum over all chunks (`Partial.seconds`). Only the time of SimulateChunk is
    measured, which is nearly all of it; requests follow from the number of chunks, the rest is as estimated.
    """
    setup, work = Setup(**estimated["setup"]), Work(**estimated["work"])
    planned = estimate(work, setup)
    requests = dict(planned.requests)
    for name, each in (("lambda", 1), ("children", 1), ("transitions", 2 if setup.children == "STANDARD" else 0)):
        requests[name] += each * (chunks - planned.chunks)
    gb_seconds = planned.gb_seconds + (worker_seconds - planned.chunks * planned.chunk_seconds) * setup.memory_mb / 1024
    dollars = _dollars(requests, gb_seconds, worker_seconds, setup)
    return {
        "usd": round(sum(dollars.values()), 4),
        "estimated_usd": estimated["usd"],
        "gb_seconds": round(gb_seconds, 1),
        "estimated_gb_seconds": estimated["gb_seconds"],
        "worker_seconds": round(worker_seconds, 1),
        "requests": requests,
        "usd_by_item": {name: round(usd, 6) for name, usd in dollars.items()},
        "prices": estimated["prices"],
    }


def one_object_per_loan(loans: int) -> float:
    """Dollars for writing and reading one S3 object for each loan, once, without any computing."""
    usd = prices()["usd"]
    return float(loans * (usd["s3_put"] + usd["s3_get"]))


def _dispatch(setup: Setup) -> float:
    """Children that are started a second."""
    return float(prices()["quotas"][f"{setup.children.capitalize()} children started a second"])


def _chunk_gets(work: Work, chunks: int) -> float:
    """Reads of S3 that a chunk makes: its plan, and its objects in ranges of 1 MB."""
    return 1 + max(2.0, work.objects / chunks) + work.size / chunks / 2**20


def _dollars(requests: Mapping[str, int], gb_seconds: float, child_seconds: float, setup: Setup) -> dict[str, float]:
    usd = prices()["usd"]
    express = setup.children != "STANDARD"
    return {
        "Lambda GB-seconds": gb_seconds * usd["lambda_gb_second"][setup.architecture],
        "Lambda requests": requests["lambda"] * usd["lambda_request"],
        "state transitions": requests["transitions"] * usd["standard_transition"],
        "Express children": express * (requests["children"] * usd["express_request"]
                                       + child_seconds * 0.0625 * usd["express_gb_second"]),
        "S3 writes": requests["s3_put"] * usd["s3_put"],
        "S3 reads": requests["s3_get"] * usd["s3_get"],
        "logs, of 2 kB": requests["lambda"] * 2e-6 * usd["logs_gb"],
    }  # fmt: skip
