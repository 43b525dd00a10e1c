"""Two executions of one name, interleaved at every call to S3: one gets its way, whole, and the other a named error."""

import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from montecarlo.errors import RunTaken
from montecarlo.steps import plan, plan_parts
from tests.faults.conftest import REQUEST, host_of, run_to_end
from tests.faults.faulty_s3 import FaultyS3
from tests.faults.test_kills import published
from tests.memory_run import MemoryHost, generate

Step = Callable[[MemoryHost], object]


def plan_with(**changes: Any) -> Step:
    return lambda host: plan.step({"request": {**REQUEST, **changes}, "execution": "e", "wave": 0}, host)


def parts_with(**changes: Any) -> Step:
    return lambda host: plan_parts.step({"request": {"name": "p", "loans": 9, **changes}, "execution": "e"}, host)


class Runner(threading.Thread):
    """A step in a thread of its own, on a bucket that others share, which stops before its call `until`."""

    def __init__(self, step: Step, objects: dict[str, bytes], until: int) -> None:
        super().__init__(daemon=True)
        self.step, self.s3 = step, FaultyS3(objects)
        self.error: BaseException | None = None
        self.stopped, self.go_on = threading.Event(), threading.Event()
        self.s3.before = lambda number: self._wait() if number == until else None

    def _wait(self) -> None:
        self.stopped.set()
        assert self.go_on.wait(30)

    def run(self) -> None:
        try:
            self.step(MemoryHost(self.s3))
        except BaseException as error:
            self.error = error
        self.stopped.set()


def interleaved(
    first: Step, second: Step, objects: dict[str, bytes], at: tuple[int, int]
) -> list[BaseException | None]:
    """The first up to its call at[0], the second up to at[1], the first to its end, the second to its end."""
    runners = [Runner(step, objects, until) for step, until in zip((first, second), at, strict=True)]
    for runner in runners:
        runner.start()
        assert runner.stopped.wait(30)
    for runner in runners:
        runner.go_on.set()
        runner.join(30)
    return [runner.error for runner in runners]


def alone(step: Step, objects: dict[str, bytes]) -> tuple[dict[str, bytes], int]:
    """What the step leaves by itself, and the number of its calls."""
    host, s3 = host_of(objects)
    step(host)
    return s3.objects, len(s3.calls)


def check_every_interleaving(start: dict[str, bytes], first: Step, second: Step, same: bool = False) -> None:
    """Who succeeds leaves what it leaves alone; who does not has RunTaken; `same`: both succeed."""
    (left, calls), (other_left, other_calls) = alone(first, start), alone(second, start)
    for at in ((i, j) for i in range(calls) for j in range(other_calls)):
        objects = dict(start)
        errors = interleaved(first, second, objects, at)
        winners = [one for one, error in zip((left, other_left), errors, strict=True) if error is None]
        assert len(winners) == (2 if same else 1), (at, errors)
        assert objects in winners, at
        assert all(isinstance(error, RunTaken) for error in errors if error), errors


@pytest.mark.parametrize(
    "changes", [{"seed": 7}, {"portfolio": "portfolios/loans/b.csv"}, {"chunk_loans": 30}], ids=lambda c: next(iter(c))
)
def test_one_of_two_plans_wins(portfolio: dict[str, bytes], changes: dict[str, Any]) -> None:
    check_every_interleaving(portfolio, plan_with(), plan_with(**changes))


def test_equal_plans_are_one_plan(portfolio: dict[str, bytes]) -> None:
    """As a retry of Plan, when the first attempt is still at work."""
    check_every_interleaving(portfolio, plan_with(), plan_with(), same=True)


def test_an_attempt_after_midnight_is_no_other_plan(
    portfolio: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reporting date of a portfolio that brings none is the first attempt's."""
    days = iter(range(10_000))
    monkeypatch.setattr(MemoryHost, "today", lambda self: date(2026, 1, 1) + timedelta(days=next(days)))
    step = plan_with(as_of=None)
    _, calls = alone(step, portfolio)
    for at in ((i, calls - 1) for i in range(calls)):
        assert interleaved(step, step, dict(portfolio), at) == [None, None]


def test_one_of_two_portfolios_wins() -> None:
    check_every_interleaving({}, parts_with(), parts_with(seed=7))
    host, s3 = host_of({})
    generate(host, name="p", loans=30, part_loans=5)
    for at in ((i, j) for i in range(9) for j in range(9)):
        objects = dict(s3.objects)
        errors = interleaved(parts_with(replace=True), parts_with(replace=True, seed=7), objects, at)
        assert errors == [None, None]
        assert "portfolios/p/manifest.json" not in objects, "nobody takes it for a whole portfolio"


def test_no_step_goes_on_with_a_plan_that_is_not_its_own(portfolio: dict[str, bytes]) -> None:
    """Somebody deletes the plan of a run at work and plans another: before each of the first run's steps."""
    host, s3 = host_of(portfolio)
    steps: list[Any] = []
    run_to_end(host, lambda module, event: steps.append(module) or host.call(module, event))  # type: ignore[func-returns-value]
    for number in range(1, len(steps)):
        host, s3 = host_of(portfolio)
        count = iter(range(len(steps)))

        def call(
            module: Any, event: dict[str, Any], host: Any = host, s3: Any = s3, count: Any = count, number: int = number
        ) -> dict[str, Any]:
            if next(count) == number:
                del s3.objects["runs/june/plan.json"]
                plan_with(seed=7)(host)
            output: dict[str, Any] = host.call(module, event)
            return output

        with pytest.raises(RunTaken, match="planned anew"):
            run_to_end(host, call)
        assert "runs/june/result.json" not in s3.objects
        run_to_end(host, seed=7)
        other, other_s3 = host_of(portfolio)
        run_to_end(other, seed=7)
        assert published(s3.objects) == published(other_s3.objects), f"nothing of the first is in it, at step {number}"
