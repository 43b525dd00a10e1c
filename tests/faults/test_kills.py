"""A process that dies at any call to S3, before the call took effect or after, costs a resume and no bit."""

import json
from typing import Any

import pytest

from tests.faults.conftest import REQUEST, host_of, run_to_end
from tests.faults.faulty_s3 import FaultyS3, Killed
from tests.memory_run import MemoryHost, figures, generate

WAVES: dict[str, Any] = {"target_error": 0.0001, "max_scenarios": 16}


def published(objects: dict[str, bytes], run: str = "june") -> dict[str, Any]:
    """What must be the same: the figures, and every published table to the byte."""
    own = {key: data for key, data in objects.items() if key.startswith(f"runs/{run}/") and key.endswith(".parquet")}
    return {**own, "figures": figures(json.loads(objects[f"runs/{run}/result.json"]))}


class Recorded(FaultyS3):
    """A bucket that keeps what it held after each call that changed it: all that a dying process can leave.

    A process that dies between two calls leaves what the first left, and a call that changes nothing leaves what was.
    """

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__(dict(objects))
        self.left = [dict(objects)]
        self.after = lambda number: self.left.append(dict(self.objects)) if self.changes(number) else None

    def changes(self, number: int) -> bool:
        return self.calls[number][0] in ("put", "delete")


def check_resumed(left: list[dict[str, bytes]], expected: dict[str, Any], **changes: Any) -> None:
    """A run goes on from each of these states of its bucket, and ends as expected."""
    for number, objects in enumerate(left):
        host, s3 = host_of(objects)
        run_to_end(host, **changes)
        assert published(s3.objects) == expected, f"killed after write {number}"


def test_a_run_is_resumed_from_anywhere(portfolio: dict[str, bytes]) -> None:
    s3 = Recorded(portfolio)
    run_to_end(MemoryHost(s3))
    assert len(s3.left) > 20
    check_resumed(s3.left, published(s3.objects))


def test_a_further_wave_is_resumed_from_anywhere(portfolio: dict[str, bytes]) -> None:
    host, first = host_of(portfolio)
    run_to_end(host)
    s3 = Recorded(first.objects)
    run_to_end(MemoryHost(s3), **WAVES)
    assert any(key.startswith("runs/june/waves/001/") for key in s3.objects)
    assert len(s3.left) > 20
    check_resumed(s3.left, published(s3.objects), **WAVES)


@pytest.mark.parametrize("replace", [False, True])
def test_a_portfolio_is_generated_whole_after_any_kill(replace: bool) -> None:
    wanted: dict[str, Any] = {"name": "p", "loans": 9, "part_loans": 3, "format": "csv", "replace": replace}
    host, before = host_of({})
    if replace:
        generate(host, name="p", loans=8, part_loans=2, format="csv")
    s3 = Recorded(before.objects)
    generate(MemoryHost(s3), **wanted)
    for number, objects in enumerate(s3.left):
        resumed, again = host_of(objects)
        generate(resumed, **wanted)
        assert again.objects == s3.objects, f"killed after write {number}"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_nothing_is_done_once_the_process_dies(portfolio: dict[str, bytes], after: bool) -> None:
    """No step catches what ends its process, and goes on: it would write what is not in the states above."""
    host, s3 = host_of(portfolio)
    run_to_end(host)
    calls = len(s3.calls)
    for number in range(0, calls, 5):
        host, s3 = host_of(portfolio)
        s3.fail_at(number, Killed(), after=after)
        with pytest.raises(Killed):
            run_to_end(host)
        resumed, again = host_of(s3.objects)
        run_to_end(resumed)
        assert "runs/june/result.json" in again.objects


def test_the_request_that_a_run_left_resumes_it(portfolio: dict[str, bytes]) -> None:
    host, s3 = host_of(portfolio)
    run_to_end(host)
    request = json.loads(s3.objects["runs/june/request.json"])
    expected = published(s3.objects)
    run_to_end(host, **request)
    assert published(s3.objects) == expected
    assert request["run"] == REQUEST["run"]
