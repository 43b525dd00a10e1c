"""How a portfolio's objects become groups and chunks. Pure: no AWS, no files.

A chunk is a list of slices; a slice is some consecutive rows of one object. Chunks are small enough for one worker;
each row of each object is in exactly one of them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio import Format, format_of

Offsets = npt.NDArray[np.int64]

MAX_GROUPS_AT_ONCE = 40
"""Inline Maps run at most 40 iterations at once."""

CHUNKS_PER_GROUP = 250
"""Below 40 groups, a new group starts about every so many chunks; from there on groups grow."""

MAX_CHUNKS_PER_GROUP = 10_000
"""A Distributed Map runs at most 10,000 children at once."""

TYPICAL_ROW_BYTES = 60
"""For guessing an object's rows before it is read; only the balance of the groups depends on it."""

SMALLEST_ROW_BYTES = {"csv": 40, "csv.gz": 8, "parquet": 4}
"""An object of fewer bytes than this a loan is taken whole without counting its rows first."""


@dataclass(frozen=True)
class InputObject:
    """One object of the portfolio; `rows` where a manifest tells."""

    key: str
    size: int
    rows: int | None = None

    @property
    def format(self) -> Format:
        """Raises InvalidPortfolio if the key's ending tells none."""
        format = format_of(self.key)
        if format is None:
            raise InvalidPortfolio(
                f"{self.key}: the name must end in .csv, .csv.gz or .parquet; rename the object or remove it."
            )
        return format

    @property
    def estimated_rows(self) -> int:
        return self.rows if self.rows is not None else max(1, self.size // TYPICAL_ROW_BYTES)


@dataclass(frozen=True)
class Slice:
    """Rows of one object, in the order of the file.

    `rows`: first and one past the last, or None for the whole object. `bytes`: where those rows lie, for formats that
    can be cut there. `header`: the bytes of a CSV's header line. `size`: the object's, 0 where it is not known.
    """

    key: str
    size: int
    format: Format
    rows: tuple[int, int] | None = None
    bytes: tuple[int, int] | None = None
    header: tuple[int, int] | None = None

    @property
    def estimated_rows(self) -> int:
        return self.rows[1] - self.rows[0] if self.rows else InputObject(self.key, self.size).estimated_rows

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Slice":
        pairs = {name: tuple(value[name]) for name in ("rows", "bytes", "header") if name in value}
        return cls(key=value["key"], size=value.get("size", 0), format=value["format"], **pairs)


def make_groups(objects: Sequence[InputObject], chunk_loans: int) -> list[list[InputObject]]:
    """Split the objects, in their order, into groups of about equal rows."""
    rows = np.array([item.estimated_rows for item in objects], dtype=np.int64)
    chunks = -(-int(rows.sum()) // chunk_loans)
    wanted = min(-(-chunks // CHUNKS_PER_GROUP), MAX_GROUPS_AT_ONCE)
    wanted = max(wanted, -(-chunks // MAX_CHUNKS_PER_GROUP), 1)
    # Object i goes to the group in which the middle of its rows falls.
    middle = np.cumsum(rows) - rows / 2
    number = np.minimum((middle * wanted / max(int(rows.sum()), 1)).astype(np.int64), wanted - 1)
    cuts = np.flatnonzero(np.diff(number)) + 1
    edges = [0, *cuts.tolist(), len(objects)]
    return [list(objects[a:b]) for a, b in pairwise(edges)]


def taken_whole(item: InputObject, chunk_loans: int) -> bool:
    """Whether the object surely fits into one chunk, so that nobody need count its rows first."""
    return item.size <= chunk_loans * SMALLEST_ROW_BYTES[item.format]


def row_slices(item: InputObject, rows: int, chunk_loans: int) -> list[Slice]:
    """Cut an object of `rows` rows at multiples of `chunk_loans`."""
    return [
        Slice(item.key, item.size, item.format, rows=(start, min(start + chunk_loans, rows)))
        for start in range(0, rows, chunk_loans)
    ]


def csv_slices(item: InputObject, blocks: Iterable[bytes], chunk_loans: int) -> list[Slice]:
    """Cut a CSV at line ends every `chunk_loans` rows; `blocks` are its bytes from the beginning.

    A line break inside a quoted cell does not end a row. Raises InvalidPortfolio where a quote is never closed.
    """
    ends = list(_every_row_end(blocks, chunk_loans, item.key))
    header = ends[0][1] if ends else 0
    return [
        Slice(item.key, item.size, item.format, rows=(first, last), bytes=(start, stop), header=(0, header))
        for (first, start), (last, stop) in pairwise(ends)
    ]


MAX_ROW_BYTES = 1 << 20
"""Arrow reads no longer CSV rows."""

# A quote opens a cell only at the cell's start; elsewhere it is text. An unclosed one reaches to the end of the data.
_QUOTED_CELL = re.compile(rb'(?:\A|(?<=[,\r\n]))"[^"]*(?:""[^"]*)*("?)')
_LINE_BREAK = re.compile(rb"\n|\r(?=[^\n])")


def _every_row_end(blocks: Iterable[bytes], step: int, key: str) -> Iterator[tuple[int, int]]:
    """(data rows before, byte offset) after the header, after every `step` rows, and at the end of the last row.

    Lines without any character are no rows, as in the CSV reader.
    """
    lines, size = 0, 0  # the header is a line too
    for offset, text, ends in _whole_rows(blocks, key):
        starts = np.concatenate([[0], ends[:-1]])
        first = np.frombuffer(text, dtype=np.uint8)[starts]
        filled = ends[(first != ord("\n")) & (first != ord("\r"))]  # a line that begins with its break is blank
        rows = lines + np.arange(len(filled))
        chosen = rows % step == 0
        yield from zip(rows[chosen].tolist(), (offset + filled[chosen]).tolist(), strict=True)
        lines += len(filled)
        size = offset + len(text)
    if lines > 1 and (lines - 1) % step:
        yield lines - 1, size


def _whole_rows(blocks: Iterable[bytes], key: str) -> Iterator[tuple[int, bytes, Offsets]]:
    """The file in stretches of whole rows: (offset, bytes, where each row ends in them, its line break included)."""
    offset, text = 0, b""
    for block in blocks:
        text += block
        ends = _row_ends(text)
        if len(ends):
            stop = int(ends[-1])
            yield offset, text[:stop], ends
            offset, text = offset + stop, text[stop:]
        elif len(text) > MAX_ROW_BYTES:
            raise InvalidPortfolio(
                f"{key}: the row that begins at byte {offset:,} is longer than {MAX_ROW_BYTES:,} bytes, "
                "or a double quote in it is never closed; correct the row."
            )
    if text:
        last = list(_QUOTED_CELL.finditer(text))[-1:]
        if last and last[0].end() == len(text) and not last[0][1]:
            raise InvalidPortfolio(
                f"{key}: the double quote at byte {offset + last[0].start():,} is never closed; close it or remove it."
            )
        yield offset, text, np.array([len(text)])


def _row_ends(text: bytes) -> Offsets:
    """Ends of the rows in `text`, which begins with a row. What follows the last is not known to be whole."""
    if b"\r" in text:
        breaks = np.array([match.end() for match in _LINE_BREAK.finditer(text)], dtype=np.int64)
    else:
        breaks = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")) + 1
    if b'"' not in text:
        return breaks
    inside = np.zeros(len(text) + 1, dtype=np.int8)
    for cell in _QUOTED_CELL.finditer(text):
        inside[cell.start() + 1] += 1
        inside[cell.end()] -= 1
    return np.asarray(breaks[np.cumsum(inside)[breaks - 1] == 0])


def pack(slices: Iterable[Slice], chunk_loans: int) -> list[list[Slice]]:
    """Fill chunks with slices in order, none with more than `chunk_loans` rows, as far as rows are known."""
    chunks: list[list[Slice]] = []
    room = 0
    for piece in slices:
        rows = piece.estimated_rows
        if not chunks or rows > room:
            chunks.append([])
            room = chunk_loans
        chunks[-1].append(piece)
        room -= rows
    return chunks
