"""What is told of a failed run's rejected rows: the value and the place, which are there to look at."""

from pathlib import Path

import pyarrow.parquet as pq

from cli import results
from montecarlo.portfolio.rejects import Reject, rejects_table


def test_rejected_rows_are_told_by_reason_with_a_value_and_a_place(tmp_path: Path) -> None:
    (tmp_path / "rejects").mkdir()
    rows = [Reject("loans.csv", 7, "Rate", "12,5", "Rate is not a finite number")] * 3
    rows += [Reject("loans.csv", 9, "PD", "7", "PD must not be above 1")]
    pq.write_table(rejects_table(rows[:2]), tmp_path / "rejects" / "00000-000000.parquet")
    pq.write_table(rejects_table(rows[2:]), tmp_path / "rejects" / "00000-000001.parquet")
    assert list(results.rejected(tmp_path)) == [
        "3 rows: Rate is not a finite number, such as '12,5' in loans.csv, row 7.",
        "1 rows: PD must not be above 1, such as '7' in loans.csv, row 9.",
    ]
    assert list(results.rejected(tmp_path / "nothing")) == []
