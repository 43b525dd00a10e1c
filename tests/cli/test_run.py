"""`montecarlo run` from the command line to the folder of results."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cli import folder
from cli.main import main
from tests.deployed import Cloud, Montecarlo


def test_it_ends_with_the_table_and_the_report(cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path) -> None:
    status, out, err = montecarlo(
        "run", "--name", "whole", "--loans", 5_000, "--scenarios", 200, "--seed", 7, "--out", tmp_path / "out"
    )
    assert status == 0, err
    assert re.search(r"Value at risk \(VaR\), 99\.9 % +[\d.,]+ +[\d.,]+", out)
    assert f"Report:  {tmp_path / 'out' / 'report.html'}" in out
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert json.loads((tmp_path / "out" / "result.json").read_text())["seed"] == 7
    left = {key.removeprefix("runs/whole/") for key in cloud.keys("runs/whole/")}
    brought = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    stays = ("groups/", "tables/", "scenarios.npz")
    assert {name for name in left if not name.startswith(stays)} == brought - {folder.LIST}
    assert pq.read_table(tmp_path / "out" / "losses.parquet").num_rows == 200
    assert pq.read_table(tmp_path / "out" / "losses.parquet")["weight"].to_numpy().sum() == pytest.approx(1, abs=0.01)


def test_the_commercial_book(montecarlo: Montecarlo, tmp_path: Path) -> None:
    book = ("run", "--book", "commercial", "--loans", 600, "--scenarios", 200, "--contributions")
    status, out, err = montecarlo(*book, "--name", "book", "--out", tmp_path / "out")
    assert status == 0, err
    assert "losses.parquet, segments.parquet, contributions/\n" in out
    assert "600 read = 600 simulated" in out
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert {"Rating", "Branch", "Sector"} <= result["cases"]["base"]["dimensions"].keys()
    assert result["portfolio"]["borrowers"]["number"] < 400
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in ("Rating", "Branch", "Largest borrowers"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--levels", "99.95", "120"], "levels is 120.0, but must be a number from 50 to 99.999"),
        (["--levels", "99.95", "--levels", "120"], "levels is 120.0, but must be"),
        (
            ["--fed-rate", "6", "7", "--levels", "99.95", "99.97", "--target-measure", "var_99.9700"],
            "var_99.95, var_99.97",
        ),
        (["--contribution-level", "10"], "--contribution-level is 10.0, but must be"),
        (["--levels", "high"], "'high' is no number"),
    ],
)
def test_levels_come_to_the_request(given: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *given]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "name", "message"),
    [
        ("--portfolio", "none.csv", r"there is no portfolio at .*none\.csv"),
        ("--portfolio", "notes.txt", r"notes\.txt: the name must end in \.csv"),
        ("--mapping", "broken.json", r"the mapping file .*broken\.json cannot be read as JSON"),
        ("--out", "mine", "holds files that are no earlier run's results"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_before_anything_starts(
    option: str, name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").write_text("years of work")
    assert main(["run", option, str(tmp_path / name)]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert (tmp_path / "mine" / "thesis.doc").exists()
