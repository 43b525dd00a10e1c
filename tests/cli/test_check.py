"""`montecarlo check` says what a portfolio holds, and what of it looks like a wrong unit or a wrong date."""

import csv
import gzip
import io
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cli import input_profile, local_objects
from cli.main import main
from montecarlo.model.parameters import load
from montecarlo.portfolio import synthetic
from montecarlo.portfolio.loans import validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rows import read_rows

AS_OF = "2026-01-01"
LOANS = synthetic.generate(0, 3_000, 42, date(2026, 1, 1))
Row = dict[str, str]


def written(path: Path, change: Callable[[Row], Any] = lambda row: None) -> Path:
    """The generated loans as CSV, each row changed."""
    rows = list(csv.DictReader(io.StringIO(synthetic.to_csv(LOANS).decode())))
    for row in rows:
        change(row)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())
    return path


def scaled(column: str, factor: float) -> Callable[[Row], None]:
    def change(row: Row) -> None:
        row[column] = repr(float(row[column]) * factor)

    return change


def dated(row: Row) -> None:
    row["OriginationDate"] = "1950-01-01"


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(path: Path, *arguments: str) -> tuple[int, str, str]:
        status = main(["check", str(path), "--as-of", AS_OF, *arguments])
        return status, *capsys.readouterr()

    return run


def test_a_portfolio_as_it_should_be(check: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    status, out, err = check(written(tmp_path / "loans.csv"))
    assert (status, err) == (0, "")
    assert "3,000 rows in 1 file: 3,000 loans, 0 rejected; reporting date 2026-01-01" in out
    assert "Nothing looks wrong." in out
    for word in ("Rate", "median", "mortgage", "largest loans"):
        assert word in out


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        (scaled("Rate", 0.01), 'the median Rate is .* if rates are fractions, map Rate with "scale": 100'),
        (scaled("GrossIncome", 1 / 12), "of their GrossIncome: if incomes are monthly"),
        (scaled("GrossIncome", 1_000), "pay less than .* of their GrossIncome"),
        (scaled("Payment", 12), "the median Payment is .* times what LoanAmount, Rate and LoanTerm would give"),
        (dated, "of the loans are older than their LoanTerm at 2026-01-01"),
        (lambda row: row.update(ZipCode="?"), "have no known region: check ZipCode"),
        (lambda row: row.update(Segment="personal"), "all loans are in the segment personal"),
        (lambda row: row.update(PD="0.000001"), "the median PD is 1e-06"),
        (lambda row: row.update(PD="0.9"), 'if PDs are percent, map PD with "scale": 0.01'),
        (lambda row: row.update(LGD="0.005"), "the median LGD is 0.005"),
    ],
)
def test_a_wrong_unit_or_date_is_said(
    check: Callable[..., tuple[int, str, str]], tmp_path: Path, change: Callable[[Row], None], doubt: str
) -> None:
    status, out, err = check(written(tmp_path / "loans.csv", change))
    assert status == 0
    assert "Nothing looks wrong" not in out
    assert re.search(doubt, err)


def test_amounts_in_thousands_are_suspected(check: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    def change(row: Row) -> None:
        for column in ("LoanAmount", "Payment", "GrossIncome"):
            scaled(column, 0.001)(row)

    _, _, err = check(written(tmp_path / "loans.csv", change))
    assert "if amounts are in thousands or millions" in err


def test_bad_rows_are_shown_with_their_values_and_places(
    check: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    numbers = iter(range(3_000))

    def change(row: Row) -> None:
        if next(numbers) % 10 == 0:
            row["Rate"] = "12,5%\x1b"

    status, out, err = check(written(tmp_path / "loans.csv", change))
    assert status == 2, "a run would fail"
    assert "300 rows rejected: Rate is not a finite number" in out
    assert "12,5%" in out
    assert "loans.csv, row 1; loans.csv, row 11" in out
    assert "\x1b" not in out
    assert "--max-rejected-share" in err


def test_the_profile_does_not_depend_on_how_the_portfolio_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = written(tmp_path / "whole.csv")
    parts = tmp_path / "parts"
    parts.mkdir()
    lines = whole.read_text().splitlines(keepends=True)
    (parts / "a.csv").write_text("".join(lines[:1_000]))
    (parts / "b.csv.gz").write_bytes(gzip.compress("".join([lines[0], *lines[1_000:2_000]]).encode()))
    pq.write_table(LOANS.slice(1_999), parts / "c.parquet", row_group_size=300)
    monkeypatch.setattr(input_profile, "CHUNK", 130)
    found = []
    for files in ({"whole.csv": whole}, {path.name: path for path in sorted(parts.iterdir())}):
        store, objects = local_objects.opened(files)
        made = input_profile.of_portfolio(store, objects, ColumnMapping(), load(None), date(2026, 1, 1))
        found.append(made)
    one, other = found
    assert one.loans.loans == 3_000
    assert one.to_json() == other.to_json()


def test_rows_of_one_account_are_counted_as_a_run_counts_them(
    check: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever chunks they lie; two AccountIDs of one key are two."""
    path = tmp_path / "loans.csv"
    names = ["8yn0iYCKYHlIj4-BwPqk", "GReLUrM4wMqfg9yzV3KQ", *(f"L{n}" for n in range(95)), "L3", "L3", "L90"]
    path.write_text("AccountID,PD,EAD,Segment\n" + "".join(f"{name},0.01,1000,auto\n" for name in names))
    monkeypatch.setattr(input_profile, "CHUNK", 7)
    status, _, err = check(path)
    assert status == 2
    assert "5 rows have an AccountID that another row has, too (2 AccountIDs, L3, L90 among them)" in err
    assert "--max-duplicate-share allows (0.001): a run would fail" in err
    status, out, err = check(path, "--max-duplicate-share", "0.05")
    assert (status, "Nothing looks wrong" in out) == (0, False)
    assert "5 rows have an AccountID" in err


def test_in_a_large_portfolio_rows_of_one_account_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_profile, "NAMED_LOANS", 10)
    monkeypatch.setattr(input_profile, "EXACT_LOANS", 2_000)
    accounts = input_profile.Accounts()
    for start in range(0, 12_000, 1_000):  # each number twice
        names = [f"L{n // 2}" for n in range(start, start + 1_000)]
        rows = "".join(f"{name},0.01,1000\n" for name in names)
        file = io.BytesIO(f"AccountID,PD,EAD\n{rows}".encode())
        loans, _ = validate(
            read_rows(file, "loans.csv", "csv", ColumnMapping()), ColumnMapping(), ("personal",), date(2026, 1, 1)
        )
        accounts.add(loans)
    found, twice, _ = accounts.repeated
    assert accounts.one_in == 8
    assert found == 2 * twice
    assert found == pytest.approx(12_000, rel=0.2)


def test_one_row_that_is_rejected_is_one(tmp_path: Path, check: Callable[..., tuple[int, str, str]]) -> None:
    path = tmp_path / "loans.csv"
    path.write_text("AccountID,PD,EAD\nL1,0.1,100\nL2,7,100\n")
    status, out, err = check(path)
    assert status == 2
    assert "\n1 row rejected: PD must not be above 1\n" in out
    assert "1 row is rejected, a larger share than --max-rejected-share allows" in err


def test_without_a_loan_there_is_nothing_but_why(tmp_path: Path, check: Callable[..., tuple[int, str, str]]) -> None:
    def misread(row: Row) -> None:
        row["Rate"] += " percent"

    path = written(tmp_path / "loans.csv", misread)
    status, out, err = check(path)
    first, _, reason, *_ = out.splitlines()
    assert status == 2
    assert first == f"3,000 rows in 1 file: 0 loans, 3,000 rejected; reporting date {AS_OF}"
    assert reason == "3,000 rows rejected: Rate is not a finite number"
    assert err == f"montecarlo: {path} holds no loan that can be simulated.\n"


def test_a_run_looks_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "loans.csv", scaled("Rate", 0.01))
    assert main(["run", "--portfolio", str(path), "--dry-run", "--out", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert 'map Rate with "scale": 100' in err
    assert "3,000 loans in 1 file, uploaded first" in out
    assert "s and less than $0.01 on AWS" in out
    assert "Nothing was started." in out
    assert not (tmp_path / "out").exists()
