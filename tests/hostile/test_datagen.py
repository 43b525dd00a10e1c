"""datagen writes over and removes what it made itself, and nothing else, whatever state a portfolio is in."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.errors import MonteCarloError
from montecarlo.steps import generate_part, plan_parts, write_manifest
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, generate

NAME = "p"
OURS = b"a file of somebody's own"
keys_below = st.sampled_from(
    [keys.portfolio_part(NAME, number, kind) for number in range(4) for kind in ("csv", "parquet")]
    + [f"{keys.portfolio(NAME)}{name}" for name in ("loans.csv", "part-00000", "part-x.csv", "sub/part-00000.csv")]
)
requests = st.fixed_dictionaries(
    {"loans": st.integers(1, 8), "part_loans": st.integers(2, 4), "format": st.sampled_from(["csv", "parquet"])},
    optional={"seed": st.integers(0, 2), "replace": st.booleans()},
)


class Stopped(Exception):
    """An execution that ends here."""


def run(host: MemoryHost, request: dict[str, Any], calls: int) -> None:
    """Datagen, which ends in an error of its own or after so many steps."""
    left = iter(range(calls))

    def call(module: Any, event: dict[str, Any]) -> dict[str, Any]:
        if next(left, None) is None:
            raise Stopped
        return host.call(module, event)

    with contextlib.suppress(MonteCarloError, Stopped):
        generate(host, call, name=NAME, **request)


@settings(max_examples=200)
@given(requests, st.integers(0, 7), st.dictionaries(keys_below, st.just(OURS), max_size=3), requests, st.integers(1, 7))
def test_datagen_leaves_every_file_of_others_alone(
    first: dict[str, Any], until: int, uploads: dict[str, bytes], second: dict[str, Any], then: int
) -> None:
    host = MemoryHost()
    run(host, first, until)
    host.s3.objects.update(uploads)
    run(host, second, then)
    run(host, {**second, "replace": True}, 99)
    assert {key: host.s3.objects.get(key) for key in uploads} == uploads


@settings(max_examples=100)
@given(requests, st.integers(0, 7), requests)
def test_whatever_was_left_unfinished_gives_way_to_a_whole_portfolio(
    first: dict[str, Any], until: int, second: dict[str, Any]
) -> None:
    host, fresh = MemoryHost(), MemoryHost()
    run(host, first, until)
    for each in (host, fresh):
        generate(each, name=NAME, **{**second, "replace": True})
    assert host.s3.objects == fresh.s3.objects


def test_a_file_that_comes_between_is_refused_when_its_part_is_written() -> None:
    host = MemoryHost()
    request = {"name": NAME, "loans": 4, "part_loans": 2}
    planned = host.call(plan_parts, {"request": request, "execution": "e"})
    first, second = host.json(planned["parts_key"])
    host.call(generate_part, first)
    key = keys.portfolio_part(NAME, 1, "parquet")
    host.s3.objects[key] = OURS
    for module, event in ((generate_part, second), (write_manifest, {"name": NAME})):
        with pytest.raises(MonteCarloError, match=key):
            host.call(module, event)
    assert host.s3.objects[key] == OURS
