"""`montecarlo contributions` in the user's process: tables, JSON, a file of all loans, and what it cannot do."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.additive.test_slices import PLACE, REQUEST, host_with, portfolio
from tests.memory_run import MemoryHost, generate, simulate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def june() -> dict[str, bytes]:
    made = host_with(portfolio(1))
    simulate(made, run="june", **REQUEST)
    return made.s3.objects


def test_the_document_shows_what_it_prints(command: Any, host: MemoryHost) -> None:
    text = (ROOT / "docs/additive.md").read_text(encoding="utf-8")
    (printed,) = re.findall(r"<!-- output of montecarlo contributions -->\n```\n(.*?)```", text, re.DOTALL)
    asked = json.loads((ROOT / "examples/commercial/request.json").read_text(encoding="utf-8"))
    host.s3.objects.clear()
    book = generate(host, loans=3_000, book="commercial")
    simulate(host, **{**asked, "run": "june", "portfolio": book, "scenarios": 2_000})
    assert command("contributions", "june") == (0, printed, "")


def test_all_loans_go_to_a_file_and_the_largest_are_printed(command: Any, tmp_path: Path) -> None:
    file = tmp_path / "all.parquet"
    status, out, err = command("contributions", "june", "--loans", str(file), "--json", "--level", "95")
    assert (status, err) == (0, f"What each loan contributes is in {file}.\n")
    figures, table = json.loads(out), pq.read_table(file)
    assert table.num_rows == figures["loans"]
    for case, found in figures["cases"].items():
        assert sum(table[f"ES_{case}"].to_pylist()) == pytest.approx(found["es"], abs=0.01)
        assert len(found["loans"]) <= 100
    status, _, err = command("contributions", "june", "--loans", str(file))
    assert status == 2
    assert "is there already" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["may"], "there is no run may"),
        (["june", "--case", "boom"], "the run june has no case boom"),
        (["june", "--level", "100"], "contribution_level is 100"),
        (["june", "--loans", "/nowhere/l.parquet"], "there is no folder /nowhere"),
    ],
)
def test_what_it_cannot_do_it_says(command: Any, arguments: list[str], says: str) -> None:
    status, out, err = command("contributions", *arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def test_a_file_of_some_loans_is_not_left_behind(command: Any, host: MemoryHost, tmp_path: Path) -> None:
    del host.s3.objects[f"{PLACE}part-1.parquet"]
    status, _, err = command("contributions", "june", "--loans", str(tmp_path / "all.parquet"))
    assert status == 2
    assert "part-1.parquet" in err
    assert not list(tmp_path.iterdir())
