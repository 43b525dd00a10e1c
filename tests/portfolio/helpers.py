"""Rows, files and checks that the tests of this room share."""

import io
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from montecarlo.portfolio.files import Format, open_rows
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rejects import Reject
from montecarlo.portfolio.rows import RawRows, read_rows

SEGMENTS = ("personal", "auto", "mortgage", "credit_card", "small_business", "commercial")
AS_OF = date(2026, 1, 1)
GOOD = {
    "AccountID": "A1",
    "ZipCode": "94110",
    "Rate": "7.5",
    "Payment": "311.06",
    "LoanAmount": "10000",
    "LoanTerm": "36",
    "OriginationDate": "2025-03-15",
    "GrossIncome": "60000",
    "Balance": "7700.12",
    "RateType": "fixed",
    "Segment": "auto",
    "PD": "",
    "LGD": "",
    "EAD": "",
    "ObligorID": "",
    "AssetCorrelation": "",
    "Sector": "",
    "Amortisation": "",
    "PaymentFrequency": "",
    "InterestOnlyUntil": "",
    "Balloon": "",
    "Limit": "",
    "CollateralValue": "",
    "Stage": "",
    "DaysPastDue": "",
    "OriginationPD": "",
    "EffectiveRate": "",
    "Grade": "",
}


def csv_of(*rows: dict[str, str], columns: tuple[str, ...] = tuple(GOOD)) -> bytes:
    lines = [columns, *([row[column] for column in columns] for row in rows)]
    return "".join(",".join(line) + "\n" for line in lines).encode()


def read(data: bytes, format: Format = "csv", mapping: ColumnMapping | None = None, **options: Any) -> RawRows:
    return read_rows(io.BytesIO(data), "loans", format, mapping or ColumnMapping(), **options)


def check(data: bytes, format: Format = "csv", mapping: ColumnMapping | None = None) -> tuple[Loans, list[Reject]]:
    raw = read(data, format, mapping)
    loans, rejects = validate(raw, mapping or ColumnMapping(), SEGMENTS, AS_OF)
    assert len(loans) + len(rejects) == open_rows(io.BytesIO(data), "loans", format).count()
    return loans, rejects


def check_one(**cells: str) -> tuple[Loans, list[Reject]]:
    return check(csv_of(GOOD | cells))


def parquet_of(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def typed(**columns: Any) -> pa.Table:
    """One good loan in Parquet's own types, with some columns replaced."""
    good: dict[str, Any] = {
        "AccountID": ["A1"],
        "ZipCode": ["94110"],
        "Rate": [7.5],
        "Payment": [311.06],
        "LoanAmount": [10000.0],
        "LoanTerm": pa.array([36], pa.int16()),
        "OriginationDate": [date(2025, 3, 15)],
        "GrossIncome": [60000.0],
    }
    return pa.table(good | columns)
