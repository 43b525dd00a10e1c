"""The pass over the tail: nothing is published that misses a chunk of it, and what is done is not done again."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from montecarlo.errors import IncompleteRun, InvalidInput, RunTaken
from montecarlo.run import publication, tail
from montecarlo.run.plan import read
from montecarlo.run.weighed import Weighed
from montecarlo.steps import aggregate, plan, plan_group, provide_workers, reduce_group, simulate_chunk
from montecarlo.steps.protocol import Event
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, dataproc, figures, simulate
from tests.steps.conftest import REQUEST

ASKED = {**REQUEST, "contributions": True}
PASS = keys.wave("june", keys.TAIL)


@pytest.fixture(autouse=True)
def without_pages() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publication, "render", lambda result, distributions: "")
        yield


class Recorded:
    """Calls of steps, of which one may be left out or done twice."""

    def __init__(self, host: MemoryHost, twice: bool = False) -> None:
        self.host, self.twice = host, twice
        self.calls: list[tuple[Any, Event]] = []

    def __call__(self, module: Any, event: Event) -> dict[str, Any]:
        self.calls.append((module, event))
        if self.twice:
            self.host.call(module, event)
        return self.host.call(module, event)

    def chunks(self, run: str) -> int:
        return sum(module is simulate_chunk and event["run"] == run for module, event in self.calls)


def test_it_is_one_more_wave_and_nothing_is_published_before_it_is_done(portfolio: MemoryHost) -> None:
    calls = Recorded(portfolio)

    def call(module: Any, event: Event) -> dict[str, Any]:
        assert keys.result("june") not in portfolio.s3.objects
        return calls(module, event)

    done = dataproc(portfolio, call, **ASKED)

    assert (done["more"], done["wave"]) == (False, keys.TAIL)
    assert calls.chunks("june") == calls.chunks(PASS) == 4
    assert "contributions" in portfolio.json(keys.result("june"))


def test_a_run_that_is_done_is_asked_for_them_and_makes_the_pass_alone(portfolio: MemoryHost) -> None:
    before = simulate(portfolio, **REQUEST)
    files = {key: data for key, data in portfolio.s3.objects.items() if key.endswith((".npz", ".parquet"))}
    calls = Recorded(portfolio)

    dataproc(portfolio, calls, **ASKED)

    assert (calls.chunks("june"), calls.chunks(PASS)) == (0, 4)
    after = portfolio.json(keys.result("june"))
    asked = figures(after)
    assert asked.pop("contributions")["loans"] == 300
    assert asked == figures(before)
    assert {key: portfolio.s3.objects[key] for key in files} == files
    calls = Recorded(portfolio)
    dataproc(portfolio, calls, **ASKED)  # and once more: there is nothing to do
    assert (calls.chunks("june"), calls.chunks(PASS)) == (0, 0)
    assert figures(portfolio.json(keys.result("june"))) == figures(after)


def test_every_step_may_be_done_twice(portfolio: MemoryHost) -> None:
    once = simulate(portfolio, **ASKED)
    objects = dict(portfolio.s3.objects)
    for key in [key for key in objects if key.startswith("runs/")]:
        del portfolio.s3.objects[key]
    dataproc(portfolio, Recorded(portfolio, twice=True), **ASKED)
    assert figures(portfolio.json(keys.result("june"))) == figures(once)
    tables = [key for key in objects if key.startswith(keys.loans(PASS))]
    assert len(tables) == 4
    assert all(portfolio.s3.objects[key] == objects[key] for key in tables)


@pytest.fixture
def passed(portfolio: MemoryHost) -> tuple[MemoryHost, Event]:
    """A run whose pass has been made, before its last step; and that step's event."""
    last: list[Event] = []

    def call(module: Any, event: Event) -> dict[str, Any]:
        if module is aggregate and event["wave"] == keys.TAIL:
            last.append(event)
            return {"more": False, "wave": event["wave"]}
        return portfolio.call(module, event)

    dataproc(portfolio, call, **ASKED)
    return portfolio, last[0]


def reduced_without(host: MemoryHost, event: Event, change: Any) -> None:
    """Change the sums of the pass's group."""
    key = keys.group_partial(PASS, 0)
    weighed = Weighed.from_bytes(host.s3.objects[key])
    change(weighed)
    host.store.put(key, weighed.to_bytes())
    aggregate.step(event, host)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda weighed: weighed.chunks.pop(), "1 of 4 chunks of group 0 are missing"),
        (lambda weighed: weighed.losses.__iadd__(np.int64(1)), "are not those of the run's loans"),
        (lambda weighed: setattr(weighed, "plan", "0" * 64), "made for another plan"),
    ],
)
def test_a_pass_that_is_not_whole_is_refused(passed: tuple[MemoryHost, Event], change: Any, said: str) -> None:
    host, event = passed
    with pytest.raises(IncompleteRun, match=said):
        reduced_without(host, event, change)
    assert keys.result("june") not in host.s3.objects


def test_a_chunk_that_is_missing_or_damaged_is_not_added_up_and_made_again(passed: tuple[MemoryHost, Event]) -> None:
    host, event = passed
    good = host.s3.objects[keys.chunk_partial(PASS, 0, 2)]
    group = {"run": PASS, "plan": event["plan"], "group": 0}
    for damaged in (None, good[:-1], host.s3.objects[keys.chunk_partial(PASS, 0, 1)]):
        if damaged is None:
            del host.s3.objects[keys.chunk_partial(PASS, 0, 2)]
        else:
            host.store.put(keys.chunk_partial(PASS, 0, 2), damaged)
        with pytest.raises(IncompleteRun):
            reduce_group.step(group, host)
        planned = plan_group.step({**group, "max_concurrency": 1}, host)
        (todo,) = host.json(planned["chunks_key"])
        assert todo["chunk"] == 2
    simulate_chunk.step(todo, host)
    assert Weighed.from_bytes(host.s3.objects[keys.chunk_partial(PASS, 0, 2)]).losses.tolist() == (
        Weighed.from_bytes(good).losses.tolist()
    )


def test_a_tail_that_is_another_by_now_is_refused(passed: tuple[MemoryHost, Event]) -> None:
    host, event = passed
    other = tail.read("june", host.store)
    host.store.put(keys.scenarios(keys.wave("june", keys.TAIL)), tail.Tail(other.waves, other.shares * 2).to_bytes())
    with pytest.raises(IncompleteRun, match="was changed since the pass was planned"):
        aggregate.step(event, host)
    forged = tail.make_plan(read(host.store, "june"), tail.read("june", host.store))
    host.store.put(keys.plan(PASS), forged.to_bytes())
    with pytest.raises(RunTaken):
        aggregate.step(event, host)
    with pytest.raises(RunTaken):  # of a tail that is not the run's
        aggregate.step({**event, "plan": forged.digest}, host)
    assert keys.result("june") not in host.s3.objects
    planned = plan.step({"request": ASKED, "execution": "e", "wave": keys.TAIL}, host)
    assert planned["plan"] == event["plan"]  # what Plan finds in the sums is the run's
    assert not aggregate.step(event, host)["more"]


def test_events_of_no_wave_are_refused(portfolio: MemoryHost) -> None:
    with pytest.raises(InvalidInput, match="must not be negative"):
        portfolio.call(aggregate, {"run": "june", "wave": -2})
    with pytest.raises(IncompleteRun):
        portfolio.call(plan, {"request": ASKED, "execution": "e", "wave": keys.TAIL})


def test_workers_are_there_for_the_pass(passed: tuple[MemoryHost, Event]) -> None:
    host, _ = passed
    places = [place for place, _ in provide_workers._planned("june", host.store)]
    assert places == ["june", PASS]
    del host.s3.objects[keys.group_partial(PASS, 0)]
    del host.s3.objects[keys.chunk_partial(PASS, 0, 2)]
    assert provide_workers.chunks_left(PASS, [4], host.store) == 1
