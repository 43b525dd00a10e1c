"""A finished run held ready: the same bits as its workers', and a sentence for whatever cannot be replayed."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from additive.replay import Replay
from montecarlo.errors import IncompleteRun, InvalidInput, InvalidPortfolio, MonteCarloError, RunTaken
from montecarlo.run.partial import Partial
from montecarlo.storage import keys
from montecarlo.storage.sealed import seal_document, unseal_document
from tests.memory_run import MemoryHost, dataproc, generate
from tests.memory_s3 import MemoryS3

REQUEST: dict[str, Any] = {
    "run": "june",
    "portfolio": "portfolios/loans/",
    "scenarios": 120,
    "chunk_loans": 100,
    "sample": 2,
    "dimensions": ["ZipCode"],
    "target_error": 0.0001,
    "max_scenarios": 240,
}
"""Two waves over four chunks."""


@pytest.fixture(scope="module")
def june() -> dict[str, bytes]:
    host = MemoryHost()
    generate(host, name="loans", loans=300, part_loans=150)
    dataproc(host, **REQUEST)
    return host.s3.objects


@pytest.fixture
def host(june: dict[str, bytes]) -> MemoryHost:
    return MemoryHost(MemoryS3(dict(june)))


def arrays(partial: Partial) -> dict[str, Any]:
    parts = [partial.segments, partial.regions, *(each.sums for each in partial.dimensions)]
    numbered = {f"{number} {name}": array for number, part in enumerate(parts) for name, array in vars(part).items()}
    return {**numbered, "pd": partial.pd_sum, "rounding": partial.rounding}


def test_every_chunk_comes_to_what_its_worker_wrote(host: MemoryHost) -> None:
    replay = Replay.open(host.store, "june")
    chunks = replay.chunks()
    assert [chunk.number for chunk in chunks] == [0, 1, 2, 3]
    assert len(replay.plans) == 2

    for chunk, found in zip(chunks, replay.over(replay.read, chunks), strict=True):
        for plan, simulated in zip(replay.plans, replay.simulate(found.loans), strict=True):
            written = Partial.from_bytes(host.s3.objects[keys.chunk_partial(plan.run, 0, chunk.number)])
            again = simulated.partial(plan, found.counts, found.reasons, (0, chunk.number))
            assert again.counts == written.counts
            assert [each.values for each in again.dimensions] == [each.values for each in written.dimensions]
            theirs = arrays(written)
            assert all(np.array_equal(array, theirs[name]) for name, array in arrays(again).items())


def test_the_loans_add_up_to_the_published_losses(host: MemoryHost) -> None:
    replay = Replay.open(host.store, "june")
    whole = np.zeros_like(replay.losses)
    for chunk in replay.chunks():
        waves = replay.simulate(replay.read(chunk).loans, labels=())
        whole += np.concatenate([each.simulation.by_segment.sum(axis=1) for each in waves], axis=1)
    assert np.array_equal(whole * replay.plan.sample, replay.losses)
    assert replay.losses.shape == (2, 240)
    assert replay.weights.sum() == pytest.approx(1, rel=0.1)


def read_everything(host: MemoryHost) -> None:
    replay = Replay.open(host.store, "june")
    assert replay.losses.size
    for chunk in replay.chunks():
        replay.read(chunk)


def changed(key: str, change: Callable[[dict[str, Any]], None]) -> Callable[[MemoryHost], None]:
    def do(host: MemoryHost) -> None:
        document = unseal_document(host.s3.objects[key])
        change(document)
        host.s3.objects[key] = seal_document(document)

    return do


def lost(key: str) -> Callable[[MemoryHost], None]:
    def do(host: MemoryHost) -> None:
        del host.s3.objects[key]

    return do


def cut_off(key: str) -> Callable[[MemoryHost], None]:
    def do(host: MemoryHost) -> None:
        host.s3.objects[key] = host.s3.objects[key][:-20]

    return do


def written(key: str, document: Any) -> Callable[[MemoryHost], None]:
    def do(host: MemoryHost) -> None:
        host.s3.objects[key] = json.dumps(document).encode()

    return do


RESULT, PLAN = keys.result("june"), keys.plan("june")


@pytest.mark.parametrize(
    ("harm", "error", "says"),
    [
        (lost(RESULT), InvalidInput, "run june is not finished"),
        (cut_off(RESULT), IncompleteRun, "result.json is damaged"),
        (written(RESULT, {"scenarios": "two"}), IncompleteRun, "so many scenarios as waves"),
        (written(RESULT, {"scenarios": 360}), IncompleteRun, "waves/002/plan.json does not exist"),
        (cut_off(PLAN), IncompleteRun, "plan.json is damaged"),
        (changed(PLAN, lambda plan: plan.update(model="1")), RunTaken, "of different plans"),
        (lost(keys.scenarios("june")), IncompleteRun, "scenarios.npz does not exist"),
        (cut_off(keys.scenarios("june/waves/001")), IncompleteRun, "scenarios.npz is damaged"),
        (cut_off(keys.group_chunks("june", 0)), IncompleteRun, "chunks.json is damaged"),
        (lost(keys.group_plan("june", 0)), IncompleteRun, "group.json does not exist"),
        (cut_off(keys.losses("june")), IncompleteRun, "losses.parquet is damaged"),
        (lost(keys.losses("june")), IncompleteRun, "losses.parquet does not exist"),
        (cut_off(keys.portfolio_part("loans", 0, "parquet")), InvalidPortfolio, "part-00000"),
    ],
)
def test_what_cannot_be_replayed_is_said(
    host: MemoryHost, harm: Callable[[MemoryHost], None], error: type[MonteCarloError], says: str
) -> None:
    harm(host)
    with pytest.raises(error, match=says):
        read_everything(host)


def test_a_run_of_another_version_of_the_model_is_refused(host: MemoryHost) -> None:
    for run in ("june", "june/waves/001"):
        changed(keys.plan(run), lambda plan: plan.update(model="1"))(host)
    with pytest.raises(InvalidInput, match="version 1 of the model"):
        Replay.open(host.store, "june")


@pytest.mark.parametrize("name", ["may", "", "../june", "june/waves/001", "june*"])
def test_a_run_that_is_not_there_is_named(host: MemoryHost, name: str) -> None:
    with pytest.raises(InvalidInput, match="there is no run may" if name == "may" else "run must be"):
        Replay.open(host.store, name)
