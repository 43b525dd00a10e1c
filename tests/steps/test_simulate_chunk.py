"""SimulateChunk: rows in, sums out; the partial is written last."""

import io

import pyarrow.parquet as pq
import pytest

from montecarlo.errors import IncompleteRun
from montecarlo.run import plan as plans
from montecarlo.run.partial import Partial
from montecarlo.simulation.compiled import load
from montecarlo.simulation.kernel import KERNELS
from montecarlo.steps import simulate_chunk
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, figures, simulate
from tests.memory_s3 import MemoryS3
from tests.steps.conftest import REQUEST


def test_every_row_is_accounted_for(finished: MemoryHost) -> None:
    chunk = finished.json(keys.group_chunks("june", 0))[0]
    part = keys.portfolio_part("loans", 0, "parquet")
    chunk["slices"] = [{"key": part, "size": 0, "format": "parquet", "rows": [0, 100]}]
    assert simulate_chunk.step(chunk, finished) == {"group": 0, "chunk": 0, "loans": 100, "rejected": 0}
    partial = Partial.from_bytes(finished.s3.objects[keys.chunk_partial("june", 0, 0)])
    assert (partial.counts.read, partial.counts.simulated) == (100, 100)


def test_each_loan_has_its_results(finished: MemoryHost) -> None:
    tables = [pq.read_table(io.BytesIO(finished.s3.objects[keys.chunk_loans("june", 0, chunk)])) for chunk in range(4)]
    accounts = [account for table in tables for account in table["AccountID"].to_pylist()]
    assert len(set(accounts)) == len(accounts) == 300


@pytest.mark.parametrize("name", ["__version__", "MODEL_VERSION"])
def test_code_of_another_version_than_the_plans_simulates_nothing(
    finished: MemoryHost, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As a worker's own image may be, which is not updated with the stack."""
    chunk = finished.json(keys.group_chunks("june", 0))[0]
    partial = finished.s3.objects.pop(keys.chunk_partial("june", 0, 0))
    monkeypatch.setattr(plans, name, "0.0.9")
    with pytest.raises(IncompleteRun, match=r"0\.0\.9.*WorkerImage"):
        simulate_chunk.step(chunk, finished)
    assert keys.chunk_partial("june", 0, 0) not in finished.s3.objects
    assert partial


def test_a_warm_worker_reads_the_scenarios_once(finished: MemoryHost) -> None:
    finished.s3.reads.clear()
    for chunk in finished.json(keys.group_chunks("june", 0)):
        simulate_chunk.step(chunk, finished)
    assert finished.s3.reads[keys.scenarios("june")] == 1


def test_the_record_says_what_simulated_and_the_figures_are_the_same(portfolio: MemoryHost) -> None:
    objects = dict(portfolio.s3.objects)
    results = {}
    for name in KERNELS:
        host = MemoryHost(MemoryS3(dict(objects)))
        host.kernel = name
        results[name] = simulate(host, **REQUEST)
    assert results["numpy"]["versions"]["kernel"] == "numpy"
    if load(None):
        assert results["compiled"]["versions"]["kernel"] == "compiled"
    assert figures(results["numpy"]) == figures(results["compiled"])
