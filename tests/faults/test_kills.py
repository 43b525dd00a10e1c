"""A process that dies at any call to S3, before the call took effect or after, costs a resume and no bit."""

import json
from typing import Any

import pytest

from montecarlo.steps import plan
from tests.faults.conftest import REQUEST, host_of, run_to_end
from tests.faults.faulty_s3 import Killed
from tests.memory_run import figures, generate

WAVES = {"target_error": 0.0001, "max_scenarios": 16}
WHEN = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])


def published(objects: dict[str, bytes], run: str = "june") -> dict[str, Any]:
    """What must be the same: the figures, and every published table to the byte."""
    own = {key: data for key, data in objects.items() if key.startswith(f"runs/{run}/") and key.endswith(".parquet")}
    return {**own, "figures": figures(json.loads(objects[f"runs/{run}/result.json"]))}


def check_kills(start: dict[str, bytes], first: int, after: bool, **changes: Any) -> int:
    """Kill the run at each call from the first one on, and resume it. Returns the number of calls."""
    host, s3 = host_of(start)
    run_to_end(host, **changes)
    expected, calls = published(s3.objects), len(s3.calls)
    for number in range(first, calls):
        host, s3 = host_of(start)
        s3.fail_at(number, Killed(), after=after)
        with pytest.raises(Killed):
            run_to_end(host, **changes)
        resumed, again = host_of(s3.objects)
        run_to_end(resumed, **changes)
        assert published(again.objects) == expected, f"killed at call {number}: {s3.calls[number]}"
    return calls


@WHEN
def test_a_run_is_resumed_from_anywhere(portfolio: dict[str, bytes], after: bool) -> None:
    assert check_kills(portfolio, 0, after) > 40


@WHEN
def test_a_further_wave_is_resumed_from_anywhere(portfolio: dict[str, bytes], after: bool) -> None:
    host, s3 = host_of(portfolio)
    run_to_end(host)
    done = dict(s3.objects)
    begun: list[int] = []

    def call(module: Any, event: dict[str, Any]) -> dict[str, Any]:
        if module is plan:
            begun.append(len(s3.calls))
        return host.call(module, event)

    s3.calls.clear()
    run_to_end(host, call, **WAVES)
    assert len(begun) == 2
    assert check_kills(done, begun[1], after, **WAVES) > begun[1] + 20


@WHEN
@pytest.mark.parametrize("replace", [False, True])
def test_a_portfolio_is_generated_whole_after_any_kill(after: bool, replace: bool) -> None:
    wanted: dict[str, Any] = {"name": "p", "loans": 9, "part_loans": 3, "format": "csv", "replace": replace}
    host, s3 = host_of({})
    if replace:
        generate(host, name="p", loans=8, part_loans=2, format="csv")
    before = dict(s3.objects)
    s3.calls.clear()
    generate(host, **wanted)
    expected, calls = dict(s3.objects), len(s3.calls)
    for number in range(calls):
        host, s3 = host_of(before)
        s3.fail_at(number, Killed(), after=after)
        with pytest.raises(Killed):
            generate(host, **wanted)
        resumed, again = host_of(s3.objects)
        generate(resumed, **wanted)
        assert again.objects == expected, f"killed at call {number}: {s3.calls[number]}"


def test_the_request_that_a_run_left_resumes_it(portfolio: dict[str, bytes]) -> None:
    host, s3 = host_of(portfolio)
    run_to_end(host)
    request = json.loads(s3.objects["runs/june/request.json"])
    expected = published(s3.objects)
    run_to_end(host, **request)
    assert published(s3.objects) == expected
    assert request["run"] == REQUEST["run"]
