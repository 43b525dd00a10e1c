"""A history is read as a portfolio is; what is wrong with it is named, and nothing of a row is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration import series
from calibration.history import Columns
from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.model.parameters import load
from tests.calibration.histories import COLUMNS, history, loans, outcomes, write

SEGMENTS = list(load().segments)


def rows(count: int = 50, **columns: Any) -> dict[str, Any]:
    return {**outcomes(loans(1, count), 1), **columns}


def test_ages_count_to_the_date_on_which_a_loan_was_looked_at(tmp_path: Path) -> None:
    columns = rows()
    found = history(write(tmp_path / "h.csv", columns))
    place = {account: row for row, account in enumerate(columns["AccountID"])}
    months = [columns[name].astype("datetime64[M]").astype(int) for name in ("Looked", "OriginationDate")]
    assert found.loans.age.tolist() == [
        (months[0] - months[1])[place[account]] for account in found.loans.account_id.to_pylist()
    ]
    assert found.day is not None
    assert (np.diff(found.day.astype(int)) >= 0).all()


def test_outcomes_and_dates_may_be_written_otherwise(tmp_path: Path) -> None:
    plain = history(write(tmp_path / "h.csv", rows()))
    words = np.where(rows()["Outcome"] == 1, "bad", "good")
    years = rows()["Looked"].astype("datetime64[Y]").astype(str)
    path = write(tmp_path / "w.csv", rows(Outcome=words, Looked=years))
    mapping = {"dimensions": {"Outcome": {"from": "Outcome", "values": {"bad": "1", "good": "0"}}}}
    found = history(path, Columns(date="Looked"), mapping)
    truly = dict(zip(rows()["AccountID"].tolist(), rows()["Outcome"].tolist(), strict=True))
    assert found.defaulted.tolist() == [truly[account] for account in found.loans.account_id.to_pylist()]
    assert len(found) == 50
    german = {**mapping, "columns": {"OriginationDate": {"from": "OriginationDate", "format": "%d.%m.%Y"}}}
    written: dict[str, Any] = {
        name: [f"{d[8:]}.{d[5:7]}.{d[:4]}" for d in rows()[name].astype("datetime64[D]").astype(str)]
        for name in ("Looked", "OriginationDate")
    }
    again = history(write(tmp_path / "g.csv", rows(Outcome=words, **written)), Columns(date="Looked"), german)
    assert again.day is not None
    assert plain.day is not None
    assert again.day.tolist() == plain.day.tolist()
    parted = history(write(tmp_path / "b.csv", rows(Outcome=rows()["Outcome"] == 1)))
    assert parted.defaulted.tolist() == plain.defaulted.tolist()


@pytest.mark.parametrize(
    ("columns", "read_as", "says"),
    [
        ({"Outcome": np.r_[np.zeros(49, int), 2]}, COLUMNS, r"h.csv row 50: Outcome is neither 0 nor 1, as in 1 of 50"),
        ({"Outcome": ["0"] * 49 + ["nan"]}, COLUMNS, "h.csv row 50: Outcome is neither 0 nor 1"),
        ({"Outcome": ["0"] * 49 + [None]}, COLUMNS, "h.csv row 50: Outcome is neither 0 nor 1"),
        ({"Outcome": np.full(50, 0.5)}, COLUMNS, "h.csv row 1: Outcome is neither 0 nor 1, as in 50 of 50"),
        ({}, Columns("Default"), "h.csv has no column 'Default'"),
        ({}, Columns(grade="Rating"), "h.csv has no column 'Rating'"),
        ({"Looked": ["2010-01-01"] * 49 + ["soon"]}, COLUMNS, "h.csv row 50: Looked is not a date"),
        ({"Looked": ["2010-01-01"] * 49 + [None]}, COLUMNS, "h.csv row 50: Looked is not a date"),
        ({"Rate": np.full(50, -1.0)}, COLUMNS, "none of the 50 rows can be used: Rate must not be negative"),
        ({"Rate": ["much"] * 50}, COLUMNS, "none of the 50 rows can be used: Rate is not a finite number"),
        ({"Grade": [f"G{row}" for row in range(201)]}, COLUMNS, "Grade has 201 values, more than 200 grades"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, columns: dict[str, Any], read_as: Columns, says: str) -> None:
    count = len(next(iter(columns.values()), range(50)))
    with pytest.raises(InvalidPortfolio, match=says) as told:
        history(write(tmp_path / "h.csv", rows(count, **columns)), read_as)
    assert "nan" not in str(told.value)
    assert "soon" not in str(told.value)


def test_a_file_without_rows_and_columns_that_are_the_same_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("AccountID,Outcome\n")
    with pytest.raises(InvalidPortfolio, match=r"no rows|no column"):
        history(path, Columns())
    with pytest.raises(InvalidPortfolio, match="no rows"):
        history(write(path, rows(0)))
    with pytest.raises(InvalidInput, match="must be different columns"):
        history(path, Columns(grade="Outcome"))


def test_a_series_is_read_by_segment_or_for_all(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("Period,Segment,Loans,Defaults\n2019,auto,1000,12\n2020,Auto,1100,15\n2019,personal,500,20\n")
    found = series.read(path, SEGMENTS)
    assert found["auto"].rates == [0.012, 15 / 1100]
    assert found["auto"].loans == [1000, 1100]
    assert found["personal"].rates == [0.04]
    path.write_text("\ufeffPeriod,DefaultRate\n2019,0.01\n2020,0.02\n")
    assert series.read(path, SEGMENTS) == {series.ALL: series.Series([0.01, 0.02], None)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must have the columns"),
        ("a,b\n1,2\n", "must have the columns"),
        ("Period,DefaultRate\n", "has no rows"),
        ("Period,DefaultRate\n2019,0.01\n2019,0.02\n", "row 2: Period is there twice"),
        ("Period,DefaultRate\n,0.01\n", "row 1: Period is missing"),
        ("Period,DefaultRate\n2019,1.5\n", "row 1: DefaultRate must lie between 0 and 1"),
        ("Period,DefaultRate\n2019,-0.1\n", "row 1: DefaultRate must lie between 0 and 1"),
        ("Period,DefaultRate\n2019,nan\n", "row 1: DefaultRate is not a finite number"),
        ("Period,DefaultRate\n2019,\n", "row 1: DefaultRate is not a finite number"),
        ("Period,DefaultRate\n2019\n", "row 1 has not as many cells"),
        ("Period,DefaultRate\n2019,0.1,2\n", "row 1 has not as many cells"),
        ("Period,Loans,Defaults\n2019,10,11\n", "row 1: Loans and Defaults must be whole numbers"),
        ("Period,Loans,Defaults\n2019,0,0\n", "row 1: Loans and Defaults must be whole numbers"),
        ("Period,Loans,Defaults\n2019,10,1.5\n", "row 1: Loans and Defaults must be whole numbers"),
        ("Period,Segment,DefaultRate\n2019,boats,0.1\n", "row 1: Segment is none of personal"),
        ('Period,DefaultRate\n"2019,0.1\n', "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_series_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(text)
    with pytest.raises(InvalidPortfolio, match=says):
        series.read(path, SEGMENTS)


def test_a_series_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_bytes(b"Period,DefaultRate\n\xff\xfe\n")
    for each in (path, tmp_path / "none.csv", tmp_path):
        with pytest.raises(InvalidPortfolio, match="cannot be read"):
            series.read(each, SEGMENTS)


def test_the_years_of_a_history_are_a_series(tmp_path: Path) -> None:
    columns = rows(4_000)
    found = series.of_history(history(write(tmp_path / "h.csv", columns)), SEGMENTS)
    year = columns["Looked"].astype("datetime64[Y]").astype(int) + 1970
    for segment in ("auto", "personal"):
        of = columns["Segment"] == segment
        told = [columns["Outcome"][of & (year == each)].mean() for each in np.unique(year[of])]
        assert found[segment].rates == pytest.approx(told)
        assert sum(found[segment].loans or []) == of.sum()
