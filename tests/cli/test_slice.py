"""`montecarlo slice` in the user's process: tables, JSON, a file of losses, and a sentence for what it cannot do."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from additive.replay import Replay
from tests.additive.test_slices import REQUEST, host_with, portfolio
from tests.memory_run import MemoryHost, generate, simulate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def june() -> dict[str, bytes]:
    made = host_with(portfolio(1))
    simulate(made, run="june", **REQUEST)
    return made.s3.objects


def test_the_document_shows_what_it_prints(command: Any, host: MemoryHost) -> None:
    text = (ROOT / "docs/additive.md").read_text(encoding="utf-8")
    (printed,) = re.findall(r"<!-- output of montecarlo slice -->\n```\n(.*?)```", text, re.DOTALL)
    (typed,) = re.findall(r"^    .venv/bin/montecarlo slice (june .*)$", text, re.MULTILINE)
    host.s3.objects.clear()
    simulate(host, run="june", portfolio=generate(host, loans=10_000), scenarios=2_000)
    status, out, err = command("slice", *shlex.split(typed))
    assert (status, out) == (0, printed)
    assert "what it contributes" in err


def test_the_parts_of_the_chosen_case_add_up(command: Any) -> None:
    status, out, _ = command("slice", "june", "--by", "branch", "--case", "stressed", "--json", "--level", "97.5")
    figures = json.loads(out)
    assert status == 0
    for case in figures["cases"].values():
        whole = case["contribution"]["es_97.5_contribution"]
        assert whole == pytest.approx(sum(part["es_97.5_contribution"] for part in case["parts"].values()), abs=0.05)
        assert whole == pytest.approx(case["run"]["es"], abs=0.011)


def test_the_losses_go_to_a_file(command: Any, host: MemoryHost, tmp_path: Path) -> None:
    status, _, err = command("slice", "june", "--losses", str(tmp_path / "all.parquet"))
    assert status == 0
    assert "The loss in each scenario is in" in err
    losses = pq.read_table(tmp_path / "all.parquet")
    assert np.array_equal(losses["base_cents"].to_numpy(), Replay.open(host.store, "june").losses[0])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["may"], "there is no run may"),
        (["../june"], "no run can be called"),
        (["june", "--filter", "Rate > 9"], "--filter cannot be read as JSON"),
        (["june", "--filter", '[["Rate", ">", 900]]'], "no loan of the run june meets the filter"),
        (["june", "--case", "boom"], "the run june has no case boom: it has base, stressed"),
        (["june", "--by", "town"], "no column 'town'"),
        (["june", "--losses", "/nowhere/l.parquet"], "there is no folder /nowhere"),
        (["june", "--level", "x"], "is no number"),
    ],
)
def test_what_it_cannot_do_it_says(command: Any, arguments: list[str], says: str) -> None:
    status, out, err = command("slice", *arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def test_loans_that_a_filter_cannot_judge_are_told(command: Any) -> None:
    status, _, err = command("slice", "june", "--filter", '[["branch", ">", 1]]')
    assert status == 0
    assert "of the run's loans are left out, as the filter compares a cell that it cannot read" in err
