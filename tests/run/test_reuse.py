"""A run that takes over another's chunks: the same bits as if it had simulated them, whatever became of the other."""

import io
import json
import random
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput
from montecarlo.model.reverse_stress import Thresholds
from montecarlo.run.partial import Partial
from montecarlo.steps import plan_group, simulate_chunk
from montecarlo.storage import keys
from montecarlo.storage.sealed import seal_document, unseal_document
from tests.additive.test_slices import PLACE, REQUEST, portfolio
from tests.memory_run import MemoryHost, dataproc, figures, simulate
from tests.memory_s3 import MemoryS3

FILES, CHUNKS = 8, 4


def put(host: MemoryHost, number: int, seed: int, loans: int = 20) -> None:
    buffer = io.BytesIO()
    pq.write_table(portfolio(seed, loans), buffer)
    host.s3.objects[f"{PLACE}part-{number:02}.parquet"] = buffer.getvalue()


def host_with_files(files: int = FILES) -> MemoryHost:
    host = MemoryHost()
    for number in range(files):
        put(host, number, seed=number)
    return host


def left(host: MemoryHost, run: str) -> dict[str, Any]:
    """What a run has left, but for what says how it came to be."""
    result = json.loads(host.s3.objects[keys.result(run)])
    tables = {name: host.s3.objects[key(run)] for name, key in (("losses", keys.losses), ("segments", keys.segments))}
    loans = [
        row
        for folder in (keys.loans, keys.rejects)
        for key, data in host.s3.objects.items()
        if key.startswith(folder(run))
        for row in pq.read_table(io.BytesIO(data)).to_pylist()
    ]
    duplicates = host.s3.objects.get(keys.duplicates(run))
    told = figures({name: figure for name, figure in result.items() if name != "reused"})
    return {**tables, "rows": sorted(map(str, loans)), "result": told, "duplicates": duplicates}


def simulated(host: MemoryHost, **request: Any) -> int:
    """Do the run; how many chunks were simulated."""
    done = []

    def call(module: Any, event: dict[str, Any]) -> dict[str, Any]:
        if module is simulate_chunk:
            before = dict(host.s3.reads)
            output = host.call(module, event)
            key = event["slices"][0]["key"]
            done.append(host.s3.reads.get(key, 0) > before.get(key, 0))
            return output
        return host.call(module, event)

    dataproc(host, call, **request)
    return sum(done)


def change(host: MemoryHost, how: str, draw: random.Random) -> None:
    number = draw.randrange(FILES)
    if how == "rewritten":
        put(host, number, 100 + number)
    elif how == "longer":
        put(host, number, 100 + number, loans=35)
    elif how == "gone":
        host.s3.objects.pop(f"{PLACE}part-{number:02}.parquet", None)  # it may be gone already
    elif how == "new":
        put(host, draw.choice([FILES, -1]) if number else FILES, 200)


@settings(max_examples=2, deadline=None)
@given(
    changes=st.lists(st.sampled_from(["rewritten", "longer", "gone", "new"]), max_size=2),
    seed=st.integers(0, 1000),
    more=st.sampled_from(
        [{"capital_available": 1e5}, {"dimensions": ["branch"], "sample": 2}, {"filter": [["Rate", ">", 3]]}]
    ),
    waves=st.booleans(),
)
def test_it_has_the_bits_of_a_run_that_simulates_everything(
    changes: list[str], seed: int, more: dict[str, Any], waves: bool
) -> None:
    host = host_with_files()
    request = REQUEST | more
    simulate(host, run="june", **request, **({"target_error": 0.0001, "max_scenarios": 120} if waves else {}))
    for how in changes:
        change(host, how, random.Random(seed))
    simulate(host, run="fresh", **request, scenarios_from="june")
    result = simulate(host, run="july", **request, reuse="june")
    assert left(host, "july") == left(host, "fresh")
    assert result["reused"]["run"] == "june"
    assert result["reused"]["chunks"] >= (1 + waves) * (CHUNKS - 2 * len(changes))
    if not changes:
        assert result["reused"]["chunks"] == result["reused"]["of"]
        assert result["timings"]["kernel_seconds"] == 0


@pytest.fixture(scope="module")
def _june() -> dict[str, bytes]:
    host = host_with_files()
    simulate(host, run="june", **REQUEST)
    return host.s3.objects


@pytest.fixture
def june(_june: dict[str, bytes]) -> MemoryHost:
    return MemoryHost(MemoryS3(dict(_june)))


@pytest.fixture(scope="module")
def fresh(_june: dict[str, bytes]) -> dict[str, Any]:
    """What a run pinned to june leaves that simulates everything."""
    host = MemoryHost(MemoryS3(dict(_june)))
    simulate(host, run="fresh", **REQUEST, scenarios_from="june")
    return left(host, "fresh")


@pytest.mark.parametrize(("how", "again"), [("rewritten", 1), ("longer", 2), ("gone", 1), ("new", 1)])
def test_only_the_chunk_of_the_changed_object_is_simulated(june: MemoryHost, how: str, again: int) -> None:
    change(june, how, random.Random(3))
    assert simulated(june, run="july", **REQUEST, reuse="june") == again
    assert june.json(keys.result("july"))["reused"]["chunks"] == CHUNKS - (how != "new")


def chosen(host: MemoryHost, pattern: str, which: slice) -> list[str]:
    found = sorted(key for key in host.s3.objects if fnmatchcase(key, f"runs/june/{pattern}"))[which]
    assert found
    return found


def broken(pattern: str, which: slice) -> Callable[[MemoryHost], None]:
    def harm(host: MemoryHost) -> None:
        for key in chosen(host, pattern, which):
            data = bytearray(host.s3.objects[key])
            data[len(data) // 2] ^= 1
            host.s3.objects[key] = bytes(data)

    return harm


def lost(pattern: str, which: slice) -> Callable[[MemoryHost], None]:
    def harm(host: MemoryHost) -> None:
        for key in chosen(host, pattern, which):
            host.s3.objects.pop(key, None)

    return harm


def another_plan(host: MemoryHost) -> None:
    key = keys.plan("june")
    document = unseal_document(host.s3.objects[key])
    host.s3.objects[key] = seal_document({**document, "seed": 7})


def swapped(host: MemoryHost) -> None:
    """A chunk's sums under another's name."""
    first, second = chosen(host, "groups/*/chunk-*.npz", slice(0, 2))
    host.s3.objects[first] = host.s3.objects[second]


def at(place: int) -> slice:
    return slice(place, place + 1)


SUMS, TALLY, ALL = "groups/?????/chunk-*.npz", "groups/*/keys/chunk-*.npz", slice(None)


@pytest.mark.parametrize(
    ("harms", "again"),
    [
        pytest.param([broken(SUMS, at(0)), lost("loans/*", at(1)), broken(TALLY, at(2))], 3, id="broken chunks"),
        pytest.param([lost(SUMS, at(1)), lost("rejects/*", at(0)), lost(TALLY, at(3))], 3, id="missing chunks"),
        pytest.param([swapped], 1, id="another chunk's sums"),
        pytest.param([lost("groups/*/chunks.json", ALL)], CHUNKS, id="no chunks"),
        pytest.param([broken("groups/*/group.json", ALL)], CHUNKS, id="broken group"),
        pytest.param([lost("groups/*/objects.json", ALL)], 0, id="no objects"),
        pytest.param([lost("plan.json", ALL)], CHUNKS, id="no plan"),
        pytest.param([another_plan], CHUNKS, id="another plan"),
    ],
)
def test_what_is_not_intact_is_simulated(
    june: MemoryHost, fresh: dict[str, Any], harms: list[Callable[[MemoryHost], None]], again: int
) -> None:
    done: list[bool] = []
    harmed: list[bool] = []

    def call(module: Any, event: dict[str, Any]) -> dict[str, Any]:
        if module is plan_group:
            if not harmed:
                for harm in harms:
                    harm(june)  # after Plan has taken the scenarios
            harmed.append(True)
        if module is simulate_chunk:
            key = event["slices"][0]["key"]
            before = june.s3.reads.get(key, 0)
            output = june.call(module, event)
            done.append(june.s3.reads.get(key, 0) > before)
            return output
        return june.call(module, event)

    dataproc(june, call, **REQUEST, run="july", reuse="june")
    assert sum(done) == again
    assert left(june, "july") == fresh


def test_it_goes_on_where_it_was_interrupted_though_the_other_run_has_gone(
    june: MemoryHost, fresh: dict[str, Any]
) -> None:
    calls = []

    def call(module: Any, event: dict[str, Any]) -> dict[str, Any]:
        calls.append(module)
        if calls.count(simulate_chunk) == 3:
            raise KeyboardInterrupt
        return june.call(module, event)

    with pytest.raises(KeyboardInterrupt):
        dataproc(june, call, **REQUEST, run="july", reuse="june")
    for key in [key for key in june.s3.objects if key.startswith("runs/june/")]:
        del june.s3.objects[key]
    dataproc(june, **REQUEST, run="july", reuse="june")
    assert left(june, "july") == fresh
    assert june.json(keys.result("july"))["reused"]["chunks"] == 2


def test_chunks_are_taken_over_whatever_the_cases_weigh(june: MemoryHost) -> None:
    (name,) = [case for case in june.json(keys.result("june"))["cases"] if case != "base"]
    case = {"fed_rate": june.json(keys.result("june"))["cases"][name]["fed_rate"], "probability": 0.25}
    assert simulated(june, **REQUEST, run="weighed", reuse="june", cases={name: case}) == 0
    before, after = (june.json(keys.result(run))["cases"][name] for run in ("june", "weighed"))
    assert after == {**before, "probability": 0.25}


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"as_of": "2026-02-01"}, 'differs in .*as_of \\("2026-01-01", not "2026-02-01"\\)'),
        ({"dimensions": ["branch"]}, "differs in .*dimensions"),
        ({"mapping": {"currency": "EUR"}}, "differs in .*mapping"),
        ({"filter": [["Rate", ">", 1]]}, "differs in .*filter"),
        ({"seed": 7}, "differs in .*seed"),
        ({"scenarios_from": "may"}, "leave scenarios_from out"),
        ({"target_error": 0.1}, "leave target_error out"),
        ({"reuse": "../june"}, "reuse must be"),
        ({"reuse": 7}, "reuse must be"),
        ({"reuse": "may"}, "there is no such run"),
        ({"run": "june"}, "must name another run"),
        ({"capital_available": 1e5}, "has no capital_available, so that its chunks do not say which economy costs it"),
    ],
)
def test_what_cannot_be_reused_is_said_before_anything_is_simulated(
    june: MemoryHost, request_: dict[str, Any], says: str
) -> None:
    before = dict(june.s3.objects)
    with pytest.raises(InvalidInput, match=says):
        dataproc(june, **{**REQUEST, "run": "july", "reuse": "june", **request_})
    assert june.s3.objects == before


@pytest.mark.parametrize(
    ("key", "loss"),
    [([1 << 34], [1]), ([127 << 21], [1]), ([5], [1 << 62]), ([0, 1], [1]), ([0.5], [1]), ([[5]], [[1]])],
    ids=["factor", "loading", "more than is owed", "one too few", "no whole number", "another shape"],
)
def test_sums_that_no_loans_have_are_not_taken_over(june: MemoryHost, key: list[Any], loss: list[Any]) -> None:
    simulate(june, **REQUEST, run="with", capital_available=1e5)
    place = keys.chunk_partial("with", 0, 0)
    partial = Partial.from_bytes(june.s3.objects[place])
    partial.thresholds = Thresholds(np.array(key), np.array(loss))
    june.s3.objects[place] = partial.to_bytes()
    simulate(june, **REQUEST, run="fresh", scenarios_from="with", capital_available=1e5)
    result = simulate(june, **REQUEST, run="july", reuse="with", capital_available=1e5)
    assert result["reused"]["chunks"] == CHUNKS - 1
    assert left(june, "july") == left(june, "fresh")


def test_a_capital_may_be_left_out_of_the_next_run(june: MemoryHost) -> None:
    simulate(june, **REQUEST, run="with", capital_available=1e5)
    simulate(june, **REQUEST, run="fresh", scenarios_from="with")
    assert simulate(june, **REQUEST, run="without", reuse="with")["reused"]["chunks"] == CHUNKS
    assert left(june, "without") == left(june, "fresh")


def test_the_reporting_date_and_the_size_of_chunks_come_along(june: MemoryHost) -> None:
    request = {name: value for name, value in REQUEST.items() if name not in ("as_of", "chunk_loans", "scenarios")}
    result = simulate(june, run="july", **request, reuse="june")
    assert result["reused"] == {"run": "june", "chunks": CHUNKS, "of": CHUNKS}
    assert result["portfolio"]["as_of"] == REQUEST["as_of"]


def test_a_chain_of_runs_takes_over_what_was_taken_over(june: MemoryHost) -> None:
    simulate(june, run="july", **REQUEST, reuse="june")
    assert simulated(june, run="august", **REQUEST, reuse="july") == 0
    of_chain, of_one = left(june, "august"), left(june, "july")
    assert of_chain["result"].pop("scenarios_from") != of_one["result"].pop("scenarios_from")
    assert of_chain == of_one
