"""As many workers as the runs under way have chunks for: whoever calls, in whatever order, however often."""

import json
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from montecarlo.errors import NoCapacity
from montecarlo.steps import plan, plan_group, provide_workers, reduce_group, simulate_chunk
from montecarlo.steps.protocol import Execution
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, generate
from tests.memory_s3 import MemoryS3

MACHINE = "machine"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=5)
CHUNKS = 8
"""Of each run."""


class DatedS3(MemoryS3):
    """A bucket whose objects were written long ago, but those that have a time of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[str, datetime] = {}

    def paginate(self, **request: Any) -> Any:
        for page in super().paginate(**request):
            for item in page["Contents"]:
                item["LastModified"] = self.written.get(item["Key"], LONG_AGO)
            yield page


@dataclass
class MemoryFleet:
    """A `Fleet` that remembers what it was told. `unlisted`: executions that the list does not show yet."""

    most: int = 100
    processes: int = 1
    patience_seconds: float = 1800
    size: int = 0
    soon: bool = False
    under_way: dict[str, Execution] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    sizes: list[int] = field(default_factory=list)
    stopped: dict[str, str] = field(default_factory=dict)
    at_resize: list[Any] = field(default_factory=list)
    """What happens elsewhere at the very moment that the number of workers is set."""

    def start(self, run: str, started: datetime = NOW, **request: Any) -> None:
        self.under_way[run] = Execution(run, run, {"run": run, **request}, started)

    def executions(self, machine: str) -> Sequence[Execution]:
        assert machine == MACHINE
        return [each for arn, each in self.under_way.items() if arn not in self.unlisted]

    def execution(self, arn: str) -> Execution | None:
        return self.under_way.get(arn)

    def stop(self, execution: Execution, error: str, cause: str) -> None:
        self.stopped[execution.arn] = error
        del self.under_way[execution.arn]

    def resize(self, workers: int) -> None:
        self.sizes.append(workers)
        self.size = workers
        if self.at_resize:
            self.at_resize.pop()()

    def look_again(self, soon: bool) -> None:
        self.soon = soon


class Stack:
    """A stack with workers in memory; `plan` brings a run as far as its plan, `simulate` some chunks further."""

    def __init__(self) -> None:
        self.s3 = DatedS3()
        self.host = MemoryHost(self.s3)
        self.fleet = MemoryFleet()
        self.portfolio = generate(self.host, name="p", loans=CHUNKS * 10, part_loans=CHUNKS * 10)
        self._planned: dict[str, Any] = {}

    def plan(self, run: str, wave: int = 0, **request: Any) -> None:
        request = {"run": run, "portfolio": self.portfolio, "scenarios": 4, "chunk_loans": 10, **request}
        self._planned[run] = self.host.call(plan, {"request": request, "execution": run, "wave": wave})
        for suffix in ("", *(f"/waves/{number:03d}" for number in range(1, wave + 1))):
            self.s3.written.setdefault(keys.plan(run + suffix), NOW)

    def simulate(self, run: str, chunks: int, add_up: bool = False) -> None:
        (group,) = self._planned[run]["groups"]
        cut = self.host.call(plan_group, group)
        for chunk in self.host.json(cut["chunks_key"])[:chunks]:
            self.host.call(simulate_chunk, chunk)
        if add_up:
            self.host.call(reduce_group, {name: group[name] for name in ("run", "plan", "group")})

    def provide(self, now: datetime = NOW, **given: Any) -> int:
        told = provide_workers.provide(MACHINE, self.fleet, self.host.store, now=now, **given)
        assert told["workers"] == self.fleet.size
        return self.fleet.size


@pytest.fixture
def stack() -> Stack:
    return Stack()


def test_without_a_run_there_is_no_worker_and_nothing_looks_every_few_minutes(stack: Stack) -> None:
    stack.fleet.size, stack.fleet.soon = 12, True
    assert stack.provide() == 0
    assert not stack.fleet.soon


def test_a_run_has_a_worker_for_each_chunk_from_its_plan_on(stack: Stack) -> None:
    stack.fleet.start("june")
    assert stack.provide() == 0
    assert stack.fleet.soon
    stack.plan("june")
    assert stack.provide() == CHUNKS
    del stack.fleet.under_way["june"]
    assert stack.provide() == 0
    assert not stack.fleet.soon


@pytest.mark.parametrize(
    ("limits", "request_", "expected"),
    [
        ({"processes": 4}, {}, 2),
        ({"processes": 3}, {}, 3),
        ({"most": 5}, {}, 5),
        ({}, {"max_concurrency": 3}, 3),
        ({"processes": 2}, {"max_concurrency": 3}, 2),
    ],
)
def test_cores_and_limits_bound_the_workers(
    stack: Stack, limits: dict[str, int], request_: dict[str, Any], expected: int
) -> None:
    for name, value in limits.items():
        setattr(stack.fleet, name, value)
    stack.fleet.start("june")
    stack.plan("june", **request_)
    assert stack.provide() == expected


def test_a_call_that_is_made_again_changes_nothing(stack: Stack) -> None:
    stack.fleet.start("june")
    stack.plan("june")
    for _ in range(3):
        stack.provide()
    assert set(stack.fleet.sizes) == {CHUNKS}


class OnInstances(MemoryFleet):
    """A `Fleet` with instances, which are set before the workers: another call may come in between."""

    instances = 0

    def resize(self, workers: int) -> None:
        self.instances = workers
        if self.at_resize:
            self.at_resize.pop()()
        super().resize(workers)


def test_calls_that_set_instances_and_workers_across_each_other_leave_no_worker_without_an_instance(
    stack: Stack,
) -> None:
    """A call that has looked before the run was there sets both while another is between the two, and looks later."""
    fleet = stack.fleet = OnInstances()
    looked, may_set, has_set, may_look = (threading.Event() for _ in range(4))

    def other(workers: int) -> None:
        """The first time that the other call sets anything."""
        looked.set()
        assert may_set.wait(10)
        fleet.instances = fleet.size = workers
        has_set.set()
        assert may_look.wait(10)
        behind.resize = fleet.resize

    def in_between() -> None:
        may_set.set()
        assert has_set.wait(10)

    behind = Behind(fleet, other)
    call = threading.Thread(
        target=provide_workers.provide, args=(MACHINE, behind, stack.host.store), kwargs={"now": NOW}
    )
    call.start()
    assert looked.wait(10)
    fleet.start("june")
    stack.plan("june")
    fleet.at_resize = [in_between]
    stack.provide()
    may_look.set()
    call.join(10)
    assert (fleet.size, fleet.instances) == (CHUNKS, CHUNKS)


class Behind:
    """The same fleet to another caller, who sets it in another way."""

    def __init__(self, fleet: MemoryFleet, resize: Callable[[int], None]) -> None:
        self._fleet, self.resize = fleet, resize

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fleet, name)


def test_no_run_takes_the_workers_of_another(stack: Stack) -> None:
    for run in ("june", "july"):
        stack.fleet.start(run)
        stack.plan(run)
        stack.provide()
    assert stack.fleet.size == 2 * CHUNKS
    del stack.fleet.under_way["june"]
    assert stack.provide(ended="june") == CHUNKS


def test_a_resumed_run_has_workers_for_what_is_left(stack: Stack) -> None:
    stack.plan("june")
    stack.simulate("june", 6)
    stack.fleet.start("june")
    assert stack.provide() == CHUNKS - 6


def test_a_run_keeps_its_workers_until_half_of_them_are_enough(stack: Stack) -> None:
    """One that is taken away may have a chunk, which then is begun again."""
    stack.fleet.start("june")
    stack.plan("june")
    seen = [stack.provide()]
    for _ in range(CHUNKS):
        stack.simulate("june", 1)
        seen.append(stack.provide())
    assert seen == [8, 8, 8, 8, 4, 4, 2, 1, 1]


def test_a_run_whose_chunks_seem_to_be_done_keeps_one_worker(stack: Stack) -> None:
    stack.plan("june")
    stack.simulate("june", CHUNKS, add_up=True)
    stack.fleet.start("june")
    assert stack.provide(NOW + timedelta(hours=4)) == 1
    assert not stack.fleet.stopped


def test_a_wave_of_scenarios_has_workers_again(stack: Stack) -> None:
    waves: dict[str, Any] = {"target_error": 0.0001, "max_scenarios": 8}
    stack.fleet.start("june")
    stack.plan("june", **waves)
    stack.simulate("june", CHUNKS, add_up=True)
    assert stack.provide() == 1
    stack.plan("june", wave=1, **waves)
    assert stack.provide() == CHUNKS


def test_a_run_that_is_not_listed_yet_is_not_forgotten_by_its_own_call(stack: Stack) -> None:
    stack.fleet.start("june")
    stack.fleet.unlisted.add("june")
    stack.plan("june")
    assert stack.provide(begun="june") == CHUNKS


def test_a_run_that_is_still_listed_is_forgotten_when_its_end_is_told(stack: Stack) -> None:
    stack.fleet.start("june")
    stack.plan("june")
    assert stack.provide(ended="june") == 0


@pytest.mark.parametrize("seed", range(10))
def test_calls_at_once_come_to_what_is_true_in_the_end(stack: Stack, seed: int) -> None:
    """Runs begin and end between the look of a call and what it sets, each with a call of its own."""
    chance = random.Random(seed)
    runs = ["june", "july", "may"]
    for run in runs:
        stack.plan(run)

    def change() -> None:
        run = chance.choice(runs)
        if run in stack.fleet.under_way:
            del stack.fleet.under_way[run]
            provide_workers.provide(MACHINE, stack.fleet, stack.host.store, now=NOW, ended=run)
        else:
            stack.fleet.start(run)
            provide_workers.provide(MACHINE, stack.fleet, stack.host.store, now=NOW, begun=run)

    stack.fleet.at_resize = [change] * chance.randint(1, 4)
    change()
    stack.fleet.at_resize = []
    needed = CHUNKS * len(stack.fleet.under_way)
    assert stack.fleet.size == needed or needed < stack.fleet.size < 2 * needed
    assert stack.fleet.soon == bool(stack.fleet.under_way)


# A run that no worker comes to ----------------------------------------------------------------------------------------


def test_a_run_that_no_worker_comes_to_ends_with_its_reason(stack: Stack) -> None:
    for run in ("june", "july"):
        stack.fleet.start(run)
        stack.plan(run)
    assert stack.provide(NOW + timedelta(minutes=29)) == 2 * CHUNKS
    stack.s3.written[keys.at_work("july")] = NOW + timedelta(minutes=20)
    stack.s3.objects[keys.at_work("july")] = b""
    assert stack.provide(NOW + timedelta(minutes=31)) == CHUNKS
    assert stack.fleet.stopped == {"june": NoCapacity.__name__}
    failure = json.loads(stack.s3.objects[keys.failure("june")])
    assert (failure["run"], failure["error"]) == ("june", "NoCapacity")
    assert "for 30 minutes" in failure["cause"]
    assert stack.provide(NOW + timedelta(minutes=51)) == 0
    assert not stack.fleet.soon


def test_a_run_that_is_being_planned_or_started_again_is_given_its_time(stack: Stack) -> None:
    stack.fleet.start("june", started=LONG_AGO)
    assert stack.provide() == 0
    stack.plan("june")
    assert stack.provide(NOW + timedelta(minutes=1)) == CHUNKS
    stack.s3.written[keys.plan("june")] = LONG_AGO
    stack.fleet.start("june", started=NOW)
    stack.provide(NOW + timedelta(minutes=1))
    assert not stack.fleet.stopped


# Events ---------------------------------------------------------------------------------------------------------------


class FleetHost(MemoryHost):
    """A host with workers."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack.s3)
        self._fleet = stack.fleet

    @property
    def fleet(self) -> MemoryFleet:
        return self._fleet


@pytest.mark.parametrize(
    ("event", "workers"),
    [
        ({"machine": MACHINE}, CHUNKS),
        ({"machine": MACHINE, "execution": "june"}, CHUNKS),
        ({"source": "aws.states", "detail": {"stateMachineArn": MACHINE, "executionArn": "june"}}, 0),
        ({"source": "aws.states", "detail": {"stateMachineArn": MACHINE, "executionArn": "other"}}, CHUNKS),
    ],
)
def test_every_caller_is_understood(stack: Stack, event: dict[str, Any], workers: int) -> None:
    stack.fleet.start("june")
    stack.plan("june")
    stack.s3.written[keys.plan("june")] = datetime.now(UTC)
    assert FleetHost(stack).call(provide_workers, event) == {"executions": workers // CHUNKS, "workers": workers}


def test_an_input_that_is_no_request_needs_no_worker(stack: Stack) -> None:
    for request in ({"run": "../../x"}, {"run": 3}, {}):
        stack.fleet.under_way = {"arn": Execution("arn", "..", request, NOW)}
        assert stack.provide() == 0
