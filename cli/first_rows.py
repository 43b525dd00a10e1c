"""The first rows of a local file, however it is written: what its bytes say of its dialect is found here.

What cannot be read by a run in any dialect is named, with the way out.
"""

import csv
import re
import textwrap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cli import CommandError
from montecarlo.portfolio.dialect import PLAIN, QUOTES, Dialect
from montecarlo.portfolio.files import format_of, rows_of

ROWS = 2_000
_BYTES = 1 << 20
_DELIMITERS = (",", ";", "\t", "|", "~", "^", ":", "\x01", "\x1f", " ")
"""The likeliest first."""
_ENCODINGS = ("cp1252", "cp850", "mac-roman")
"""What texts that are not UTF-8 are tried with; those of the east look like cp1252, too."""
_SEVERAL_BYTES = ("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr")
"""Encodings of the east, whose characters take several bytes."""
_SURE = 0.9
"""The share of letters among its signs from which such an encoding may be meant."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

_EXCEL = re.compile(r'"?sep=.?"?', re.IGNORECASE)
"""A line that Excel reads as what parts the columns, and shows to nobody."""

_VALUE = re.compile(r"[+\-$€£]?\d[\d.,:/'\u00a0 \-]*[%$€£]?")
"""A number or a date, with which no name of a column is likely to be meant."""


@dataclass(frozen=True)
class Beginning:
    """The first rows, texts trimmed and null where empty; the dialect by the file's bytes, and what is unsure of it."""

    table: pa.Table
    dialect: Dialect = PLAIN
    doubts: list[str] = field(default_factory=list)


def of_file(path: Path, name: str) -> Beginning:
    """The first rows of a file. Raises CommandError where it cannot be read, or not by a run."""
    kind = format_of(name)
    try:
        if kind == "parquet":
            batch = next(pq.ParquetFile(path).iter_batches(ROWS), None)
            if batch is None:
                raise CommandError(f"{path} has no rows.")
            table = pa.table(batch)
            return Beginning(table.select([each.name for each in table.schema if not pa.types.is_nested(each.type)]))
        with path.open("rb") as file:
            data = file.read(_BYTES)
        whole = len(data) < _BYTES
        if kind == "csv.gz":
            data = zlib.decompressobj(wbits=31).decompress(data, _BYTES)
            whole = whole and len(data) < _BYTES
    except (OSError, zlib.error, pa.ArrowException) as error:
        raise CommandError(f"{path} cannot be read: {error}.") from None
    return _of_csv(path, data, whole)


def _of_csv(path: Path, data: bytes, whole: bool) -> Beginning:
    doubts: list[str] = []
    text, dialect = _decoded(path, data, whole, doubts)
    lines = text.splitlines(keepends=True)
    if lines and _EXCEL.fullmatch(lines[0].strip()):
        raise CommandError(f"{path}: its first line, {lines[0].strip()}, is for Excel alone: remove it.")
    if not whole and len(lines) > 1:
        lines = lines[:-1]  # cut off
    dialect = _parted(lines[: ROWS + 1], dialect, doubts)
    head, *rows = _rows(lines[: ROWS + 1], dialect) or [[]]
    if not any(cell.strip() for row in rows for cell in row):
        raise CommandError(f"{path} has no rows below its header.")
    if dialect.quote != '"' and (number := _left_open([head, *rows])):
        doubts.append(f'a cell of row {number} begins with " and does not end with it: close it, or leave it out.')
    values = ", ".join(repr(name) for name in head if _VALUE.fullmatch(name.strip()))
    if values:
        doubts.append(
            f"the first line looks like data ({textwrap.shorten(values, 60, placeholder=' ...')}): is there a header? "
            "If not, put a line with the columns' names above it."
        )
    if len(set(head)) < len(head):
        twice = next(name for name in head if head.count(name) > 1)
        way = f", and {doubts[-1]}" if values else ": rename one."
        raise CommandError(f"{path} has the column {twice!r} twice{way}")
    good = [row for row in rows if len(row) == len(head)]
    if not good:
        raise CommandError(f"{path} has no row with as many cells as its header, {len(head)}: is a quote never closed?")
    columns = zip(*good, strict=True) if good else [()] * len(head)
    table = pa.table({name: pa.array(cells, pa.string()) for name, cells in zip(head, columns, strict=True)})
    return Beginning(pa.table({name: _or_null(pc.utf8_trim_whitespace(table[name])) for name in head}), dialect, doubts)


def _left_open(rows: Sequence[Sequence[str]]) -> int:
    """The first row with a cell whose double quote is never closed, the header being 1; 0 where there is none."""
    return next(
        (
            number
            for number, row in enumerate(rows, 1)
            for cell in map(str.strip, row)
            if cell.startswith('"') and (len(cell) == 1 or not cell.endswith('"'))
        ),
        0,
    )


def _or_null(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)


def _decoded(path: Path, data: bytes, whole: bool, doubts: list[str]) -> tuple[str, Dialect]:
    """The text, and the dialect with its encoding: UTF-8, or the one in which most signs beyond ASCII are letters."""
    if data.startswith(_UTF_16) or b"\0\0\0" in (data[0:6:2], data[1:6:2]):
        raise CommandError(f"{path} is UTF-16, which no run can cut into chunks: {_rewritten(path, 'UTF-16')}")
    try:
        return data.decode("utf-8-sig"), PLAIN
    except UnicodeDecodeError as error:
        if error.start >= len(data) - 4 and not whole:  # a character that was cut off
            return data[: error.start].decode("utf-8-sig"), PLAIN
        place = error.start

    def unlikely(encoding: str) -> int:
        signs = [char for char in data.decode(encoding, "replace") if ord(char) > 127]
        return sum(not char.isalpha() and char not in "€£§°" for char in signs)

    encoding = min(_ENCODINGS, key=unlikely)
    around = data[max(place - 20, 0) : place + 20].decode(encoding, "replace").split("\n")
    shown = max(around, key=lambda part: sum(ord(char) > 127 for char in part)).strip()
    doubts.append(f"the text is not UTF-8 and is read as {encoding}: is {shown!r} right?")
    eastern = {name: words for name in _SEVERAL_BYTES if (words := _eastern(data, name))}
    if eastern:
        told = " or ".join(f"{words!r} ({name})" for name, words in eastern.items())
        doubts.append(
            f"should it be {told}, its characters take several bytes, and no run can cut it into chunks: "
            f"{_rewritten(path, next(iter(eastern)).upper())}"
        )
    return data.decode(encoding, "replace"), replace(PLAIN, encoding=encoding)


def _eastern(data: bytes, encoding: str) -> str:
    """The first words that are beyond ASCII, where the text can be of an encoding of several bytes a character: there
    they are words of several letters, and not the single ones that western accents become.
    """
    text = data.decode(encoding, "replace")
    words = re.findall(r"[^\x00-\x7f]+", text)
    letters = "".join(words)
    is_it = len(letters) >= 2 * len(words) and "\ufffd" not in text[:-2]
    return words[0] if is_it and sum(map(str.isalpha, letters)) >= _SURE * len(letters) else ""


def _rewritten(path: Path, encoding: str) -> str:
    return f"write it in UTF-8, for example with `iconv -f {encoding} -t UTF-8 {path} > utf8-{path.name}`."


def _rows(lines: Sequence[str], dialect: Dialect) -> list[list[str]]:
    try:
        return list(rows_of(lines, dialect))
    except csv.Error:  # a cell that does not end
        return []


def _parted(lines: Sequence[str], dialect: Dialect, doubts: list[str]) -> Dialect:
    """The dialect with the delimiter and the quote under which most rows have as many cells as the header."""

    def fit(candidate: Dialect) -> tuple[bool, float, int, int]:
        head, *rows = _rows(lines, candidate) or [[]]
        rows = [row for row in rows if row]
        alike = sum(len(row) == len(head) for row in rows) / max(len(rows), 1)
        quoted = sum(len(cell) > 1 and cell[0] == cell[-1] and cell[0] in "'\"" for row in rows for cell in row)
        several = len(head) > 1 and alike >= 0.9 and all(name.strip() for name in head)
        return several, round(alike, 1), len(head) if several else 0, -quoted

    candidates = [replace(dialect, delimiter=mark, quote=quote) for mark in _DELIMITERS for quote in QUOTES if quote]
    best = max(candidates, key=fit)
    if not fit(best)[0]:
        candidates = [replace(each, escape="\\") for each in candidates]
        best = max(candidates, key=fit)
    if not fit(best)[0]:
        return dialect
    inner = re.compile(rf"(?<!\\)\\{best.quote}(?!{re.escape(best.delimiter)}|\s*$)", re.MULTILINE)
    escaped = replace(best, escape="\\")
    if not best.escape and any(map(inner.search, lines)) and fit(escaped)[:3] >= fit(best)[:3]:
        best = escaped
    if best.escape:
        doubts.append("a backslash is taken to stand before what is text, such as a quote within quotes.")
    return best
