"""How far a run is, asked politely: never more often than a part of what AWS allows an account."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import results
from cli.deployment import Stack
from cli.execution import Execution
from cli.meter import Expected, described, duration
from cli.progress import QUOTAS, SHARE_OF_BUCKET, SHARE_OF_REFILL, CallLimiter, Progress, Watch

EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:DataProc:june"


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class StepFunctions:
    """A run whose groups begin in turns and finish a chunk at a time, as Step Functions tells of it."""

    clock: Clock
    groups: int = 40
    chunks_each: int = 25
    at_once: int = 40
    chunk_seconds: float = 10.0
    calls: list[tuple[str, float]] = field(default_factory=list)

    @property
    def group_seconds(self) -> float:
        return self.chunks_each * self.chunk_seconds

    @property
    def length(self) -> float:
        return 5 + self.group_seconds * -(-self.groups // self.at_once) + 5

    def _called(self, name: str) -> None:
        self.calls.append((name, self.clock()))

    def _began(self, group: int) -> float:
        return 5 + self.group_seconds * (group // self.at_once)

    def describe_execution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803
        self._called("describe_execution")
        ended = self.clock() >= self.length
        return {"name": "june", "status": "SUCCEEDED" if ended else "RUNNING", "output": "{}", "startDate": None}

    def get_execution_history(self, **_: Any) -> dict[str, Any]:
        self._called("get_execution_history")
        entered = [(0, "Plan"), (5, "Groups"), (self.length - 5, "Aggregate")]
        events = [
            {"id": number, "type": "TaskStateEntered", "stateEnteredEventDetails": {"name": name}}
            for number, (when, name) in enumerate(entered, 1)
            if when <= self.clock()
        ]
        return {"events": events[::-1]}

    def list_map_runs(self, **_: Any) -> dict[str, Any]:
        self._called("list_map_runs")
        epoch = datetime(2026, 1, 1, tzinfo=UTC)
        begun = [group for group in range(self.groups) if self._began(group) <= self.clock()]
        return {
            "mapRuns": [
                {"mapRunArn": f"map:{group}", "startDate": epoch + timedelta(seconds=self._began(group))}
                for group in reversed(begun)
            ]
        }

    def describe_map_run(self, mapRunArn: str) -> dict[str, Any]:  # noqa: N803
        self._called("describe_map_run")
        elapsed = self.clock() - self._began(int(mapRunArn.removeprefix("map:")))
        done = min(self.chunks_each, int(elapsed / self.chunk_seconds))
        counts = {"total": self.chunks_each, "succeeded": done, "failed": 0, "timedOut": 0}
        return {"itemCounts": counts, "status": "SUCCEEDED" if done == self.chunks_each else "RUNNING"}


def watched(aws: StepFunctions, monkeypatch: pytest.MonkeyPatch) -> list[Progress]:
    """Watch a run to its end; returns what was known at each look."""
    monkeypatch.setattr("cli.execution.time.sleep", aws.clock.sleep)
    watch, seen = Watch(aws, EXECUTION, CallLimiter(aws.clock)), list[Progress]()
    Execution(aws, EXECUTION).wait(lambda: seen.append(watch.look()))
    return seen


@pytest.mark.parametrize(
    ("groups", "chunks_each", "chunk_seconds"),
    [(40, 25, 4.0), (1, 1, 1.0), (1, 250, 0.1), (40, 250, 2.0), (1_000, 300, 0.5)],
    ids=["1,000 chunks in 40 groups", "one chunk", "one group", "10,000 chunks", "1,000 groups"],
)
def test_calls_stay_within_a_part_of_what_an_account_may_make(
    groups: int, chunks_each: int, chunk_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = StepFunctions(Clock(), groups, chunks_each, chunk_seconds=chunk_seconds)
    watched(aws, monkeypatch)
    by_call = Counter(name for name, _ in aws.calls)
    assert by_call.keys() == QUOTAS.keys()
    for call, (bucket, refill) in QUOTAS.items():
        times = [when for name, when in aws.calls if name == call]
        for first, begin in enumerate(times):
            for last in range(first, len(times), 7):  # every stretch of time, as a bucket of tokens sees it
                allowed = SHARE_OF_BUCKET * bucket + (times[last] - begin) * SHARE_OF_REFILL * refill
                assert last - first + 1 <= allowed + 1, f"{call} between {begin} and {times[last]} s"
            if first > 200:
                break


def test_the_published_quotas_are_those_that_are_kept() -> None:
    """Outside the three large Regions; those allow DescribeExecution 15 a second."""
    assert QUOTAS["describe_execution"] == (250, 10)
    assert QUOTAS["describe_map_run"] == (200, 1)
    assert SHARE_OF_BUCKET <= 0.1
    assert SHARE_OF_REFILL <= 0.25


def test_progress_never_falls_and_ends_with_all_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(StepFunctions(Clock(), 3, 10, chunk_seconds=3.0), monkeypatch)
    assert list(dict.fromkeys(progress.stage for progress in seen)) == [
        "planning", "simulating", "measuring",
    ]  # fmt: skip
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert (seen[-1].done, seen[-1].chunks) == (30, 30)


def test_waves_are_counted_each_from_its_beginning() -> None:
    class Waves:
        """The first wave is done, of the second one of two chunks."""

        def get_execution_history(self, **_: Any) -> dict[str, Any]:
            names = ["Plan", "Groups", "Aggregate", "PlanWave", "Groups"][: self.events]
            return {
                "events": [
                    {"id": i, "type": "TaskStateEntered", "stateEnteredEventDetails": {"name": name}}
                    for i, name in enumerate(names, 1)
                ][::-1]
            }

        def list_map_runs(self, **_: Any) -> dict[str, Any]:
            return {"mapRuns": [{"mapRunArn": f"m{i}", "startDate": i} for i in range(self.runs)]}

        def describe_map_run(self, mapRunArn: str) -> dict[str, Any]:  # noqa: N803
            done = 2 if mapRunArn == "m0" else 1
            counts = {"total": 2, "succeeded": done, "failed": 0, "timedOut": 0}
            return {"itemCounts": counts, "status": "SUCCEEDED" if done == 2 else "RUNNING"}

        events, runs = 2, 1

    aws = Waves()
    watch = Watch(aws, EXECUTION, CallLimiter(Clock()))
    first = watch.look()
    assert (first.wave, first.done, first.chunks) == (0, 2, 2)
    aws.events, aws.runs = 5, 2
    second = watch.look()
    assert (second.wave, second.done, second.chunks) == (1, 1, 2)
    assert "wave 2" in described(second, None, 10.0)


@given(st.lists(st.tuples(st.sampled_from(sorted(QUOTAS)), st.floats(0, 5)), max_size=300))
def test_no_order_of_calls_gets_more_than_its_share(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    pace, made = CallLimiter(clock), Counter[str]()
    for call, pause in steps:
        clock.sleep(pause)
        made[call] += pace.allows(call)
    for call, (bucket, refill) in QUOTAS.items():
        assert made[call] <= SHARE_OF_BUCKET * bucket + clock() * SHARE_OF_REFILL * refill + 1


def test_what_is_shown_of_a_run_under_way() -> None:
    progress = Progress("simulating", chunks=20, done=5, failed=1, retries=2)
    told = described(progress, Expected(chunks=20, loans=1_000_000, usd=2.0), 50.0)
    assert told == (
        "simulating, 5 of 20 chunks, 5,000 loans a second, 150 s left, about $0.50 so far on AWS, 2 retried, 1 failed"
    ).replace("150 s", duration(150))
    assert described(Progress("planning"), None, 1.0) == "planning"


def test_all_threads_share_a_client_that_slows_down_where_aws_asks_for_it() -> None:
    session = boto3.Session("key", "secret", region_name="eu-central-1")
    stack = Stack(session, {})
    with ThreadPoolExecutor(16) as pool:
        clients = list(pool.map(stack.client, ["s3"] * 32))
    assert len(set(map(id, clients))) == 1
    config = clients[0].meta.config
    assert config.retries == {"mode": "adaptive", "total_max_attempts": 10}
    assert config.max_pool_connections >= results._AT_ONCE
