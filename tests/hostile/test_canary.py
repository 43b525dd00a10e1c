"""What a row holds leaves by the rejects file alone: no error, no log and no traceback shows it."""

import gzip
import io
import logging
import random
import traceback
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from montecarlo.errors import MonteCarloError
from montecarlo.portfolio.mapping import ColumnMapping
from tests.hostile.whole import outcome

# What a library prints past all exceptions may show a byte of a row: Arrow does where it cannot hand a ragged row over.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")

CANARY = "".join(map(chr, (75, 69, 77, 85, 82, 45, 55, 55, 52, 49)))
"""Written so that no line of a traceback shows it."""

COLUMNS = ("AccountID", "ZipCode", "Rate", "Payment", "LoanAmount", "LoanTerm", "OriginationDate", "GrossIncome",
           "Balance", "RateType", "Segment", "PD", "LGD", "EAD", "Note")  # fmt: skip
GOOD = ("A", "94110", "7.5", "311", "10000", "36", "2025-03-15", "60000", "", "fixed", "auto", "", "", "", "n")
LATIN_1 = CANARY.encode() + b"\xfc\xe4\xff"
LONG = CANARY.encode() + b"x" * (2 << 20)


def csv_file(*rows: list[bytes]) -> bytes:
    good = [cell.encode() for cell in GOOD]
    lines = [[name.encode() for name in COLUMNS], [b"first", *good[1:]], *rows, [b"last", *good[1:]]]
    return b"".join(b",".join(line) + b"\n" for line in lines)


def with_cell(column: int, cell: bytes) -> list[bytes]:
    return [cell if i == column else good.encode() for i, good in enumerate(GOOD)]


def bad_rows() -> dict[str, bytes]:
    """CSVs with the canary in every kind of bad row, in every column."""
    canary = CANARY.encode()
    cells = {
        "text": canary, "not UTF-8": LATIN_1, "open quote": b'"' + canary, "open quote, not UTF-8": b'"' + LATIN_1,
        "quoted": b'"' + canary + b'"', "torn": b'"' + canary + b"\n" + canary + b'"' + canary, "long": LONG,
        "long, not UTF-8": LATIN_1 + LONG, "zero": b"\x00" + canary, "digits": b"9" * 400,
        "comma": canary + b"," + canary,
        "codec": b"Support for codec '" + canary + b"' not built", "straddling": b"straddling object " + canary,
    }  # fmt: skip
    files = {
        f"{kind} in {COLUMNS[column]}": csv_file(with_cell(column, cell))
        for kind, cell in cells.items()
        for column in range(len(COLUMNS))
        if len(cell) < 1000 or column in (0, 5, 14)
    }
    for cell in (canary, LATIN_1):
        good = with_cell(0, cell)
        files |= {
            f"too many {cell!r}": csv_file([*good, cell]),
            f"too few {cell!r}": csv_file(good[:3]),
            f"many ragged {cell!r}": csv_file(*[[*good, cell], good[:2]] * 20),
            f"no header {cell!r}": csv_file(good).partition(b"\n")[2].replace(b"first", cell),
            f"in the header {cell!r}": csv_file(good).replace(b"Rate,", cell + b",", 1),
            f"twice in the header {cell!r}": csv_file(good).replace(b"Rate,", b"PD," + cell + b",", 1),
            f"one line {cell!r}": b",".join(good),
            f"quote in the header {cell!r}": b'"' + cell + csv_file(good),
            f"no columns {cell!r}": b"AccountID,PD,EAD\n" + cell + b"\n",
        }
    files["the same again"] = csv_file(with_cell(0, canary), with_cell(0, canary))
    return files


def parquet_file(seed: int = 0) -> bytes:
    rows = 30
    table = pa.table(
        {
            "AccountID": [f"{CANARY}{i}" for i in range(rows)],
            "PD": np.linspace(0, 1, rows),
            "EAD": pa.array([CANARY] * rows) if seed % 3 == 0 else pa.array([1.5] * rows, pa.float32()),
            "OriginationDate": [date(2020, 1, 1)] * rows,
            "Segment": pa.array([CANARY] * rows).dictionary_encode(),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=10)
    return file.getvalue()


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The data with some bits turned, some bytes lost, or its end missing."""
    broken = bytearray(data)
    kind = chance.choice(["turn", "cut", "zero", "lose"])
    place = chance.randrange(len(data))
    if kind == "turn":
        for _ in range(chance.randint(1, 8)):
            broken[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del broken[place:]
    elif kind == "zero":
        broken[place : place + 20] = bytes(len(broken[place : place + 20]))
    else:
        del broken[place : place + chance.randint(1, 9)]
    return bytes(broken)


def said(files: dict[str, bytes], mapping: ColumnMapping | None = None, chunk_loans: int = 50_000) -> str:
    """All that an error shows, the traceback included; nothing where there is none. No row is lost without one."""
    try:
        outcome(files, mapping, chunk_loans)
    except MonteCarloError as error:
        return "".join(traceback.format_exception(error))
    return ""


@pytest.fixture(autouse=True)
def nothing_else_says_it(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> object:
    caplog.set_level(logging.DEBUG)
    yield
    shown = capfd.readouterr()
    assert CANARY not in caplog.text + shown.out + shown.err


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_no_bad_row_of_a_csv_is_shown(name: str) -> None:
    refused = 0
    for kind, data in bad_rows().items():
        file = gzip.compress(data, 1) if name.endswith("gz") else data
        shown = said({name: file}, chunk_loans=1 if len(data) < 10_000 else 50_000)
        assert CANARY not in shown, kind
        assert "\ufffd" not in shown, kind
        refused += bool(shown)
    assert refused > 50


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_no_bad_row_is_shown_whatever_the_dialect_and_the_filter(encoding: str) -> None:
    document = {
        "dialect": {"encoding": encoding, "decimal": ".", "thousands": "'"},
        "missing": ["NA"],
        "filter": {"Rate": {"above": 0}, "Note": {"not_in": ["x"], "missing": False}, "PD": {"missing": True}},
        "columns": {
            "Rate": {"from": "Rate", "unit": "%"},
            "Segment": {"from": "Segment", "values": {"a": "auto"}, "default": "auto"},
            "OriginationDate": {"join": ["OriginationDate", "ZipCode"], "format": "%Y-%m-%d-94110"},
        },
    }
    mapping = ColumnMapping.parse(document)
    rejected = refused = 0
    for kind, data in bad_rows().items():
        shown = said({"a.csv": data}, mapping)
        assert CANARY not in shown, kind
        assert "\ufffd" not in shown, kind
        refused += bool(shown)
        if not shown:
            found = outcome({"a.csv": data}, mapping)
            rejected += len(found.rejects)
            assert all(CANARY not in reject.reason for reject in found.rejects)
    assert min(refused, rejected) > 20


def test_rejects_show_the_cell_and_no_more_than_80_characters_of_it() -> None:
    rejects = [
        reject
        for data in bad_rows().values()
        if not said({"a.csv": data})
        for reject in outcome({"a.csv": data}).rejects
    ]
    assert sum(CANARY in reject.value for reject in rejects) > 30
    for reject in rejects:
        assert len(reject.value) <= 80
        assert CANARY not in reject.reason


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_no_damaged_file_is_shown_nor_ends_in_an_error_that_is_not_ours(name: str) -> None:
    refused = 0
    rows = csv_file(*[with_cell(0, f"{CANARY}{i}".encode()) for i in range(30)])
    for seed in range(300):
        chance = random.Random(seed)
        data = {"a.csv": rows, "a.csv.gz": gzip.compress(rows, 1), "a.parquet": parquet_file(seed)}[name]
        shown = said({name: damaged(data, chance)})
        assert CANARY not in shown, seed
        refused += bool(shown)
    assert refused > (2 if name == "a.csv" else 100)


def test_no_cell_of_a_type_that_cannot_be_used_is_shown() -> None:
    for column, values in {
        "AccountID": pa.array([7741.5]),
        "PD": pa.array([{CANARY: 1.0}]),
        "EAD": pa.array([[CANARY]]),
        "Segment": pa.array([CANARY.encode()], pa.binary(len(CANARY))),
        "OriginationDate": pa.array([7741], pa.time32("s")),
    }.items():
        file = io.BytesIO()
        columns = {"AccountID": pa.array(["a"]), "PD": pa.array([0.1]), "EAD": pa.array([1.0])} | {column: values}
        pq.write_table(pa.table(columns), file)
        shown = said({"a.parquet": file.getvalue()})
        assert "a.parquet has" in shown, column
        assert CANARY not in shown, column


def test_a_mapped_column_that_is_not_there_shows_no_other() -> None:
    mapping = ColumnMapping.parse({"columns": {"Rate": "apr"}})
    data = csv_file().replace(b"Note", CANARY.encode())
    shown = said({"a.csv": data}, mapping)
    assert (
        "has no column 'apr', which the mapping names for Rate. Of its 15 columns these are known: AccountID" in shown
    )
    assert CANARY not in shown
