"""Quotes in every place: each row is a loan or a reject, or the file is refused by the row that is wrong."""

import gzip
import random
import re

import pytest

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.source import cutting
from tests.hostile.whole import outcome

COLUMNS = ("Note", "AccountID", "PD", "EAD", "LGD", "City")
ROWS = 12
SIZES = {"csv": 40, "csv.gz": 8, "parquet": 4}


def table(seed: int = 0) -> list[list[str]]:
    """Good rows; with a seed, some cells of the columns that are not read are quoted."""
    chance = random.Random(seed)
    quoted = ['"a, b"', '"two\nlines"', '"said ""no"""', '""', '"x"'] if seed else ["x"]
    return [
        [chance.choice(["n", *quoted]), f"A{row}", "0.01", "100", "0.4", chance.choice(["c", *quoted])]
        for row in range(ROWS)
    ]


def text(rows: list[list[str]], line_end: str = "\n", trailing: bool = True) -> str:
    lines = [",".join(cells) for cells in [list(COLUMNS), *rows]]
    return line_end.join(lines) + (line_end if trailing else "")


def rows_found(data: bytes, way: str, mapping: ColumnMapping | None = None) -> int | str:
    """How many rows came out, or the row by which the file was refused ("header" for row 0)."""
    name = "a.csv.gz" if way.startswith("gz") else "a.csv"
    file = gzip.compress(data, 1) if way.startswith("gz") else data
    with pytest.MonkeyPatch.context() as patch:
        if way.endswith("cut"):
            patch.setattr(cutting, "SMALLEST_ROW_BYTES", dict.fromkeys(SIZES, 0))
        try:
            return outcome({name: file}, mapping, chunk_loans=5 if way.endswith("cut") else 50_000).rows
        except InvalidPortfolio as error:
            if not (found := re.search(r" has a quote in (?:data row ([\d,]+)|the (header)) that is nev", str(error))):
                raise
            return (found[1] or found[2]).replace(",", "")


def rows_by_definition(data: str) -> int | str:
    """As `rows_found`, character by character: the grammar in its plainest form."""
    rows, at, blank, header_seen = 0, 0, True, False
    cell_start, opened_in, broken = True, "", False
    end = len(data)

    def ended() -> None:
        nonlocal rows, header_seen, blank, cell_start
        if not blank:
            rows += header_seen
            header_seen = True
        blank = cell_start = True

    while at < end:
        char = data[at]
        if char == '"' and cell_start:
            opened_in, broken, blank, cell_start = str(rows + 1) if header_seen else "header", False, False, False
            at += 1
            while at < end and (data[at] != '"' or data[at : at + 2] == '""'):
                broken |= data[at] in "\r\n"
                at += 2 if data[at] == '"' else 1
            if at >= end:
                return opened_in
            at += 1
            if broken and at < end and data[at] not in ",\r\n":
                return opened_in
            continue
        if char in "\r\n":
            ended()
            at += 2 if data[at : at + 2] == "\r\n" else 1
            continue
        blank, cell_start = False, char == ","
        at += 1
    ended()
    return rows


WAYS = ("whole", "cut", "gz", "gz cut")


@pytest.mark.parametrize("way", WAYS)
def test_a_quote_that_opens_in_any_cell_and_is_never_closed_is_named_by_its_row(way: str) -> None:
    for row in range(ROWS):
        for column in range(len(COLUMNS)):
            rows = table()
            rows[row][column] = '"' + rows[row][column]
            assert rows_found(text(rows).encode(), way) == str(row + 1), (row, column)


@pytest.mark.parametrize("way", WAYS)
def test_a_quote_within_a_cell_is_text(way: str) -> None:
    for row in (0, 4, ROWS - 1):
        for column in range(len(COLUMNS)):
            for stray in ('5" pipe', 'x"', 'a""b'):
                rows = table()
                rows[row][column] = stray
                assert rows_found(text(rows).encode(), way) == ROWS, (row, column, stray)


def quoted_anywhere(seed: int) -> str:
    """A file with quotes where nobody expects them."""
    chance = random.Random(seed)
    data = text(table(seed), chance.choice(["\n", "\r\n", "\r"]), chance.random() < 0.7)
    for _ in range(chance.randint(1, 3)):
        header = len(text([])) - 1
        places = [found.end() for found in re.finditer(r"[,\r\n]", data) if found.end() > header]
        place = chance.choice(places) if chance.random() < 0.5 else chance.randrange(header, len(data))
        data = data[:place] + '"' * chance.choice([1, 1, 2]) + data[place + (chance.random() < 0.1) :]
    return data


@pytest.mark.parametrize("way", WAYS)
def test_quotes_anywhere_do_what_the_grammar_says(way: str) -> None:
    refused = 0
    for seed in range(250):
        data = quoted_anywhere(seed)
        expected = rows_by_definition(data)
        refused += isinstance(expected, str)
        assert rows_found(data.encode(), way) == expected, (seed, data)
    assert 50 < refused < 200


@pytest.mark.parametrize("way", WAYS)
def test_a_quote_in_a_column_that_nobody_reads_takes_no_loan_away(way: str) -> None:
    lines = ["AccountID,PD,EAD,Note", *(f"A{i},0.01,100,ok" for i in range(20_000))]
    lines[12_001] = 'A12000,0.01,100,"ok'
    assert rows_found("\n".join(lines).encode(), way) == "12001"


def test_a_file_that_is_one_long_row_is_refused_in_bounded_memory() -> None:
    for data in (b'A,"' + b"x" * (3 << 20), b"x" * (3 << 20), b"AccountID,PD,EAD\n" + b"A" * (3 << 20)):
        for name, file in (("a.csv", data), ("a.csv.gz", gzip.compress(data))):
            with pytest.raises(InvalidPortfolio, match=r"(the header|data row 1) is longer than 1,048,576 bytes"):
                outcome({name: file})


OTHER = ColumnMapping.parse({"dialect": {"delimiter": ";", "quote": "'", "encoding": "cp1252"}})
NO_QUOTES = ColumnMapping.parse({"dialect": {"quote": None}})


@pytest.mark.parametrize("way", WAYS)
def test_quotes_of_another_dialect_do_the_same_and_are_text_where_there_are_none(way: str) -> None:
    swapped = str.maketrans({",": ";", '"': "'", "x": "\u00e9"})
    for seed in range(60):
        data = quoted_anywhere(seed)
        assert rows_found(data.translate(swapped).encode("cp1252"), way, OTHER) == rows_by_definition(data), (
            seed,
            data,
        )
        lines = [line for line in re.split(r"\r\n|\r|\n", data) if line]
        assert rows_found(data.encode(), way, NO_QUOTES) == len(lines) - 1, (seed, data)
