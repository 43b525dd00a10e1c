"""The filter of a request: which rows it keeps, what it rejects, and what it refuses to understand."""

from typing import Any

import pyarrow as pa
import pytest

from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.portfolio import filters
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rows import RawRows
from tests.portfolio.helpers import GOOD, csv_of, parquet_of, read

ROWS = [
    {"Rate": "7.5", "ZipCode": "02134", "Segment": "Auto", "OriginationDate": "2025-03-15", "branch": "north"},
    {"Rate": "9", "ZipCode": "2134", "Segment": "", "OriginationDate": "12/31/2020", "branch": ""},
    {"Rate": "12", "ZipCode": "", "Segment": "mortgage", "OriginationDate": "2020-01-01", "branch": "17"},
    {"Rate": "", "ZipCode": "94110", "Segment": "personal", "OriginationDate": "", "branch": "4"},
    {"Rate": "x", "ZipCode": "x", "Segment": "x", "OriginationDate": "x", "branch": "north"},
]


def kept(given: Any, mapping: dict[str, Any] | None = None, rows: list[dict[str, str]] = ROWS) -> RawRows:
    columns = ColumnMapping.parse(mapping, filters=[filters.parse(given)])
    raw = read(csv_of(*(GOOD | row for row in rows), columns=(*GOOD, "branch")), mapping=columns)
    assert len(raw.row) + len(raw.rejects) + raw.filtered == len(rows)
    return raw


@pytest.mark.parametrize(
    ("given", "rows", "rejected"),
    [
        ([["Rate", ">", 9]], [3], [5]),
        ([["Rate", ">=", 9]], [2, 3], [5]),
        ([["Rate", "<", 9]], [1], [5]),
        ([["Rate", "<=", 9]], [1, 2], [5]),
        ([["Rate", "==", 9]], [2], [5]),
        ([["Rate", "=", 9.0]], [2], [5]),
        ([["Rate", "!=", 9]], [1, 3, 4], [5]),
        ([["Rate", "in", [7.5, 12]]], [1, 3], [5]),
        ([["Rate", "not in", [7.5, 12]]], [2, 4], [5]),
        ([["Rate", "==", None]], [4], []),
        ([["Rate", "!=", None]], [1, 2, 3, 5], []),
        ([["ZipCode", "in", ["02134", "94110"]]], [1, 4], []),
        ([["ZipCode", "not in", ["02134", "94110"]]], [2, 3, 5], []),
        ([["ZipCode", "==", "2134"]], [2], []),
        ([["Segment", "==", "AUTO"]], [1], []),
        ([["Segment", "==", "personal"]], [2, 4], []),
        ([["OriginationDate", ">=", "2020-12-31"]], [1, 2], [5]),
        ([["OriginationDate", "==", "2020-12-31"]], [2], [5]),
        ([["OriginationDate", "in", ["2020-12-31", "01/01/2020"]]], [2, 3], [5]),
        ([["OriginationDate", "!=", "2020-12-31"]], [1, 3, 4], [5]),
        ([["branch", "==", "north"]], [1, 5], []),
        ([["branch", "==", "4"]], [4], []),
        ([["branch", ">", 3]], [3, 4], [1, 5]),
        ([["Rate", ">", 7], ["branch", "!=", None]], [1, 3], [5]),
        ([[["Rate", ">", 9]], [["branch", "==", "4"]]], [3, 4], [5]),
        ([[["Rate", ">", 7], ["branch", "==", "north"]], [["Segment", "==", "personal"]]], [1, 2, 4], [5]),
    ],
)
def test_conditions(given: Any, rows: list[int], rejected: list[int]) -> None:
    raw = kept(given)
    assert raw.row.tolist() == rows
    assert [reject.row for reject in raw.rejects] == rejected


def test_a_column_is_read_as_the_mapping_says() -> None:
    mapping = {
        "columns": {
            "Rate": {"from": "branch", "scale": 100, "unit": "pct"},
            "OriginationDate": {"from": "ZipCode", "format": "%d.%m.%Y"},
            "Segment": {"constant": "auto"},
        },
        "dimensions": {"Kind": {"from": "Segment", "values": {"a": "first"}, "default": "other"}},
        "missing": ["n/a"],
    }
    rows = [
        {"branch": "0.07 pct", "ZipCode": "31.12.2020", "Segment": "a"},
        {"branch": "0.12", "ZipCode": "01.01.2021", "Segment": "b"},
        {"branch": "n/a", "ZipCode": "01.01.2021", "Segment": "n/a"},
    ]
    for given, found in [
        ([["Rate", ">", 9]], [2]),
        ([["Rate", "==", None]], [3]),
        ([["OriginationDate", ">", "2020-12-31"]], [2, 3]),
        ([["Segment", "==", "auto"]], [1, 2, 3]),
        ([["Kind", "==", "first"]], [1]),
        ([["Kind", "in", ["first", "other"]]], [1, 2]),
    ]:
        assert kept(given, mapping, rows).row.tolist() == found, given


def test_the_mappings_filter_comes_first_and_both_hold() -> None:
    raw = kept([["Rate", ">=", 9]], {"filter": {"branch": {"not_in": ["17"]}}})
    assert raw.row.tolist() == [2]
    assert [reject.row for reject in raw.rejects] == [5]


def test_parquets_own_types_are_compared() -> None:
    days = pa.array([18_000, 20_000, None], pa.int32()).cast(pa.date32())
    table = pa.table({"AccountID": ["a", "b", "c"], "PD": [0.1] * 3, "EAD": [1.0] * 3, "n": [1, 2, None], "d": days})
    for given, found in [
        ([["n", "==", 2]], [2]),
        ([["n", "==", "2"]], [2]),
        ([["n", "!=", 2]], [1, 3]),
        ([["d", ">", "2020-01-01"]], [2]),
        ([["d", "==", "2019-04-14"]], [1]),
        ([["Rate", ">", 1]], []),
        ([["Rate", "==", None]], [1, 2, 3]),
    ]:
        columns = ColumnMapping.parse(None, filters=[filters.parse(given)])
        assert read(parquet_of(table), "parquet", columns).row.tolist() == found, given


def test_a_column_that_no_file_has_is_named() -> None:
    with pytest.raises(InvalidPortfolio, match="has no column 'zip', which the filter names"):
        kept([["zip", "==", "02134"]])
    with pytest.raises(InvalidPortfolio, match="'zip', which the mapping names for ZipCode"):
        kept([["ZipCode", "==", "02134"]], {"columns": {"ZipCode": "zip"}})
    with pytest.raises(InvalidPortfolio, match="'grade', which the filter needs for Rating"):
        kept([["Rating", "==", "A"]], {"dimensions": {"Rating": "grade"}})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "must be a list of conditions"),
        ({}, "must be a list of conditions"),
        ([], "must be a list of conditions"),
        ([[]], "must be a list of conditions"),
        ("Rate > 9", "must be a list of conditions"),
        (["Rate", ">", 9], "must be a list of conditions"),
        ([["Rate", ">"]], "is no condition"),
        ([[["Rate", ">", 9], "x"]], "is no condition"),
        ([[["Rate", ">", 9]], ["Rate", ">", 9]], "is no condition"),
        ([["", ">", 9]], "must be named"),
        ([[7, ">", 9]], "the column must be a text"),
        ([["\ud800", "==", "x"]], "half a character"),
        ([["branch", "==", "\ud800"]], "half a character"),
        ([["Rate", "like", 9]], "there is no operator 'like'"),
        ([["Rate", ["in"], 9]], r"there is no operator \['in'\]"),
        ([["Rate", ">", None]], "null is compared by"),
        ([["Rate", "in", [9, None]]], "compare by == with null"),
        ([["Rate", "in", 9]], "needs a list"),
        ([["Rate", "in", []]], "needs a list"),
        ([["Rate", "==", [9]]], "must be texts, or finite numbers"),
        ([["Rate", "==", True]], "must be texts, or finite numbers"),
        ([["Rate", "==", float("nan")]], "must be texts, or finite numbers"),
        ([["Rate", "==", 10**400]], "must be texts, or finite numbers"),
        ([["branch", "in", ["a", 1]]], "all of one kind"),
        ([["Rate", ">", "9"]], "Rate is a number: write what it is compared with without quotes"),
        ([["ZipCode", "==", 94110]], "ZipCode is a text: write what it is compared with in quotes"),
        ([["OriginationDate", ">", 2020]], "OriginationDate is a date"),
        ([["OriginationDate", ">", "last year"]], "is no date such as"),
        ([["branch", ">", "b"]], "texts have no other order"),
        ([["Rate", ">", 9]] * 101, "more than 100 conditions"),
    ],
)
def test_what_is_no_filter_is_said(given: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as raised:
        filters.parse(given)
    assert str(raised.value).startswith("filter")


def test_a_computed_payment_cannot_be_filtered_by() -> None:
    with pytest.raises(InvalidInput, match="Payment is computed in the mapping"):
        kept([["Payment", ">", 100]], {"columns": {"Payment": {"computed": "annuity"}}})
