"""What a run will take and cost, before it starts, and what it took, from dated prices and a measured speed.

The model is a sum of simple parts, all of them in `estimate`: nothing is spent to find out. It leaves out what a run
does not cause by itself: storage of the portfolio and the results, data transfer out of the Region, X-Ray traces, free
tiers, retries. Imports NumPy, `limits` and `schedule` only.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import pairwise
from math import ceil, inf
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo.cost import schedule
from montecarlo.cost.schedule import TRANSITIONS_PER_CHILD, Rates
from montecarlo.limits import (
    BATCH_KEYS,
    EVENTS_PER_GROUP,
    EXACT_LOANS,
    HISTORY_EVENTS,
    INLINE_ITERATIONS,
    MAP_RUN_CHILDREN,
    MAX_GROUPS,
    MOST_LISTED,
    OBJECTS_PER_CHUNK,
    OBJECTS_PER_GROUP,
    PAYLOAD_BYTES,
    PILOT_OBJECTS,
    RANGE_KEYS,
    SMALL_BYTES,
)

Floats = npt.NDArray[np.float64]

REDUCE_SECONDS = 300
"""Of ReduceGroup's 900, so that a slow S3 breaks no run."""

MOST_DEALT = 100_000
"""Objects that an estimate without a portfolio deals out; more of them change nothing."""

KEY_BYTES = 9
"""In a tally, of a loan's key and how often it occurs."""

LARGE_GETS = 3
"""Reads of a slice of a Parquet file of more than SMALL_BYTES; a smaller file comes with one."""

NAMED_BORROWERS = 10
"""The largest ones, whose names Aggregate looks for in the chunks of their groups."""

MAP_RUN_PUTS = 3
MAP_RUN_GETS = 1
"""Step Functions' own requests for a Map Run: it reads the list of chunks, and writes a manifest and its results."""


@cache
def prices() -> dict[str, Any]:
    """The table of prices and quotas, with its date and source."""
    table: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text(encoding="utf-8"))
    return table


@dataclass(frozen=True)
class Work:
    """What is to be simulated. `size`: bytes of the portfolio's `objects`; `to_scan`: of them, CSV to be cut.

    by_borrower: whether loans have an ObligorID. exact_duplicates: whether all AccountIDs are compared, however many.
    parts: segments and regions, of each of which a partial has the loss in every case and scenario. contributions:
    whether a second pass over the tail tells what each loan contributes.
    """

    loans: int
    scenarios: int = 10_000
    cases: int = 2
    chunk_loans: int = 50_000
    sample: int = 1
    objects: int = 1
    size: int = 0
    to_scan: int = 0
    by_borrower: bool = False
    exact_duplicates: bool = False
    parts: int = 17
    contributions: bool = False

    def to_json(self) -> dict[str, Any]:
        """As estimate.json has it; `Work(**...)` reads it. `contributions` stands there where they are asked for."""
        return {name: value for name, value in asdict(self).items() if value or name != "contributions"}

    @property
    def tallies(self) -> int:
        """Tallies that a chunk leaves: of AccountIDs, and of borrowers."""
        return 2 if self.by_borrower else 1

    @property
    def keys(self) -> float:
        """Keys in the tallies of all chunks."""
        simulated = self.loans / self.sample
        return self.tallies * (simulated if self.exact_duplicates else min(simulated, EXACT_LOANS))

    @property
    def ranges(self) -> int:
        """Ranges of keys that are compared one after the other."""
        return max(1, ceil(self.keys / self.tallies / RANGE_KEYS))

    @property
    def chunk_puts(self) -> int:
        """Writes of a chunk: its sums, its results by loan, its tallies."""
        return 2 + self.tallies

    @property
    def looked_into(self) -> int:
        """Objects that PlanGroup looks into, to cut them: all, unless they hold less than about a tenth of a chunk."""
        return self.objects if self.objects * self.chunk_loans < 10 * self.loans else 0


@dataclass(frozen=True)
class Pace:
    """How many groups run at once, and how many chunks of each group."""

    groups: int
    shares: tuple[int, ...]

    @property
    def chunks(self) -> int:
        """Chunks at once, at most."""
        return sum(sorted(self.shares)[-self.groups :])


EC2 = "ec2"
"""Of `Setup.compute`."""

INSTANCE_CORES = 2
"""vCPUs of the smallest instance: two workers with one each share it."""

INSTANCE_GB = 30
"""Of an instance's disk."""


@dataclass(frozen=True)
class Setup:
    """How the stack is set up. children: STANDARD or EXPRESS. kernel: compiled or numpy. region: decides the quotas.

    workers: the most that there may be; 0 where functions simulate. Each has worker_cores, as many processes and
    worker_memory_mb. spot: share of them on Spot. compute: what they run on, fargate or ec2.
    """

    memory_mb: int = 1769
    architecture: str = "arm64"
    children: str = "STANDARD"
    max_concurrency: int = 500
    max_groups: int = INLINE_ITERATIONS
    max_group_concurrency: int = MAP_RUN_CHILDREN
    kernel: str = "compiled"
    region: str = "us-east-1"
    workers: int = 0
    worker_cores: int = 1
    worker_memory_mb: int = 2048
    spot: float = 1.0
    compute: str = "fargate"

    def pace(self, chunks: Sequence[int]) -> Pace:
        """The three limits applied to groups of so many chunks: none is exceeded at any moment.

        Groups that all run at once share the places so that they end together. Of more groups, each gets an equal part,
        as any of them may be running beside any other.
        """
        together = max(1, min(len(chunks), self.max_groups, self.max_concurrency))
        if len(chunks) <= together:
            return Pace(together, tuple(schedule.shares(chunks, self.max_concurrency, self.max_group_concurrency)))
        equal = min(self.max_group_concurrency, self.max_concurrency // together)
        return Pace(together, (equal,) * len(chunks))

    def workers_for(self, chunks: int) -> int:
        """How many workers simulate so many chunks at once."""
        return ceil(chunks / self.worker_cores) if self.workers else 0

    @property
    def workers_of_instance(self) -> int:
        """Workers that share an instance, or an address."""
        return max(1, INSTANCE_CORES // self.worker_cores) if self.compute == EC2 else 1

    def to_json(self) -> dict[str, Any]:
        """As estimate.json has it; `Setup(**...)` reads it. What is of workers stands there where there are some."""
        return {name: value for name, value in asdict(self).items() if self.workers or name not in _OF_WORKERS}

    @property
    def transitions(self) -> float:
        """The account's quota of state transitions a second, unless it is new or was raised."""
        by_region: dict[str, float] = prices()["state_transitions_per_second"]
        return by_region.get(self.region, by_region["elsewhere"])


_OF_WORKERS = {"workers", "worker_cores", "worker_memory_mb", "spot", "compute"}


@dataclass(frozen=True)
class Speed:
    """How fast a function of 1,769 MB, one vCPU, is.

    The kernels and loan_us were measured on a laptop (`python benchmarks/scale.py speed`), where 5 us a loan are
    assumed for S3; how soon a function starts and how fast S3 delivers are assumptions. Nothing was measured on AWS.
    """

    kernel_ns: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {"compiled": (0.9, 0.4), "numpy": (3.5, 1.3)}
    )
    """Of a loan in a scenario: its first case, and each further one."""
    weighing: Mapping[str, float] = field(default_factory=lambda: {"compiled": 2.0, "numpy": 1.0})
    """Time of the pass over the tail, relative to that of all scenarios: half are near it, and most defaults."""
    loan_us: float = 8.0
    """To read, check, value and write a loan."""
    object_ms: float = 6.0
    """To get an object of its own, when many are got at once."""
    chunk_seconds: float = 0.5
    """To start on a chunk and to write what is not counted by loan."""
    cold_start_seconds: float = 4.0
    worker_start_seconds: float = 60.0
    """Of a worker on Fargate, with its image, its code and its libraries. An assumption."""
    instance_start_seconds: float = 150.0
    """Of a worker on EC2, whose instance starts first. An assumption."""
    instance_stop_seconds: float = 60.0
    """Of an instance that is not needed any more, with its worker. An assumption."""
    plan_seconds: float = 10.0
    listed_per_second: float = 10_000.0
    s3_mb_per_second: float = 60.0
    reduce_mb_per_second: float = 60.0
    """Of partials, read and added."""
    group_seconds: float = 2.0
    """For a group to begin, and again to end, beside what its bytes take."""
    aggregate_seconds: float = 10.0
    group_key_us: float = 0.21
    run_key_us: float = 0.06
    """To bring a key together with a group's, and with the run's (`python benchmarks/duplicates.py`), beside what its
    bytes take."""

    def start_seconds(self, setup: Setup) -> float:
        """Until what simulates a first chunk can begin with it."""
        if not setup.workers:
            return self.cold_start_seconds
        return self.instance_start_seconds if setup.compute == EC2 else self.worker_start_seconds

    def stop_seconds(self, setup: Setup) -> float:
        """For which a worker that is not needed any more is paid."""
        return self.instance_stop_seconds if setup.compute == EC2 else 0.0

    def trial_ns(self, kernel: str, cases: int) -> float:
        """Of a loan in a scenario and all its cases."""
        first, further = self.kernel_ns[kernel]
        return first + further * (cases - 1)


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + "s" * (number != 1)


@dataclass(frozen=True)
class CostEstimate:
    """A run's size, time, requests and price. seconds and dollars: by what they are for, in the order of the run."""

    work: Work
    setup: Setup
    chunks: int
    groups: tuple[int, ...]
    """Chunks of each."""
    pace: Pace
    chunk_seconds: float
    seconds: Mapping[str, float]
    gb_seconds: float
    worker_seconds: float
    """Of all workers together, from start to stop; 0 where functions simulate."""
    requests: Mapping[str, int]
    dollars: Mapping[str, float]
    after: "CostEstimate | None" = None
    """Of the pass over the tail, which all sums have in them."""

    @property
    def passed(self) -> tuple[int, float]:
        """Chunks of all passes, and the seconds that they take, starts left out."""
        chunks, seconds = self.after.passed if self.after else (0, 0.0)
        return chunks + self.chunks, seconds + self.chunks * self.chunk_seconds

    @property
    def longest_chunk(self) -> float:
        """Seconds of a chunk in the pass in which it takes longest."""
        return max(self.chunk_seconds, self.after.chunk_seconds if self.after else 0.0)

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return sum(self.seconds.values())

    @property
    def usd(self) -> float:
        """What the whole run costs, in US dollars."""
        return sum(self.dollars.values())

    @property
    def workers(self) -> int:
        """Workers at once; 0 where functions simulate."""
        return self.setup.workers_for(min(self.chunks, self.pace.chunks))

    def explain(self) -> str:
        """The estimate in a line."""
        parts = ", ".join(f"{name} ${usd:,.2f}" for name, usd in self.dollars.items() if usd >= 0.005)
        return (
            f"{self.work.loans:,} loans x {self.work.scenarios:,} scenarios x {self.work.cases} cases in "
            f"{_counted(self.chunks, 'chunk')}; {parts or 'all below a cent'} "
            f"(prices of {prices()['date']}, {prices()['region']})"
        )

    def quotas(self) -> dict[str, tuple[float, float]]:
        """What the run uses of each quota that it might meet: (used, quota)."""
        setup, start = self.setup, rates(self.work, self.chunks, self.setup)
        standard = setup.children == "STANDARD"
        share = min(max(self.pace.shares), max(self.groups))  # what it uses, where there are fewer chunks than it may
        at_once = min(self.pace.chunks, self.chunks)
        per_map_run = min(share / self.chunk_seconds, start.map_run, share)
        started = min(at_once / self.chunk_seconds, start.map_run * self.pace.groups, start.account, start.s3, at_once)
        kind = setup.children.capitalize()
        limits: dict[str, float] = {
            **prices()["quotas"],
            "Inline Map iterations at once": INLINE_ITERATIONS,
            "children of a Map Run at once": MAP_RUN_CHILDREN,
            "events in an execution's history": HISTORY_EVENTS,
            "bytes of a payload": PAYLOAD_BYTES,
            "state transitions a second": setup.transitions,
        }
        used: dict[str, float] = {
            "Inline Map iterations at once": self.pace.groups,
            "open Map Runs": self.pace.groups,
            "children of a Map Run at once": share,
            "events in an execution's history": 30 + EVENTS_PER_GROUP * len(self.groups) * (2 if self.after else 1),
            "bytes of a payload": 200 + 160 * len(self.groups),
            "concurrent Lambda executions": self.pace.groups if setup.workers else at_once,
            "seconds of a Lambda invocation": max(
                0 if setup.workers else self.longest_chunk, *(self.seconds[name] for name in _ONE_FUNCTION)
            ),
            "MB of memory of a Lambda function": Setup.memory_mb if setup.workers else setup.memory_mb,
            **({"workers that ask an activity at once": self.workers} if setup.workers else {}),
            **({} if standard else {"seconds of an Express child": self.longest_chunk}),
            f"{kind} children of a Map Run started a second": per_map_run,
            **({"state transitions a second": TRANSITIONS_PER_CHILD * started} if standard else {}),
            "S3 writes a second to a prefix": started * self.work.chunk_puts,
            "S3 reads a second of a prefix": started * portfolio_gets(self.work, self.chunks),
        }
        return {name: (value, limits[name]) for name, value in used.items()}

    def format(self) -> str:
        """The estimate as a text with every step of the arithmetic."""
        work, setup = self.work, self.setup
        trials = work.loans / work.sample * work.scenarios * work.cases
        at_once = min(self.pace.chunks, self.chunks)
        lines = [
            f"{work.loans:,} loans x {work.scenarios:,} scenarios x {work.cases} cases = {trials:.3g} trials"
            + (f", one loan in {work.sample:,} simulated" if work.sample > 1 else ""),
            f"{_counted(self.chunks, 'chunk')} of {work.chunk_loans:,} loans in {_counted(len(self.groups), 'group')}; "
            f"{_counted(self.pace.groups, 'group')} and {_counted(at_once, 'chunk')} at once",
            f"a chunk takes {self.chunk_seconds:.1f} s on {self._computer()}, kernel {setup.kernel}"
            + (f", and {self.after.chunk_seconds:.1f} s in the pass over the tail" if self.after else ""),
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
            f"{'quota':<48}{'used':>10}{'of':>12}",
            *(f"{name:<48}{used:>10,.0f}{quota:>12,.0f}" for name, (used, quota) in self.quotas().items()),
            "",
            f"Prices of {prices()['date']}, {prices()['region']}. {prices()['source']}.",
            *([f"Workers: {prices()[_SOURCES[setup.compute]]}."] if setup.workers else []),
            f"Rates of {setup.region}. {prices()['quotas_source']}.",
        ]
        return "\n".join(lines)

    def _computer(self) -> str:
        setup = self.setup
        if not setup.workers:
            return f"{setup.memory_mb:,} MB of {setup.architecture}"
        return f"a core of {self.workers:,} workers with {setup.worker_cores} each, {setup.architecture}"

    def _design_not_taken(self) -> list[str]:
        """What one object for each loan would add, where that is not what the portfolio is."""
        if self.work.objects >= self.work.loans:
            return []
        return [f"one S3 object for each loan, written and read: ${one_object_per_loan(self.work.loans):,.2f} more"]

    def _priced(self) -> list[tuple[str, float, str]]:
        """What is paid for: its name, how much of it, at which price."""
        usd, express = prices()["usd"], self.setup.children == "EXPRESS"
        return [
            *((each.name, each.hours, each.price) for each in hired(self.worker_seconds, self.setup)),
            ("Lambda GB-seconds", self.gb_seconds, f"${usd['lambda_gb_second'][self.setup.architecture]:.10f}"),
            ("Lambda requests", self.requests["lambda"], f"${usd['lambda_request'] * 1e6:.2f} a million"),
            ("state transitions", self.requests["transitions"], f"${usd['standard_transition'] * 1e3:.3f} a thousand"),
            ("Express children", express * self.requests["children"], "$1 a million + time"),
            ("S3 writes", self.requests["s3_put"], f"${usd['s3_put'] * 1e3:.3f} a thousand"),
            ("S3 reads", self.requests["s3_get"], f"${usd['s3_get'] * 1e3:.4f} a thousand"),
            (
                "logs, of 2 kB",
                self.requests["lambda"] + (self.chunks if self.setup.workers else 0),
                f"${usd['logs_gb']:.2f} a GB",
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        """As estimate.json and the result have it."""
        return {
            "usd": round(self.usd, 4),
            "seconds": round(self.duration, 1),
            "work": self.work.to_json(),
            "setup": self.setup.to_json(),
            "chunks": self.chunks,
            "groups": len(self.groups),
            "chunks_of_groups": list(self.groups),
            "chunks_at_once": self.pace.chunks,
            "chunk_seconds": round(self.chunk_seconds, 2),
            "gb_seconds": round(self.gb_seconds, 1),
            **({"worker_hours": round(self.worker_seconds / 3600, 2)} if self.setup.workers else {}),
            "requests": dict(self.requests),
            "usd_by_item": {name: round(usd, 6) for name, usd in self.dollars.items()},
            "seconds_by_stage": {name: round(seconds, 1) for name, seconds in self.seconds.items()},
            "prices": {name: prices()[name] for name in ("date", "region", "source")},
        }


@dataclass(frozen=True)
class Hired:
    """What is paid for workers by the hour. usd: of an hour on demand. spot: share on Spot; None where none can be."""

    name: str
    hours: float
    usd: float
    spot: float | None = None
    spot_share: float = 1.0
    """Of the price on demand."""

    @property
    def dollars(self) -> float:
        """The price of all hours."""
        return self.hours * self.usd * (1 - (self.spot or 0.0) * (1 - self.spot_share))

    @property
    def price(self) -> str:
        """The price of one, in words."""
        return f"${self.usd:.5f}" + ("" if self.spot is None else f", {self.spot:.0%} Spot")


def hired(worker_seconds: float, setup: Setup) -> list[Hired]:
    """What is paid for workers. A public address lets them reach AWS without a NAT gateway."""
    if not setup.workers:
        return []
    usd, hours, processor = prices()["usd"], worker_seconds / 3600, setup.architecture
    share = prices()[f"{setup.compute}_spot_share"]
    vcpu_hours, instance_hours = hours * setup.worker_cores, hours / setup.workers_of_instance
    address = Hired("public addresses", instance_hours, usd["public_ipv4_hour"])
    if setup.compute == EC2:
        gb_of_core = "2" if setup.worker_memory_mb <= 2048 * setup.worker_cores else "4"
        vcpu = usd["ec2_vcpu_hour"][processor][gb_of_core]
        disk = Hired("disk GB-hours", instance_hours * INSTANCE_GB, usd["ebs_gb_month"] / HOURS_OF_MONTH)
        return [Hired("instance vCPU-hours", vcpu_hours, vcpu, setup.spot, share), disk, address]
    gb_hours = hours * setup.worker_memory_mb / 1024
    return [
        Hired("worker vCPU-hours", vcpu_hours, usd["fargate_vcpu_hour"][processor], setup.spot, share),
        Hired("worker GB-hours", gb_hours, usd["fargate_gb_hour"][processor], setup.spot, share),
        address,
    ]


HOURS_OF_MONTH = 730

_SOURCES = {"fargate": "workers_source", EC2: "instances_source"}

_ONE_FUNCTION = ("Plan", "PlanGroup", "ReduceGroup", "Aggregate")
"""Stages that last as long as one invocation of their function, as far as groups run at once."""


def chunk_seconds(work: Work, chunks: int, setup: Setup, speed: Speed) -> float:
    """Of a function on an average chunk, without its start."""
    kernel = work.loans / work.sample * work.scenarios * speed.trial_ns(setup.kernel, work.cases) * 1e-9
    reading = work.loans * speed.loan_us * 1e-6 + work.objects * speed.object_ms * 1e-3
    return (kernel + reading) / chunks + speed.chunk_seconds


def portfolio_gets(work: Work, chunks: int) -> float:
    """Reads of the portfolio that a chunk makes."""
    small = work.size <= work.objects * SMALL_BYTES
    return max(1.0, work.objects / chunks) * (1 if small else LARGE_GETS)


def rates(work: Work, chunks: int, setup: Setup) -> Rates:
    """How soon chunks may start: what a Map Run starts, what the account lets all of them start, and what S3 serves.

    The results of a run have one prefix in S3, and its portfolio, as a rule, another.
    """
    quotas = prices()["quotas"]
    account = inf if setup.children == "EXPRESS" else setup.transitions / TRANSITIONS_PER_CHILD
    writes = quotas["S3 writes a second to a prefix"] / work.chunk_puts
    reads = quotas["S3 reads a second of a prefix"] / portfolio_gets(work, chunks)
    map_run = quotas[f"{setup.children.capitalize()} children of a Map Run started a second"]
    return Rates(map_run, account, min(writes, reads))


def waiting_seconds(seconds: float, work: Work, groups: Sequence[int], setup: Setup) -> float:
    """Of a chunk of so many seconds, with what it waits for S3 where more chunks are started than S3 serves."""
    chunks = sum(groups)
    start = rates(work, chunks, setup)
    if min(start.map_run * len(groups), start.account) <= start.s3:
        return seconds
    return max(seconds, min(chunks, setup.pace(groups).chunks) / start.s3)


def partial_mb(work: Work) -> float:
    """Size of the sums of a chunk, a group or the run."""
    return 8e-6 * work.parts * work.cases * work.scenarios


def estimate(
    work: Work, setup: Setup | None = None, speed: Speed | None = None, groups: Sequence[int] = ()
) -> CostEstimate:
    """Estimate a run. groups: the chunks of each group as planned; by default those of objects that are all alike."""
    setup, speed = setup or Setup(), speed or Speed()
    if not groups:
        groups = typical_groups(work, setup, speed)
    if not work.contributions:
        return _estimate(work, setup, speed, groups)
    slower = {kernel: (first * speed.weighing[kernel], further * speed.weighing[kernel])
              for kernel, (first, further) in speed.kernel_ns.items()}  # fmt: skip
    alone = replace(work, contributions=False)
    once = _estimate(alone, setup, speed, groups)
    after = _estimate(replace(alone, to_scan=0), setup, replace(speed, kernel_ns=slower), groups)
    return replace(
        once,
        work=work,
        seconds=_added(once.seconds, after.seconds),
        gb_seconds=once.gb_seconds + after.gb_seconds,
        worker_seconds=once.worker_seconds + after.worker_seconds,
        requests={name: number + after.requests[name] for name, number in once.requests.items()},
        dollars=_added(once.dollars, after.dollars),
        after=after,
    )


def _added(once: Mapping[str, float], again: Mapping[str, float]) -> dict[str, float]:
    return {name: value + again[name] for name, value in once.items()}


def _estimate(work: Work, setup: Setup, speed: Speed, groups: Sequence[int]) -> CostEstimate:
    """Of one pass over the portfolio."""
    chunks = sum(groups)
    pace = setup.pace(groups)
    alone = chunk_seconds(work, chunks, setup, speed)
    each = waiting_seconds(alone, work, groups, setup)
    start = rates(work, chunks, setup)
    mb = partial_mb(work)
    cut = cut_seconds(work, speed) / len(groups) + speed.group_seconds
    added = [number * reduce_seconds(work, chunks, speed) + speed.group_seconds for number in groups]
    listed = work.objects if work.objects <= MOST_LISTED else 0  # beyond that by an inventory
    rounds = [slice(first, first + pace.groups) for first in range(0, len(groups), pace.groups)]
    environments = min(chunks, pace.chunks)
    seconds = {
        "Plan": speed.plan_seconds + listed / speed.listed_per_second + len(groups) * 0.05,
        "PlanGroup": cut * len(rounds),
        "SimulateChunk": sum(
            schedule.duration(groups[some], pace.shares[some], alone, start, speed.start_seconds(setup))
            for some in rounds
        ),
        "ReduceGroup": sum(max(added[some]) for some in rounds),
        "Aggregate": speed.aggregate_seconds + len(groups) * mb / speed.reduce_mb_per_second
                     + work.keys * key_seconds(speed.run_key_us, speed),
    }  # fmt: skip
    functions = {
        "Plan": seconds["Plan"],
        "PlanGroup": cut * len(groups),
        "SimulateChunk": 0.0 if setup.workers else chunks * each + environments * speed.cold_start_seconds,
        "ReduceGroup": sum(added),
        "Aggregate": seconds["Aggregate"],
    }
    other_mb = Setup.memory_mb
    gb_seconds = sum(s * (setup.memory_mb if name == "SimulateChunk" else other_mb) for name, s in functions.items())
    standard = setup.children == "STANDARD"
    # Workers are there from when there is a plan; one stays until the end.
    alive = setup.workers_for(environments) * (seconds["PlanGroup"] + seconds["SimulateChunk"])
    alive += seconds["ReduceGroup"] + seconds["Aggregate"]
    alive += setup.workers_for(environments) * speed.stop_seconds(setup)
    worker_seconds = alive if setup.workers else 0.0
    requests = {
        "lambda": 2 + 2 * len(groups) + (2 if setup.workers else chunks),
        "children": chunks,
        "transitions": 4 + bool(setup.workers) + 4 * len(groups) + (TRANSITIONS_PER_CHILD * chunks if standard else 0),
        **_s3_requests(work, groups, environments),
    }
    return CostEstimate(
        work,
        setup,
        chunks,
        tuple(groups),
        pace,
        each,
        seconds,
        gb_seconds / 1024,
        worker_seconds,
        requests,
        _dollars(requests, gb_seconds / 1024, chunks * each, worker_seconds, setup),
    )


def cut_seconds(work: Work, speed: Speed) -> float:
    """Of PlanGroup, for all groups together: to find where CSV is cut, and to look into files."""
    return work.to_scan / (speed.s3_mb_per_second * 1e6) + work.looked_into * speed.object_ms * 1e-3


def reduce_seconds(work: Work, chunks: int, speed: Speed) -> float:
    """Of ReduceGroup on an average chunk: its sums and its tallies."""
    return partial_mb(work) / speed.reduce_mb_per_second + work.keys / chunks * key_seconds(speed.group_key_us, speed)


def key_seconds(us: float, speed: Speed) -> float:
    """To read a key and bring it together with others."""
    return us * 1e-6 + KEY_BYTES / (speed.reduce_mb_per_second * 1e6)


def typical_groups(work: Work, setup: Setup, speed: Speed) -> list[int]:
    """The chunks of each group, for a portfolio of many objects that are all alike."""
    chunks = max(1, ceil(work.loans / work.chunk_loans), ceil(work.objects / OBJECTS_PER_CHUNK))
    objects = min(max(work.objects, chunks), MOST_DEALT)
    each = np.full(objects, chunks / objects)
    ends = [round(cut * chunks / objects) for cut in schedule.deal(each, best_groups(each, work, setup, speed))]
    return [stop - start for start, stop in pairwise([0, *ends])]


def best_groups(chunks: Sequence[float] | Floats, work: Work, setup: Setup, speed: Speed | None = None) -> int:
    """Into how many groups `schedule.deal` should cut a portfolio.

    chunks: float (N,), the chunks' worth of work in each of its objects, or in equal parts of it. Of the groups that
    run at once, as many as make the run shortest; a few less where they hardly make it longer. More only where a group
    would otherwise have more chunks than ReduceGroup adds up in REDUCE_SECONDS, or more objects than PlanGroup looks
    at.
    """
    speed = speed or Speed()
    amounts = np.asarray(chunks, dtype=np.float64)
    before = np.concatenate([[0.0], np.cumsum(amounts)])
    total = float(before[-1])
    each = chunk_seconds(work, max(1, ceil(total)), setup, speed)
    start = rates(work, max(1, ceil(total)), setup)
    for_chunk = reduce_seconds(work, max(1, ceil(total)), speed)
    most_chunks = max(1.0, REDUCE_SECONDS / for_chunk)

    def seconds(number: int) -> float:
        """Of a run with so many groups; infinite where a group would be too large."""
        cuts = [0, *schedule.deal(amounts, number)]
        groups = [max(1, ceil(size)) for size in np.diff(before[cuts]).round(6)]
        if max(groups) > most_chunks or np.diff(cuts).max() * work.objects / len(amounts) > OBJECTS_PER_GROUP:
            return inf
        shares = setup.pace(groups).shares
        length = schedule.duration(groups, shares, each, start, speed.start_seconds(setup))
        cut = cut_seconds(work, speed) * max(groups) / sum(groups)
        return float(cut + length + max(groups) * for_chunk)

    together = max(1, min(setup.max_groups, setup.max_concurrency, len(amounts)))
    lengths = [seconds(number) for number in range(1, together + 1)]
    if min(lengths) < inf:
        return next(number for number, length in enumerate(lengths, 1) if length <= 1.02 * min(lengths))
    needed = max(ceil(total / most_chunks), ceil(work.objects / OBJECTS_PER_GROUP))
    return min(together * -(-needed // together), MAX_GROUPS + 1)  # which no run may have


def actual(estimated: Mapping[str, Any], chunks: int, worker_seconds: float) -> dict[str, Any]:
    """What the run's chunks took, priced as the estimate was, with the estimate beside it.

    estimated: estimate.json. worker_seconds: sum over all chunks (`Partial.seconds`). Only the time of SimulateChunk is
    measured, which is nearly all of it; requests follow from the number of chunks, the rest is as estimated: of
    workers, the time in which they had no chunk.
    """
    setup, work = Setup(**estimated["setup"]), Work(**estimated["work"])
    planned = estimate(work, setup, groups=estimated["chunks_of_groups"])
    requests = dict(planned.requests)
    by_functions = not setup.workers
    per_chunk = {"lambda": by_functions, "children": 1, "transitions": 2 if setup.children == "STANDARD" else 0}
    for name, each in per_chunk.items():
        requests[name] += each * (chunks - planned.passed[0])
    more = worker_seconds - planned.passed[1]
    gb_seconds = planned.gb_seconds + by_functions * more * setup.memory_mb / 1024
    alive = 0.0 if by_functions else max(0.0, planned.worker_seconds + more / setup.worker_cores)
    dollars = _dollars(requests, gb_seconds, worker_seconds, alive, setup)
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


def _s3_requests(work: Work, groups: Sequence[int], environments: int) -> dict[str, int]:
    """Writes and listings, and reads, of a whole run."""
    chunks = sum(groups)
    tallies = work.tallies * work.ranges * sum(ceil(work.keys * number / chunks / BATCH_KEYS) for number in groups)
    puts_of_group = 6 + 1 + MAP_RUN_PUTS  # six documents, and a listing of what is there
    gets_of_group = 3 + 2 + 3 + MAP_RUN_GETS  # PlanGroup, ReduceGroup, Aggregate
    names = 0
    if work.by_borrower:
        gets_of_group += work.ranges
        if work.keys == work.tallies * work.loans:  # otherwise a sample was added up, which names nobody
            names = round(chunks * min(1.0, NAMED_BORROWERS / len(groups))) + LARGE_GETS * NAMED_BORROWERS
    gets_of_chunk = 1 + portfolio_gets(work, chunks) + 1 + work.tallies  # the plan and rows; sums and tallies, to add
    looks = LARGE_GETS * min(work.objects, PILOT_OBJECTS) + work.looked_into + names
    return {
        "s3_put": work.chunk_puts * chunks + puts_of_group * len(groups) + tallies + 8 + ceil(work.objects / 1_000),
        "s3_get": round(gets_of_chunk * chunks) + environments + gets_of_group * len(groups) + tallies + looks + 5,
    }


def _dollars(
    requests: Mapping[str, int], gb_seconds: float, child_seconds: float, worker_seconds: float, setup: Setup
) -> dict[str, float]:
    usd = prices()["usd"]
    express = setup.children != "STANDARD"
    return {
        **{each.name: each.dollars for each in hired(worker_seconds, setup)},
        "Lambda GB-seconds": gb_seconds * usd["lambda_gb_second"][setup.architecture],
        "Lambda requests": requests["lambda"] * usd["lambda_request"],
        "state transitions": requests["transitions"] * usd["standard_transition"],
        "Express children": express * (requests["children"] * usd["express_request"]
                                       + child_seconds * 0.0625 * usd["express_gb_second"]),
        "S3 writes": requests["s3_put"] * usd["s3_put"],
        "S3 reads": requests["s3_get"] * usd["s3_get"],
        "logs, of 2 kB": (requests["lambda"] + (requests["children"] if setup.workers else 0)) * 2e-6 * usd["logs_gb"],
    }  # fmt: skip
