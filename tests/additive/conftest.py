"""Portfolios whose loans tests deal out to runs."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from montecarlo.model import tail_shift
from montecarlo.portfolio import synthetic
from montecarlo.run import publication
from montecarlo.storage.store import OCTETS
from tests.memory_run import MemoryHost

AS_OF = date(2026, 1, 1)
LOANS: pa.Table = synthetic.generate(0, 240, 42, AS_OF)


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Without what takes most of the time of such small runs: the report, and aiming scenarios well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail_shift, "_DRAWS", 1_000)
        patch.setattr(publication, "render", lambda result, distributions: "")
        yield


def put(host: MemoryHost, name: str, rows: npt.NDArray[np.intp] | list[int], table: pa.Table = LOANS) -> str:
    """A portfolio of some of the loans; returns its key."""
    key = f"portfolios/{name}/loans.csv"
    host.store.put(key, synthetic.to_csv(table.take(pa.array(rows, pa.int64()))), OCTETS)
    return key
