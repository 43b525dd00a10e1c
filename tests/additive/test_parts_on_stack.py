"""Reuse, slices and contributions on a deployed stack, under its roles."""

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from montecarlo.portfolio import synthetic
from tests.deployed import Cloud, Montecarlo

PLACE = "portfolios/parts"
REQUEST = {"scenarios": 100, "as_of": "2026-01-01", "chunk_loans": 40}


def loans(first: int) -> pa.Table:
    return synthetic.generate(first, 40, 1, date(2026, 1, 1))


def test_a_corrected_file_is_all_that_is_simulated_and_parts_are_those_of_the_run(
    cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path
) -> None:
    for number in range(3):
        cloud.upload(f"{PLACE}/{number}.parquet", loans(100 * number))
    cloud.simulate(f"{PLACE}/", run="parts-whole", **REQUEST)
    cloud.upload(f"{PLACE}/1.parquet", loans(1_000))
    result = cloud.simulate(f"{PLACE}/", run="parts-reused", reuse="parts-whole", contributions=True)
    assert result["reused"] == {"run": "parts-whole", "chunks": 2, "of": 3}

    status, out, err = montecarlo("slice", "parts-reused", "--by", "Segment", "--json")
    assert status == 0, err
    assert json.loads(out)["exposure"] == result["exposure"]
    file = tmp_path / "loans.parquet"
    status, out, err = montecarlo("contributions", "parts-reused", "--json", "--loans", file)
    assert status == 0, err
    told = json.loads(out)
    assert result["contributions"] == {name: told[name] for name in result["contributions"]}
    for case, found in told["cases"].items():
        assert found["es"] == result["cases"][case]["es"]["99"]
        assert sum(pq.read_table(file)[f"ES_{case}"].to_pylist()) == pytest.approx(found["es"], abs=0.01)
    status, _, err = montecarlo("download", "parts-reused", "--out", tmp_path / "out")
    assert status == 0, err
    assert (
        pq.read_table(tmp_path / "out" / "contributions")
        .sort_by("AccountID")
        .equals(pq.read_table(file).sort_by("AccountID"))
    )
