"""The way of results from the bucket to a folder, and what is told of a failed run's rejected rows."""

import io
import threading
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest

from cli import files, results
from cli.deployment import Stack
from montecarlo.portfolio.rejects import Reject, rejects_table


def test_rejected_rows_are_told_by_reason_with_a_value_and_a_place(tmp_path: Path) -> None:
    (tmp_path / "rejects").mkdir()
    uploaded = files.key_of("loans.csv", "a1" * 32)  # told as the user's own file is called
    rows = [Reject(uploaded, 7, "Rate", "12,5", "Rate is not a finite number")] * 3
    rows += [Reject("loans.csv", 9, "PD", "7", "PD must not be above 1")]
    pq.write_table(rejects_table(rows[:2]), tmp_path / "rejects" / "00000-000000.parquet")
    pq.write_table(rejects_table(rows[2:]), tmp_path / "rejects" / "00000-000001.parquet")
    assert list(results.rejected(tmp_path)) == [
        "3 rows: Rate is not a finite number, such as '12,5' in loans.csv, row 7.",
        "1 row: PD must not be above 1, such as '7' in loans.csv, row 9.",
    ]
    assert list(results.rejected(tmp_path / "nothing")) == []


def test_what_loans_contribute_comes_along_where_the_result_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, other = "waves/tail/loans/00000-000000.parquet", "waves/tail/loans/../../x.parquet"
    objects = {f"runs/june/{name}": name.encode() for name in (table, other, "contributions/y.parquet", "plan.json")}

    class S3:
        def get_paginator(self, _: str) -> "S3":
            return self

        def paginate(self, **_: Any) -> list[dict[str, Any]]:
            return [{"Contents": [{"Key": key} for key in objects]}]

        def get_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
            return {"Body": io.BytesIO(objects[Key])}

    monkeypatch.setattr(Stack, "client", lambda *_: S3())
    stack = Stack(boto3.Session(region_name="eu-central-1"), {"DataBucket": "data"})
    assert results.names(stack, "june") == ["plan.json"]  # the pass is done, the run is not
    for result in (b"{}", b"[]", b"\xff", b"null"):
        objects["runs/june/result.json"] = result
        assert results.names(stack, "june") == ["plan.json", "result.json"]
    objects["runs/june/result.json"] = b'{"contributions": {}}'
    results.download(stack, "june", tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found >= {"plan.json", "result.json", "contributions/00000-000000.parquet"}
    assert (tmp_path / "out" / "contributions" / "00000-000000.parquet").read_text() == table


def test_files_are_got_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them comes before as many are asked for at once as there may be."""
    names = [f"loans/00000-{number:06}.parquet" for number in range(2 * results._AT_ONCE)]
    together = threading.Barrier(results._AT_ONCE, timeout=20)

    class S3:
        def get_paginator(self, _: str) -> "S3":
            return self

        def paginate(self, **_: Any) -> list[dict[str, Any]]:
            return [{"Contents": [{"Key": f"runs/june/{name}"} for name in names]}]

        def get_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
            together.wait()
            return {"Body": io.BytesIO(Key.encode())}

    monkeypatch.setattr(Stack, "client", lambda *_: S3())
    stack = Stack(boto3.Session(region_name="eu-central-1"), {"DataBucket": "data"})
    assert results.download(stack, "june", tmp_path / "out") == names
    assert (tmp_path / "out" / names[3]).read_text() == f"runs/june/{names[3]}"
