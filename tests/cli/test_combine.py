"""`montecarlo combine` and `what-if` in the user's process: what they print and write, and what they refuse."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cli.main import main
from cli.place import Place
from tests.additive.conftest import LOANS, put
from tests.additive.test_what_if import deals, sold
from tests.memory_run import MemoryHost, simulate
from tests.memory_s3 import MemoryS3


@pytest.fixture(scope="module")
def _runs() -> dict[str, bytes]:
    host, order = MemoryHost(), np.arange(len(LOANS))
    request = {"scenarios": 60, "as_of": "2026-01-01"}
    simulate(host, run="may", portfolio=put(host, "may", order[:80]), **request)
    simulate(host, run="new", portfolio=put(host, "new", order[80:120]), scenarios_from="may", as_of="2026-01-01")
    return host.s3.objects


@pytest.fixture
def host(_runs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryHost:
    made = MemoryHost(MemoryS3(dict(_runs)))
    stack: Any = SimpleNamespace(bucket="bucket", client=lambda _: made.s3)
    monkeypatch.setattr(Place, "find", lambda _: stack)
    monkeypatch.chdir(tmp_path)
    return made


def test_a_dry_run_under_the_scenarios_of_a_run_says_which_these_are(
    host: MemoryHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Place, "outlives_the_command", True)
    words = ["run", "--portfolio", str(deals(Path(), [200])), "--dry-run", "--scenarios-from"]
    for place in ("may", "s3://bucket/runs/may/"):
        assert main([*words, place]) == 0
        assert "60 scenarios in each of 2 cases: base 3.63 %, stressed 8 %" in capsys.readouterr().out
    for more, said in (
        (["may", "--seed", "1"], "the run may differs in seed (42, not 1)"),
        (["may", "--fed-rate", "5"], "differs in cases.stressed.fed_rate (8.0, not 5.0)"),
        (["none"], "runs/none/sums.npz does not exist"),
    ):
        assert main([*words, *more]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setattr(Place, "outlives_the_command", False)
    assert main([*words, "may"]) == 2
    assert "an embedded AWS of this command's own has none" in capsys.readouterr().err


@pytest.mark.parametrize("expression", [("may", "+", "new"), ("may + new",)])
def test_a_sum_is_printed_and_kept(
    host: MemoryHost, capsys: pytest.CaptureFixture[str], expression: tuple[str, ...]
) -> None:
    assert main(["combine", *expression, "--name", "all"]) == 0
    out = capsys.readouterr().out
    assert "Run all: 60 scenarios" in out
    assert "120 read = 120 simulated" in out
    assert "montecarlo open all" in out
    assert main(["combine", "all", "-", "new", "--name", "old", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["loans"]["simulated"] == 80


def test_a_level_is_printed_as_it_was_asked_for(host: MemoryHost, capsys: pytest.CaptureFixture[str]) -> None:
    deal = str(deals(Path(), [200]))
    assert main(["price", "may", deal, "--level", "99.99999"]) == 0
    assert "ES 99.99999" in capsys.readouterr().out
    assert main(["price", "may", deal, "--level", "100.0000001"]) == 2
    assert "level is 100.0000001, but must lie from 50 to below 100" in capsys.readouterr().err


def test_a_folder_of_a_runs_name_is_the_run(host: MemoryHost, capsys: pytest.CaptureFixture[str]) -> None:
    for run in ("may", "new", "sent"):
        Path(run).mkdir()
        for name in ("plan.json", "sums.npz"):
            (Path(run) / name).write_bytes(host.s3.objects[f"runs/{run.replace('sent', 'new')}/{name}"])
    assert main(["combine", "may + sent", "--name", "all"]) == 0, capsys.readouterr().err
    assert main(["combine", "./may + ./new", "--name", "other"]) == 2
    assert "none of the runs has its scenarios" in capsys.readouterr().err


def test_a_what_if_is_printed_and_written(host: MemoryHost, capsys: pytest.CaptureFixture[str]) -> None:
    here = Path()
    assert main(["what-if", "may", "--add", str(deals(here, [200, 201])), "--remove", str(sold(here, [1]))]) == 0
    out = capsys.readouterr().out
    assert "Run may: 2 loans of" in out
    assert "added, 1 loan of" in out
    assert "exact" in out
    assert sorted(path.name for path in Path("what-if").iterdir() if not path.name.startswith(".")) == [
        "report.html",
        "what-if.json",
    ]
    written = json.loads(Path("what-if/what-if.json").read_text())
    assert main(["what-if", "may", "--add", "deals.csv", "--remove", "sold.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == written


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("combine may - new --name less", "cannot be taken out"),
        ("combine may --name one", "one run alone is no sum"),
        ("combine may new --name one", "a + or - is missing"),
        ("combine --name one", "Missing argument"),
        ("combine may + new", "Missing option '--name'"),
        ("combine may + there/nothing --name one", "there is no run there/nothing"),
        ("combine may + new --name ../x", "--name must be 1 to 80 letters"),
        ("combine may + new --name may", "there is a run may already"),
        ("combine may + s3://elsewhere/loans/ --name one", "there is no run s3://elsewhere/loans/"),
        ("what-if may", "give --add FILE"),
        ("what-if none --add deals.csv", "there is no run none"),
        ("what-if ../may --add deals.csv", "no run can be called"),
        ("what-if may --add none.csv", "none.csv cannot be read"),
        ("what-if may --add .", "must end in .csv"),
        ("what-if may --remove deals.csv", "the run may has no loan LN-"),
        ("what-if may --add deals.csv --mapping deals.csv", "deals.csv"),
        ("what-if may --add deals.csv --out .", "current folder"),
        ("what-if may --add deals.csv --out deals.csv", "is a file"),
    ],
)
def test_what_cannot_be_done_is_said(
    host: MemoryHost, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    deals(Path(), [200])
    before = dict(host.s3.objects)
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert host.s3.objects == before
