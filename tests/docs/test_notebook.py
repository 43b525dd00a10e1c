"""The notebook over results runs whole, its charts are the report's, and its answers are the run's figures."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from montecarlo.report.pictures import pictures
from tests.docs.tables import ROOT
from tests.memory_run import MemoryHost, generate, simulate

NOTEBOOK = ROOT / "examples" / "notebook" / "results.py"


@pytest.fixture(scope="module")
def run() -> tuple[dict[str, Any], MemoryHost]:
    host = MemoryHost()
    generate(host, name="loans", loans=600)
    return simulate(host, run="june", portfolio="portfolios/loans/", scenarios=4_000), host


def test_the_notebook_answers_with_the_runs_figures(
    run: tuple[dict[str, Any], MemoryHost], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, host = run
    for key, content in host.s3.objects.items():
        if key.startswith("runs/june/"):
            file = tmp_path / key.removeprefix("runs/june/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    monkeypatch.setattr(sys, "argv", [str(NOTEBOOK), str(tmp_path)])
    _, found = runpy.run_path(str(NOTEBOOK))["app"].run()

    assert found["charts"] == pictures((tmp_path / "report.html").read_text(encoding="utf-8"))
    case = result["cases"]["stressed"]
    exceeded = {row["years"]: row["loss"] for row in found["bad_years"]}
    assert {1000: case["var"]["99.9"], 100: case["var"]["99"], 20: case["var"]["95"]}.items() <= exceeded.items()
    for row in found["causes"]:
        part = case["segments"][row["part"]]
        assert row["of_el"] == pytest.approx(part["el"] / sum(each["el"] for each in case["segments"].values()))
    assert sum(row["expected_loss"] for row in found["tenths"]) == pytest.approx(case["el"], rel=1e-6)
    assert len(found["dearest"]) == 10
    everything, tenth, hundredth = found["added"]
    change = case["el_check"]["simulated"] - result["cases"]["base"]["el_check"]["simulated"]
    assert everything["added"] == pytest.approx(change, rel=1e-4), "weights sum to about 1"
    assert 0 < everything["added"] < tenth["added"]
    assert everything["before"] < tenth["before"] < hundredth["before"]
    assert found["enough"][0]["scenarios"] == 4_000


def test_a_folder_without_a_result_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(NOTEBOOK), str(tmp_path)])
    with pytest.raises(Exception, match=r"result\.json is not there"):
        runpy.run_path(str(NOTEBOOK))["app"].run()


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="no git, or no clone")
def test_what_the_notebook_keeps_of_results_is_not_for_the_repository() -> None:
    kept = "examples/notebook/__marimo__/session/results.py.json"
    assert not subprocess.check_output(["git", "ls-files", kept], cwd=ROOT)
    assert subprocess.run(["git", "check-ignore", "-q", kept], cwd=ROOT, check=False).returncode == 0
