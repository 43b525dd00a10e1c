"""The schedule of a run, simulated event by event at the rates that AWS publishes, beside what `estimate` says.

    python benchmarks/schedule.py [--json FILE]

For 10^4 to 10^10 loans x 10^4 scenarios x 2 cases, for both classes of Regions and both kinds of children: seconds from
the start of the groups to the end of the last, as simulated, as estimated, and at best: no schedule can be shorter than
what the functions, the dispatch and the sums take if none of them ever waits. Then for numbers of chunks that are hard
to deal. Exit status 1 where an estimate is more than 10 % off, or a plan takes more than 1.2 times the ideal.

What is simulated: groups in the Inline Map, at most 40 at once; a Map Run for each, which starts children at its rate
while its share allows; the account's state transitions as a bucket of tokens, its size and its refill the quota;
Lambda's environments, 1,000 at once and 100 a second more, each with a cold start; S3's requests a second, of which
each chunk takes some for its rows when it begins and some for its results when it ends, and waits for them in its
environment; chunks that take up to 10 % more or less (seed 1). A chunk that finds no environment waits for the next,
new or free again, as its retries do. Not simulated: failures, and what S3 and Lambda refuse and hear again.
"""

import argparse
import heapq
import json
import random
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from montecarlo.cost import schedule
from montecarlo.cost.estimate import (
    Setup,
    Speed,
    Work,
    chunk_seconds,
    cut_seconds,
    estimate,
    portfolio_gets,
    prices,
    rates,
    reduce_seconds,
)
from montecarlo.limits import INLINE_ITERATIONS

JITTER = 0.1
SIZES = [10**power for power in range(4, 11)]
S3_READS, S3_WRITES = "S3 reads a second of a prefix", "S3 writes a second to a prefix"
HARD = [1, 2, 3, 40, 41, 80, 81, 250, 251, 499, 500, 501, 999, 1_001, 1_999, 2_001, 10_500, 20_001, 39_999, 123_457]


@dataclass
class Bucket:
    """Tokens: `size` at first, `rate` a second more. `take` returns when the next one is there."""

    size: float
    rate: float
    tokens: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.size

    def take(self, now: float, number: float = 1.0) -> float:
        """The moment from `now` on when `number` tokens were there, which are taken."""
        if self.rate == inf:
            return now
        moment = max(now, self.at)
        self.tokens = min(self.size, self.tokens + (moment - self.at) * self.rate)
        self.at = moment
        if self.tokens < number:
            self.at += (number - self.tokens) / self.rate
            self.tokens = number
        self.tokens -= number
        return self.at


def simulate(work: Work, groups: Sequence[int], setup: Setup, speed: Speed) -> float:
    """Seconds until the last group has ended."""
    chunks = sum(groups)
    seconds, sum_seconds = chunk_seconds(work, chunks, setup, speed), reduce_seconds(work, chunks, speed)
    cut = cut_seconds(work, speed) / len(groups)
    quotas = prices()["quotas"]
    reads, writes = (Bucket(quotas[name], quotas[name]) for name in (S3_READS, S3_WRITES))
    gets = portfolio_gets(work, chunks)
    draw = random.Random(1)
    pace = setup.pace(groups)
    transitions = Bucket(setup.transitions, inf if setup.children == "EXPRESS" else setup.transitions)
    environments = Bucket(schedule.LAMBDA_BURST, schedule.LAMBDA_PER_SECOND)
    dispatch = [Bucket(1.0, rates(work, chunks, setup).map_run) for _ in groups]
    left = list(groups)
    warm = made = 0
    unserved: deque[int] = deque()  # groups of the chunks that wait for an environment
    # (time, order, what, group); a child that ends hands its environment on
    events: list[tuple[float, int, str, int]] = []
    order = iter(range(sys.maxsize))
    waiting = deque(range(len(groups)))
    running = [0] * len(groups)
    end = 0.0

    def push(time: float, what: str, group: int) -> None:
        heapq.heappush(events, (time, next(order), what, group))

    def serve(now: float, cold_start: float, group: int) -> None:
        """Begin a chunk in an environment that is there."""
        length = cold_start + seconds * draw.uniform(1 - JITTER, 1 + JITTER)
        push(reads.take(now, gets) + length, "computed", group)

    def begin(now: float) -> None:
        if waiting:
            push(now + speed.group_seconds + cut, "chunks", waiting.popleft())

    def start(now: float, group: int) -> None:
        """Start one child, when its Map Run and the account let it."""
        left[group] -= 1
        running[group] += 1
        push(transitions.take(dispatch[group].take(now), schedule.TRANSITIONS_PER_CHILD), "invoke", group)

    for _ in range(pace.groups):
        begin(0.0)
    while events:
        now, _, what, group = heapq.heappop(events)
        if what == "chunks":
            for _ in range(min(pace.shares[group], left[group])):
                start(now, group)
        elif what == "invoke":
            unserved.append(group)
            if not warm and made < pace.chunks:
                made += 1
                push(environments.take(now), "made", group)
        elif what == "made":
            if unserved:
                serve(now, speed.cold_start_seconds, unserved.popleft())
            else:
                warm += 1
        elif what == "computed":
            push(writes.take(now, work.chunk_puts), "done", group)
        elif what == "done":
            warm += 1
            running[group] -= 1
            if left[group]:
                start(now, group)
            elif not running[group]:
                push(now + speed.group_seconds + groups[group] * sum_seconds, "summed", group)
        else:
            end = now
            begin(now)
        while warm and unserved:
            warm -= 1
            serve(now, 0.0, unserved.popleft())
    return end


def ideal(work: Work, chunks: int, setup: Setup, speed: Speed) -> float:
    """What no schedule can be shorter than, with groups of whole objects."""
    seconds, sum_seconds = chunk_seconds(work, chunks, setup, speed), reduce_seconds(work, chunks, speed)
    together = min(INLINE_ITERATIONS, max(work.objects, chunks), setup.max_groups, setup.max_concurrency)
    start = rates(work, chunks, setup)
    rate = min(start.map_run * together, start.account, start.s3)
    at_once = min(chunks, setup.max_concurrency)
    dispatched = (chunks - 1) / rate + speed.cold_start_seconds + seconds
    scaled = schedule.scaled_end(chunks, at_once, seconds, speed.cold_start_seconds)
    cut = cut_seconds(work, speed) / together
    return cut + 2 * speed.group_seconds + max(dispatched, scaled) + chunks / together * sum_seconds


def measure(work: Work, setup: Setup, speed: Speed) -> dict[str, Any]:
    """One row: the run as simulated, as estimated and at best."""
    planned = estimate(work, setup, speed)
    simulated = simulate(work, planned.groups, setup, speed)
    estimated = sum(planned.seconds[stage] for stage in ("PlanGroup", "SimulateChunk", "ReduceGroup"))
    best = ideal(work, planned.chunks, setup, speed)
    return {
        "loans": work.loans,
        "chunks": planned.chunks,
        "groups": len(planned.groups),
        "region": setup.region,
        "children": setup.children,
        "at_once": setup.max_concurrency,
        "simulated": simulated,
        "estimated": estimated,
        "ideal": best,
        "estimated_by_simulated": estimated / simulated,
        "simulated_by_ideal": simulated / best,
        "usd": planned.usd,
        "seconds": planned.duration,
    }


def main() -> int:
    """Print the tables. Exit status: 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    speed = Speed()
    rows: list[dict[str, Any]] = []
    print(
        f"{'loans':>15}{'chunks':>9}{'groups':>7}{'region':>13}{'children':>9}{'at once':>8}"
        f"{'simulated':>10}{'estimated':>10}{'ideal':>9}{'est/sim':>8}{'sim/ideal':>10}"
    )
    settings = [(region, children) for region in ("us-east-1", "eu-central-1") for children in ("STANDARD", "EXPRESS")]
    cases = [
        (
            Work(loans, objects=max(1, loans // size), chunk_loans=size, size=45 * loans),
            1_000,
            *setting,
        )
        for setting in settings
        for loans in SIZES
        for size in [200_000 if loans > 10**8 else 50_000]
    ] + [
        (
            Work(chunks * 50_000, objects=chunks, chunk_loans=50_000, size=chunks * 50_000 * 45),
            at_once,
            "us-east-1",
            "STANDARD",
        )
        for at_once in (59, 500, 3_000)
        for chunks in HARD
    ]
    for work, at_once, region, children in cases:
        row = measure(work, Setup(max_concurrency=at_once, region=region, children=children), speed)
        rows.append(row)
        print(
            f"{row['loans']:>15,}{row['chunks']:>9,}{row['groups']:>7}{region:>13}{children:>9}{at_once:>8,}"
            f"{row['simulated']:>10,.1f}{row['estimated']:>10,.1f}{row['ideal']:>9,.1f}"
            f"{row['estimated_by_simulated']:>8.2f}{row['simulated_by_ideal']:>10.2f}"
        )
    off = max(abs(row["estimated_by_simulated"] - 1) for row in rows)
    longest = max(row["simulated_by_ideal"] for row in rows)
    print(f"\nThe estimates are at most {off:.1%} off; the plans take at most {longest:.2f} times the ideal.")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(off > 0.1 or longest > 1.2)


if __name__ == "__main__":
    sys.exit(main())
