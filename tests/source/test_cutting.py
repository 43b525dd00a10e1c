"""Objects are cut into slices: no row lost, none twice, for any files."""

import io
import re
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.csv_rows import MAX_ROW_BYTES
from montecarlo.portfolio.dialect import DELIMITERS, ENCODINGS, PLAIN, QUOTES, Dialect
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rows import read_rows
from montecarlo.source.cutting import check_divisible, csv_slices, row_slices
from montecarlo.source.objects import InputObject

CELL = st.one_of(
    st.from_regex(r"[a-z\u00e4 0-9.\"']{1,8}", fullmatch=True).filter(lambda text: text[0] not in "'\""),
    st.from_regex(r'"([a-z\u00e4,\n\r ]|""){0,8}"', fullmatch=True),
)
DIALECT = st.just(PLAIN) | st.builds(
    Dialect,
    # A blank as delimiter would be one of the cells' own characters, and trimmed from them.
    st.sampled_from([delimiter for delimiter in DELIMITERS if delimiter not in " \t"]),
    st.sampled_from(QUOTES),
    st.sampled_from([encoding for encoding in ENCODINGS if "\u00e4".encode(encoding, "ignore")]),
)


@given(st.lists(st.integers(0, 10**4), max_size=20), st.integers(1, 10**4))
def test_rows_are_cut_without_gap_or_overlap(row_groups: list[int], chunk_loans: int) -> None:
    ends = list(accumulate(row_groups))
    pieces = row_slices(InputObject("a.parquet", 1), ends, chunk_loans)
    edges = [piece.rows for piece in pieces if piece.rows]
    assert sum(stop - start for start, stop in edges) == sum(row_groups)
    assert not edges or (edges[0][0], edges[-1][1]) == (0, sum(row_groups))
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    assert all(0 < stop - start <= chunk_loans for start, stop in edges)


@given(
    rows=st.lists(st.lists(CELL, min_size=2, max_size=2), max_size=12),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    blank=st.lists(st.integers(0, 12), max_size=3),
    trailing=st.booleans(),
    chunk_loans=st.integers(1, 5),
    block=st.integers(1, 200),
    dialect=DIALECT,
)
def test_csv_slices_hold_the_rows_that_the_reader_finds(
    rows: list[list[str]],
    line_end: str,
    blank: list[int],
    trailing: bool,
    chunk_loans: int,
    block: int,
    dialect: Dialect,
) -> None:
    swaps = [(",", dialect.delimiter), *([('"', dialect.quote)] if dialect.quote else [])]
    swapped = str.maketrans({one: other for pair in swaps for one, other in (pair, pair[::-1])})
    if not dialect.quote:
        rows = [[re.sub(r"[,\r\n]", "x", cell) for cell in row] for row in rows]
    lines = ["AccountID,PD,EAD", *(",".join(["x", *row]) for row in rows)]
    for place in blank:
        lines.insert(min(place, len(lines) - 1) + 1, "")
    plain = line_end.join(lines) + (line_end if trailing else "")
    data = plain.translate(swapped).encode(dialect.encoding)
    item = InputObject("a.csv", len(data))
    pieces = csv_slices(item, [data[i : i + block] for i in range(0, len(data), block)], chunk_loans, dialect)

    def read(text: bytes, first: int = 0, dialect: Dialect = dialect) -> list[tuple[int, dict[str, str | None]]]:
        raw = read_rows(io.BytesIO(text), "a.csv", "csv", ColumnMapping(dialect=dialect), rows_before=first)
        assert not raw.rejects
        return list(zip(raw.row.tolist(), raw.tables[0].to_pylist(), strict=True))

    found = []
    for piece in pieces:
        assert piece.rows is not None
        assert piece.bytes is not None
        assert piece.header is not None
        part = read(data[slice(*piece.header)] + data[slice(*piece.bytes)], piece.rows[0])
        assert len(part) == piece.rows[1] - piece.rows[0] <= chunk_loans
        found += part
    whole = read(data)
    assert found == whole
    if dialect.quote:
        as_plain = [(n, {name: cell and cell.translate(swapped) for name, cell in row.items()}) for n, row in whole]
        assert as_plain == read(plain.encode(), dialect=PLAIN)


@given(
    rows=st.lists(st.lists(st.text('ab\u00e4,"\\\n\r ', max_size=6), min_size=2, max_size=2), max_size=12),
    quoted=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    chunk_loans=st.integers(1, 5),
    block=st.integers(1, 200),
    encoding=st.sampled_from(["utf-8", "cp1252"]),
)
def test_what_is_escaped_is_text(
    rows: list[list[str]], quoted: bool, line_end: str, chunk_loans: int, block: int, encoding: str
) -> None:
    """Delimiters, quotes, line breaks and backslashes behind a backslash, in quoted cells and in others."""
    dialect = Dialect(escape="\\", encoding=encoding)

    def cell(text: str) -> str:
        if quoted:
            return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
        return re.sub(r'([",\\\r\n])', r"\\\1", text.replace("\r\n", "\n"))

    lines = ["AccountID,PD,EAD", *(",".join(["x", *map(cell, row)]) for row in rows)]
    data = (line_end.join(lines) + line_end).encode(encoding)
    item = InputObject("a.csv", len(data))
    pieces = csv_slices(item, [data[i : i + block] for i in range(0, len(data), block)], chunk_loans, dialect)
    found = []
    for piece in pieces:
        assert piece.rows is not None
        assert piece.bytes is not None
        assert piece.header is not None
        part = read_rows(
            io.BytesIO(data[slice(*piece.header)] + data[slice(*piece.bytes)]),
            "a.csv", "csv", ColumnMapping(dialect=dialect), rows_before=piece.rows[0],
        )  # fmt: skip
        assert not part.rejects
        found += [[row["PD"], row["EAD"]] for row in part.tables[0].to_pylist()]
    wanted = rows if quoted else [[text.replace("\r\n", "\n") for text in row] for row in rows]
    assert found == [[text.strip(" \t\r\n") or None for text in row] for row in wanted]


def test_cuts_fall_between_row_groups_where_these_are_small() -> None:
    ends = list(range(10_000, 100_001, 10_000))
    assert [piece.rows for piece in row_slices(InputObject("a.parquet", 1), ends, 35_000)] == [
        (0, 30_000),
        (30_000, 60_000),
        (60_000, 90_000),
        (90_000, 100_000),
    ]


def test_a_file_with_a_header_only_has_no_slice() -> None:
    for data in (b"AccountID,PD\n", b"AccountID,PD", b""):
        assert csv_slices(InputObject("a.csv", len(data)), [data], 10) == []


def test_a_quote_that_is_never_closed_is_named_with_its_place() -> None:
    with pytest.raises(InvalidPortfolio, match=r"a\.csv has a quote in data row 2 that is never closed"):
        csv_slices(InputObject("a.csv", 1), [b'A,B\n1,2\n3,"4\n5,6\n'], 10)


def test_a_row_longer_than_the_reader_takes_is_refused() -> None:
    with pytest.raises(InvalidPortfolio, match=r"a\.csv: data row 1 is longer than 1,048,576 bytes"):
        csv_slices(InputObject("a.csv", 1), [b"A,B\n", b'1,"' + b"x\n" * MAX_ROW_BYTES], 10)


def test_a_compressed_csv_that_cannot_be_read_in_parts_is_refused() -> None:
    check_divisible(InputObject("a.csv", 100 << 30))
    with pytest.raises(InvalidPortfolio, match=r"a\.csv\.gz is a compressed CSV of 3\.0 GiB.*bring it as Parquet"):
        check_divisible(InputObject("a.csv.gz", 3 << 30))
