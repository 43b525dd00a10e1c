"""Files of any two types beside each other: a cell's meaning never depends on the files in its chunk."""

import io
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.cells import as_text
from montecarlo.portfolio.mapping import ColumnMapping
from tests.hostile.whole import outcome

GOOD: dict[str, list[Any]] = {
    "AccountID": ["A", "B", "C"],
    "ZipCode": ["02134", "NY", "94110"],
    "Rate": ["7.5", "0.1", "3.3"],
    "Payment": ["311.06", "0.1", "16777217"],
    "LoanAmount": ["10000", "16777217", "0.1"],
    "LoanTerm": ["36", "12", "60"],
    "OriginationDate": ["2025-03-15", "2024-02-29", "2023-12-31"],
    "GrossIncome": ["60000", "0.3", "1e9"],
}
Encode = Callable[[dict[str, Any]], bytes]


def csv_of(columns: dict[str, Any]) -> bytes:
    lines = [list(columns), *map(list, zip(*columns.values(), strict=True))]
    return "".join(",".join(map(str, line)) + "\n" for line in lines).encode()


def parquet_of(columns: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, row_group_size=2)
    return file.getvalue()


def numbers(kind: pa.DataType) -> list[Any]:
    """Numbers whose value as a double shows through which type they came."""
    if pa.types.is_integer(kind):
        most = 2 ** (kind.bit_width - (not pa.types.is_unsigned_integer(kind))) - 1
        return [1, min(most, 99), min(most, 16_777_217)]
    if pa.types.is_decimal(kind):
        return [Decimal("0.10"), Decimal("311.06"), Decimal("16777217.01")]
    return [0.1, 311.06, 16_777_217.0]


NUMBER_TYPES = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float32(), pa.float64(), pa.decimal128(12, 2), pa.decimal128(38, 10), pa.decimal256(50, 2)),
]
DAYS = [date(2025, 3, 15), date(2024, 2, 29), date(1969, 12, 31)]
TIMES = [datetime(day.year, day.month, day.day, 23, 30) for day in DAYS]


def number_files(column: str) -> dict[str, bytes]:
    """A file for each type that a number may have."""
    as_text = {column: [" 0.1", "311.06", "16777217"]}
    texts = [pa.string(), pa.large_string(), pa.binary(), pa.string_view()]
    return {
        "text.csv": csv_of(GOOD | as_text),
        "exponents.csv": csv_of(GOOD | {column: ["1e-1", "31106e-2", "1.6777217e7"]}),
        "dictionary.parquet": parquet_of(GOOD | {column: pa.array(["0.1", "0.1", "7"]).dictionary_encode()}),
        "null.parquet": parquet_of(GOOD | {column: pa.nulls(3)}),
        **{f"{kind}.parquet": parquet_of(GOOD | {column: pa.array(as_text[column], kind)}) for kind in texts},
        **{f"{kind}.parquet": parquet_of(GOOD | {column: pa.array(numbers(kind), kind)}) for kind in NUMBER_TYPES},
    }


def date_files(format: str | None) -> dict[str, bytes]:
    """A file for each type that a date may have, texts in a format."""

    def file(kind: pa.DataType) -> bytes:
        times = [time.replace(tzinfo=UTC) for time in TIMES] if getattr(kind, "tz", None) else TIMES
        return parquet_of(GOOD | {"OriginationDate": pa.array(DAYS if pa.types.is_date(kind) else times, kind)})

    texts = [day.strftime(format) if format else day.isoformat() for day in DAYS]
    kinds = [pa.date32(), pa.date64(), *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns"))]
    kinds += [pa.timestamp("us", "UTC"), pa.timestamp("ms", "America/New_York")]
    return {
        "text.csv": csv_of(GOOD | {"OriginationDate": texts}),
        "text.parquet": parquet_of(GOOD | {"OriginationDate": texts}),
        **{f"{kind}.parquet".replace("/", "-"): file(kind) for kind in kinds},
    }


def account_files() -> dict[str, bytes]:
    """A file for each type that an AccountID may have, no ID in two of them."""
    whole = [pa.int32(), pa.int64(), pa.uint64(), pa.decimal128(20, 0), pa.decimal128(22, 2)]
    texts = [pa.string(), pa.large_string(), pa.binary()]
    far = [0, 2**53, 2**53 + 1 + 2**54, 2**55 + 1, 2**56 + 1]  # in no double, but for the first two
    return {
        "text.csv": csv_of(GOOD | {"AccountID": ["007", "0070", "1e5"]}),
        **{
            f"{kind}.parquet": parquet_of(GOOD | {"AccountID": pa.array([start + 7, start + 8, start + 9]).cast(kind)})
            for kind, start in zip(whole, far, strict=True)
        },
        **{
            f"{kind}.parquet": parquet_of(GOOD | {"AccountID": pa.array([f"{kind} {i}" for i in range(3)]).cast(kind)})
            for kind in texts
        },
    }


def check_every_pair(files: dict[str, bytes], mapping: ColumnMapping | None = None) -> None:
    """Two files together, in one chunk and in chunks of one loan, give what each gives alone."""
    first_of = {name: with_ids(data, "") for name, data in files.items()}
    second_of = {name: with_ids(data, "2") for name, data in files.items()}
    first_alone = {name: outcome({f"1 {name}": data}, mapping) for name, data in first_of.items()}
    second_alone = {name: outcome({f"2 {name}": data}, mapping) for name, data in second_of.items()}
    for first, second in combinations_with_replacement(files, 2):
        parts = first_alone[first], second_alone[second]
        expected = parts[0].loans() | parts[1].loans()
        for chunk_loans in (1, 50_000):
            together = {f"1 {first}": first_of[first], f"2 {second}": second_of[second]}
            found = outcome(together, mapping, chunk_loans)
            assert found.loans() == expected, (first, second, chunk_loans)
            assert set(found.rejects) == {*parts[0].rejects, *parts[1].rejects}, (first, second, chunk_loans)


def with_ids(data: bytes, suffix: str) -> bytes:
    """The file with AccountIDs that no other has."""
    if not data.startswith(b"PAR1"):
        return re.sub(rb"\n([ABC]),", rb"\n\g<1>" + suffix.encode() + b",", data)
    table = pq.read_table(io.BytesIO(data))
    ids = pa.array([f"{name}{suffix}" for name in GOOD["AccountID"]])
    return parquet_of({name: ids if name == "AccountID" else table[name] for name in table.column_names})


def test_numbers_of_any_two_types() -> None:
    check_every_pair(number_files("Payment"))


def test_dates_of_any_two_types() -> None:
    check_every_pair(date_files(None))


def test_dates_in_a_format_beside_dates_that_need_none() -> None:
    mapping = {"columns": {"OriginationDate": {"from": "OriginationDate", "format": "%d.%m.%Y"}}}
    check_every_pair(date_files("%d.%m.%Y"), ColumnMapping.parse(mapping))


def test_account_ids_of_any_two_types() -> None:
    files = account_files()
    alone = {name: list(outcome({name: data}).loans()) for name, data in files.items()}
    assert alone["int64.parquet"] == ["9007199254740999", "9007199254741000", "9007199254741001"]
    assert len({account for ids in alone.values() for account in ids}) == 3 * len(files)
    for first, second in combinations(files, 2):
        for chunk_loans in (1, 50_000):
            found = outcome({first: files[first], second: files[second]}, None, chunk_loans).loans()
            assert set(found) == {*alone[first], *alone[second]}, (first, second, chunk_loans)


def test_a_decimal_names_the_loan_that_the_whole_number_does() -> None:
    ids = pa.array([3, 0, 1200, 2**60])
    expected = ["3", "0", "1200", str(2**60)]
    for kind in (pa.int64(), pa.decimal128(38, 0), pa.decimal128(38, 2), pa.decimal128(38, 10), pa.decimal256(70, 30)):
        assert as_text(ids.cast(kind)).to_pylist() == expected, kind
    fractions = [Decimal("3.5"), Decimal("-0.25"), Decimal("0.000000015"), Decimal("10"), None]
    for scale in (9, 10, 30):
        texts = as_text(pa.array(fractions, pa.decimal256(60, scale))).to_pylist()
        assert texts == ["3.5", "-0.25", "1.5E-8", "10", None], scale


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("beside", ["text.csv", "int64.parquet", None])
def test_floating_point_account_ids_are_refused_beside_any_file(kind: pa.DataType, beside: str | None) -> None:
    ids = pa.array(np.array([1, 2, 3], np.float64)).cast(kind)
    files = {"x.parquet": parquet_of(GOOD | {"AccountID": ids})}
    if beside:
        files[beside] = account_files()[beside]
    for chunk_loans in (1, 50_000):
        with pytest.raises(InvalidPortfolio, match=r"x\.parquet has floating-point numbers as AccountID"):
            outcome(files, None, chunk_loans)


def test_each_type_is_the_double_nearest_to_its_number() -> None:
    files = number_files("Payment")
    for name, data in files.items():
        payments = [value for loans in outcome({name: data}).chunks for value in loans.payment]
        if name == "null.parquet":
            assert not payments
        elif name == "float.parquet":
            assert payments == [float(np.float32(0.1)), float(np.float32(311.06)), 16_777_216.0]
        elif name in ("text.csv", "exponents.csv", "double.parquet", "string.parquet", "binary.parquet"):
            assert payments == [0.1, 311.06, 16_777_217.0], name


TYPED = st.sampled_from(NUMBER_TYPES)


@given(
    kinds=st.lists(st.fixed_dictionaries({name: st.none() | TYPED for name in ("Rate", "Payment", "GrossIncome")}),
                   min_size=2, max_size=5),
    chunk_loans=st.integers(1, 9),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_portfolios_of_files_of_all_types(kinds: list[dict[str, pa.DataType | None]], chunk_loans: int) -> None:
    files = {}
    for number, chosen in enumerate(kinds):
        columns = GOOD | {"AccountID": [f"{number}-{i}" for i in range(3)]}
        typed = {
            name: pa.array([str(min(value, 99)) for value in numbers(kind)]).cast(kind)
            if not pa.types.is_decimal(kind)
            else pa.array([min(value, Decimal("99.00")) for value in numbers(kind)], kind)
            for name, kind in chosen.items()
            if kind is not None
        }
        if typed:
            files[f"{number}.parquet"] = parquet_of(columns | typed)
        else:
            files[f"{number}.csv"] = csv_of(columns)
    expected: dict[str, tuple[Any, ...]] = {}
    for name, data in files.items():
        expected |= outcome({name: data}).loans()
    assert len(expected) == 3 * len(files)
    assert outcome(files).loans() == outcome(files, chunk_loans=chunk_loans).loans() == expected
