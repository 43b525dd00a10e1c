"""A small portfolio and a run over it, with what makes a run quick enough to be repeated thousands of times."""

from collections.abc import Iterator
from typing import Any

import pytest

from montecarlo.model.tables import model_tables
from montecarlo.run import publication
from montecarlo.steps import plan
from tests.faults.faulty_s3 import FaultyS3
from tests.memory_run import Call, MemoryHost, dataproc, generate

REQUEST: dict[str, Any] = {
    "run": "june",
    "portfolio": "portfolios/loans/",
    "scenarios": 8,
    "chunk_loans": 8,
    "as_of": "2026-01-01",
    "max_rejected_share": 0.5,
    "max_duplicate_share": 0.5,
}


@pytest.fixture(autouse=True, scope="package")
def _quick() -> Iterator[None]:
    """The model's tables are computed once, and the report, which asks nothing of S3, is not made."""
    known: dict[str, Any] = {}

    def once(parameters: Any, cases: Any) -> Any:
        key = repr((parameters, cases))
        if key not in known:
            known[key] = model_tables(parameters, cases)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "model_tables", once)
        patch.setattr(publication, "render", lambda result, distributions: "a report")
        yield


@pytest.fixture(scope="package")
def portfolio() -> dict[str, bytes]:
    """Parquet and CSV; a row that is rejected, and an AccountID that comes twice."""
    host = MemoryHost()
    generate(host, name="made", loans=10, part_loans=10)
    header, *rows = b"AccountID,PD,EAD", b"A,0.1,5", b"B,0.2,bad", b"A,0.3,7", b"C,0.4,8", b"D,0.1,9"
    rows += [b"E%d,0.1,%d" % (number, number) for number in range(20)]
    return {
        "portfolios/loans/a.parquet": host.s3.objects["portfolios/made/part-00000.parquet"],
        "portfolios/loans/b.csv": b"\n".join([header, *rows]),
    }


def host_of(objects: dict[str, bytes]) -> tuple[MemoryHost, FaultyS3]:
    """A host on a copy of the objects, and its bucket."""
    s3 = FaultyS3(dict(objects))
    return MemoryHost(s3), s3


def run_to_end(host: MemoryHost, call: Call | None = None, **changes: Any) -> dict[str, Any]:
    return dataproc(host, call, **{**REQUEST, **changes})
