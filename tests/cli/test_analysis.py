"""Results as workbooks, as CSV and under SQL: the same figures as in the files they come from."""

import csv
import json
import shutil
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli import exporting
from cli.main import main
from tests.memory_run import MemoryHost, generate, simulate
from tests.report.sample import full_result

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run, as they are downloaded."""
    host = MemoryHost()
    manifest = generate(host, name="small", loans=500)
    simulate(host, run="june", portfolio=manifest, scenarios=200, chunk_loans=200)
    folder = tmp_path_factory.mktemp("results") / "out"
    for key, data in host.s3.objects.items():
        name = key.removeprefix("runs/june/")
        if name != key and not name.startswith(("groups/", "scenarios")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def whole(out: Path, tmp_path: Path) -> Path:
    """The results of a run that was asked for contributions and has a capital, made up from those of another."""
    folder = tmp_path / "whole"
    shutil.copytree(out, folder)
    result = json.loads((folder / "result.json").read_text()) | {
        name: full_result()[name] for name in ("contributions", "reverse_stress")
    }
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "contributions").mkdir()
    pq.write_table(pa.table({"AccountID": ["=L1", "L2"], "ES_base": [1.5, 2.0]}), folder / "contributions/0.parquet")
    return folder


def test_contributions_and_the_reverse_stress_are_tables_of_their_own(whole: Path, tmp_path: Path) -> None:
    assert main(["export", str(whole), str(tmp_path / "csv")]) == 0
    named = rows(tmp_path / "csv" / "contributions.csv")
    assert {row["kind"] for row in named} == {"loan", "borrower", "others", "other borrowers"}
    (first,) = (row for row in named if (row["case"], row.get("account")) == ("base", "account-0"))
    assert float(first["es"]) == full_result()["contributions"]["cases"]["base"]["loans"][0]["es"]
    economies = {(row["case"], row["segment"]): row for row in rows(tmp_path / "csv" / "reverse_stress.csv")}
    assert float(economies["stressed", "auto"]["segment_loss"]) == 15e6
    assert float(economies["base", "auto"]["shift"]) == 2.75
    assert float(economies["base", "auto"]["sectors.auto"]) == pytest.approx(-1.65)
    assert [row["AccountID"] for row in rows(tmp_path / "csv" / "loan_contributions.csv")] == ["'=L1", "L2"]
    assert not any("contributions" in row["name"] for row in rows(tmp_path / "csv" / "run.csv"))
    assert main(["export", str(whole), str(tmp_path / "june.xlsx")]) == 0
    with zipfile.ZipFile(tmp_path / "june.xlsx") as book:
        assert {"contributions", "reverse_stress", "loan_contributions"} <= {
            sheet.attrib["name"] for sheet in ElementTree.fromstring(book.read("xl/workbook.xml")).iter(f"{SHEET}sheet")
        }


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_files_hold_what_the_results_do(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(out), str(tmp_path / "csv")]) == 0
    assert "7 files in" in capsys.readouterr().out
    result = json.loads((out / "result.json").read_text())
    measures = {(row["case"], row["measure"]): row for row in rows(tmp_path / "csv" / "measures.csv")}
    for name, case in result["cases"].items():
        var = measures[name, "var.95"]
        assert float(var["value"]) == case["var"]["95"]
        assert float(var["standard_error"]) == case["standard_error"]["var"]["95"]
        assert [float(var["interval_low"]), float(var["interval_high"])] == case["interval_95"]["var"]["95"]
        assert float(measures[name, "ecl.twelve_month"]["value"]) == case["ecl"]["twelve_month"]
    for row in rows(tmp_path / "csv" / "segments.csv"):
        assert float(row["loans"]) == result["portfolio"]["segments"][row["segment"]]["loans"]
        assert float(row["el"]) == result["cases"][row["case"]]["segments"][row["segment"]]["el"]
    assert len(rows(tmp_path / "csv" / "losses.csv")) == 200
    loans = rows(tmp_path / "csv" / "loans.csv")
    assert len(loans) == len({row["AccountID"] for row in loans}) == 500
    parameters = {row["name"]: row["value"] for row in rows(tmp_path / "csv" / "parameters.csv")}
    assert float(parameters["base_fed_rate"]) == result["parameters"]["base_fed_rate"]


def test_a_workbook_has_a_sheet_for_each_table_and_numbers_as_numbers(out: Path, tmp_path: Path) -> None:
    assert main(["export", str(out), str(tmp_path / "june.xlsx")]) == 0
    with zipfile.ZipFile(tmp_path / "june.xlsx") as book:
        names = [
            sheet.get("name") for sheet in ElementTree.fromstring(book.read("xl/workbook.xml")).iter(f"{SHEET}sheet")
        ]
        losses = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{names.index('losses') + 1}.xml"))
        everything = b"".join(book.read(name) for name in book.namelist() if "worksheets" in name)
    assert names == ["run", "measures", "segments", "regions", "parameters", "losses", "loans"]
    found = [[cell.findtext(f"{SHEET}v") for cell in row] for row in losses.iter(f"{SHEET}row")]
    assert len(found) == 201
    expected = pq.read_table(out / "losses.parquet").to_pylist()
    assert [float(text or "nan") for text in found[7]] == pytest.approx(
        [float(value) for value in expected[6].values()]
    )
    assert b"<f>" not in everything


def test_what_is_too_long_for_a_sheet_is_left_to_csv_and_said(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exporting, "SHEET_LOANS", 100)
    assert main(["export", str(out), str(tmp_path / "june.xlsx")]) == 0
    assert "loans (500 rows)" in capsys.readouterr().err


def test_texts_are_no_formulas(tmp_path: Path) -> None:
    given = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "-5", "+1e3", "A=1", "", None]
    table = exporting.harmless(pa.table({"AccountID": pa.array(given, pa.string()), "n": list(range(10))}))
    assert table["AccountID"].to_pylist() == [
        "'=1+1", "'+cmd|' /C calc'!A0", "'-2+3", "'@SUM(A1)", "'\t=1", "-5", "+1e3", "A=1", "", None,
    ]  # fmt: skip


def test_results_are_asked_with_sql(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT run, count(*) AS n FROM loans GROUP BY run", str(out), "--csv"]) == 0
    assert capsys.readouterr().out == "run,n\njune,500\n"
    assert main(["query", "SELECT sum(weight) AS w, count(*) AS n FROM losses", str(out), str(out)]) == 0
    assert capsys.readouterr().out.split()[-1] == "400"
    assert main(["query", "SELECT Segment FROM loans LIMIT 1", str(out)]) == 0


@pytest.mark.parametrize("name", ["res*", "res?x", "[a]", "[!b]", "{a,resax}", "**", "run=x", "it's"])
def test_a_folders_name_is_no_pattern(out: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for other in ("res1", "resax"):
        shutil.copytree(out, tmp_path / other)
    shutil.copytree(out, tmp_path / name)
    result = json.loads((out / "result.json").read_text())
    (tmp_path / name / "result.json").write_text(json.dumps({**result, "run": "named"}))
    sql = "SELECT run, count(*) AS n FROM loans GROUP BY run ORDER BY run"
    assert main(["query", sql, str(tmp_path / name), str(tmp_path / "res1"), "--csv"]) == 0
    assert capsys.readouterr().out == "run,n\njune,500\nnamed,500\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "", "OUT"], "the query is empty"),
        (["query", " ; -- nothing", "OUT"], "the query is empty"),
        (["query", "SELECT * FROM nothing", "OUT"], "the query cannot be answered: Catalog Error"),
        (["query", "DROP", "OUT"], "the query cannot be answered: Parser Error"),
        (["query", "SELECT 1", "PLAIN"], "holds no results: it has no result.json"),
        (["export", "OUT", "PLAIN"], "is there already"),
        (["export", "OUT", "x.ods"], "workbooks are written as .xlsx"),
        (["export", "OUT", "big.CSV"], "for CSV files, name a folder without an ending"),
        (["export", "DAMAGED", "y.xlsx"], "result.json is not JSON"),
        (["export", "a/b", "y.xlsx"], "there is no folder a/b, and no run can be called so"),
    ],
)
def test_what_cannot_be_done_is_told(
    out: Path, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"OUT": out, "PLAIN": tmp_path / "plain", "DAMAGED": tmp_path / "damaged"}
    places["PLAIN"].mkdir()
    places["DAMAGED"].mkdir()
    (places["DAMAGED"] / "result.json").write_text("{")
    assert main([str(places.get(text, text)) for text in arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("target", ["y.xlsx", "y"])
@pytest.mark.parametrize("name", ["losses.parquet", "loans/00000-000000.parquet"])
def test_a_damaged_file_is_named_and_nothing_is_left_half_written(
    out: Path, name: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(out, folder)
    (folder / name).write_bytes(b"PAR1 and no more of it")
    assert main(["export", str(folder), str(tmp_path / target)]) == 2
    assert f"{folder / name} cannot be read" in capsys.readouterr().err
    assert not (tmp_path / target).exists()


def test_a_result_that_an_editor_has_saved_in_utf_16_is_read(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "saved")
    (tmp_path / "saved" / "result.json").write_text((out / "result.json").read_text(), encoding="utf-16")
    assert main(["export", str(tmp_path / "saved"), str(tmp_path / "y")]) == 0
