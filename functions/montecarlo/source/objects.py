"""How a portfolio's objects become groups and chunks. Pure: no AWS, no files.

A chunk is a list of slices; a slice is some consecutive rows of one object. Chunks are small enough for one worker;
each row of each object is in exactly one of them. Everything here takes objects one after the other, so that memory
does not grow with the portfolio.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.portfolio.loans import Format, format_of

Offsets = npt.NDArray[np.int64]

MAX_GROUPS_AT_ONCE = 40
"""Inline Maps run at most 40 iterations at once."""

MAX_GROUPS = 1_000
"""A group leaves about 18 events in the execution's history, which may hold 25,000."""

CHUNKS_PER_GROUP = 250
"""The first 40 groups get about so many chunks each, the next 40 twice, and so on: see `group_limit`."""

OBJECTS_PER_GROUP = 100_000
"""Likewise of objects: PlanGroup names every one of them in its list of chunks."""

MAX_CHUNK_BYTES = 200 * 1024
"""Of a chunk's slices as JSON. Step Functions hands a child no more than 256 KiB."""

SAMPLED_OBJECTS = 64
"""A census keeps at least half as many objects, evenly spread, for a first look at the portfolio."""

BOOKKEEPING = ("manifest.json", "parts.json")
"""Files that lie beside a portfolio's own, such as those of a generated one."""

TYPICAL_ROW_BYTES = {"csv": 80, "csv.gz": 30, "parquet": 45}
"""For guessing an object's rows before it is read; the balance of the groups and the estimated cost depend on it."""

MAX_GZIP_BYTES = 2 << 30
"""Of a compressed CSV: as it can be read from its beginning only, each of its chunks costs more than the one before."""

SMALLEST_ROW_BYTES = {"csv": 40, "csv.gz": 8, "parquet": 4}
"""An object of fewer bytes than this a loan is taken whole without counting its rows first."""


@dataclass(frozen=True)
class InputObject:
    """One object of the portfolio; `rows` where a manifest tells, `etag` where the listing has it."""

    key: str
    size: int
    rows: int | None = None
    etag: str | None = None

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
        return self.rows if self.rows is not None else max(1, self.size // TYPICAL_ROW_BYTES[self.format])

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass
class Census:
    """What is known of a portfolio's objects after all have gone by, whatever their number."""

    objects: int = 0
    size: int = 0
    rows: int = 0
    """As far as known, else guessed from the sizes."""
    sample: list[InputObject] = field(default_factory=list)
    """Objects evenly spread over the portfolio, all of a small one. It depends on nothing but the objects."""
    _step: int = 1
    _digest: Any = field(default_factory=hashlib.sha256)

    def count(self, objects: Iterable[InputObject]) -> Iterator[InputObject]:
        """Hand the objects on and take them into account."""
        for item in objects:
            if self.objects % self._step == 0:
                self.sample.append(item)
                if len(self.sample) > SAMPLED_OBJECTS:
                    self.sample, self._step = self.sample[::2], self._step * 2
            self.objects += 1
            self.size += item.size
            self.rows += item.estimated_rows
            self._digest.update(json.dumps(item.to_json()).encode())
            yield item

    @property
    def digest(self) -> str:
        """SHA-256 over all objects with their sizes, rows and ETags, in their order."""
        digest: str = self._digest.hexdigest()
        return digest


@dataclass(frozen=True)
class Slice:
    """Rows of one object, in the order of the file.

    `rows`: first and one past the last, or None for the whole object. `bytes`: where those rows lie, for formats that
    can be cut there. `header`: the bytes of a CSV's header line. `size`: the object's, 0 where it is not known.
    `etag`: what the object must still have when it is read.
    """

    key: str
    size: int
    format: Format
    rows: tuple[int, int] | None = None
    bytes: tuple[int, int] | None = None
    header: tuple[int, int] | None = None
    etag: str | None = None

    @property
    def estimated_rows(self) -> int:
        return self.rows[1] - self.rows[0] if self.rows else InputObject(self.key, self.size).estimated_rows

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Slice":
        pairs = {name: tuple(value[name]) for name in ("rows", "bytes", "header") if name in value}
        return cls(value["key"], value.get("size", 0), value["format"], etag=value.get("etag"), **pairs)


def group_limit(number: int) -> int:
    """How many times CHUNKS_PER_GROUP and OBJECTS_PER_GROUP group `number` may hold.

    Groups grow, so that small portfolios get groups that all run at once, and 1,000 groups hold 3 million chunks.
    """
    return 1 + number // MAX_GROUPS_AT_ONCE


def make_groups(objects: Iterable[InputObject], chunk_loans: int) -> Iterator[list[InputObject]]:
    """Split the objects, in their order, into groups. Raises InvalidInput where they would be too many."""
    number, group, rows = 0, list[InputObject](), 0
    for item in objects:
        full = rows + item.estimated_rows > group_limit(number) * CHUNKS_PER_GROUP * chunk_loans
        if group and (full or len(group) >= group_limit(number) * OBJECTS_PER_GROUP):
            yield group
            number, group, rows = number + 1, [], 0
            check_groups(number + 1)
        group.append(item)
        rows += item.estimated_rows
    if group:
        yield group


def check_groups(groups: int) -> None:
    """Raises InvalidInput where so many groups would not fit into one execution's history."""
    if groups > MAX_GROUPS:
        raise InvalidInput(
            f"the portfolio would need more than {MAX_GROUPS:,} groups of chunks: choose a larger chunk_loans, "
            "or split the portfolio."
        )


def is_passed_over(path: str) -> bool:
    """Whether an object below the portfolio's place is none of its files: hidden as in Spark and Hive, or our own."""
    *_, name = path.split("/")
    return name in BOOKKEEPING or any(part.startswith(("_", ".")) for part in path.split("/"))


def taken_whole(item: InputObject, chunk_loans: int) -> bool:
    """Whether the object surely fits into one chunk, so that nobody need count its rows first."""
    return item.size <= chunk_loans * SMALLEST_ROW_BYTES[item.format]


def check_divisible(item: InputObject) -> None:
    """Raises InvalidPortfolio for a compressed CSV that is too large to be read again and again."""
    if item.format == "csv.gz" and item.size > MAX_GZIP_BYTES:
        raise InvalidPortfolio(
            f"{item.key} is a compressed CSV of {item.size / 2**30:.1f} GiB, which cannot be read in parts: bring it "
            "as Parquet, as plain CSV, or in several files."
        )


def row_slices(item: InputObject, ends: Sequence[int], chunk_loans: int) -> list[Slice]:
    """Cut an object that can be read by row ranges. `ends`: where its row groups end, the last is its number of rows.

    Cuts fall between row groups as long as these are no larger than a chunk, since readers take row groups as a whole.
    """
    cuts = [0]
    for end, following in pairwise((*ends, math.inf)):
        while end - cuts[-1] > chunk_loans:
            cuts.append(cuts[-1] + chunk_loans)
        if end > cuts[-1] and following - cuts[-1] > chunk_loans:
            cuts.append(int(end))
    return [
        Slice(item.key, item.size, item.format, rows=(start, stop), etag=item.etag) for start, stop in pairwise(cuts)
    ]


def csv_slices(item: InputObject, blocks: Iterable[bytes], chunk_loans: int) -> list[Slice]:
    """Cut a CSV at line ends every `chunk_loans` rows; `blocks` are its bytes from the beginning.

    A line break inside a quoted cell does not end a row. Raises InvalidPortfolio where a quote is never closed.
    """
    ends = list(_every_row_end(blocks, chunk_loans, item.key))
    header = ends[0][1] if ends else 0
    return [
        Slice(item.key, item.size, item.format, (first, last), (start, stop), (0, header), item.etag)
        for (first, start), (last, stop) in pairwise(ends)
    ]


MAX_ROW_BYTES = 1 << 20
"""Arrow reads no longer CSV rows."""

# A quote opens a cell only at the cell's start; elsewhere it is text. An unclosed one reaches to the end of the data.
_QUOTED_CELL = re.compile(rb'(?:\A|(?<=[,\r\n]))"[^"]*(?:""[^"]*)*("?)')
_QUOTE, _COMMA, _LF, _CR = b'",\n\r'


def first_rows(head: bytes, rows: int) -> bytes:
    """The header and up to so many whole rows of a CSV of which only the beginning is known."""
    ends = _row_ends(head)
    return head[: ends[min(rows, len(ends) - 1)]] if len(ends) else b""


def _every_row_end(blocks: Iterable[bytes], step: int, key: str) -> Iterator[tuple[int, int]]:
    """(data rows before, byte offset) after the header, after every `step` rows, and at the end of the last row.

    Lines without any character are no rows, as in the CSV reader.
    """
    lines, size = 0, 0  # the header is a line too
    for offset, text, ends in _whole_rows(blocks, key):
        starts = np.concatenate([[0], ends[:-1]])
        first = np.frombuffer(text, dtype=np.uint8)[starts]
        filled = ends[(first != _LF) & (first != _CR)]  # a line that begins with its break is blank
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
    data = np.frombuffer(text, dtype=np.uint8)
    breaks = np.flatnonzero(data == _LF) + 1
    if b"\r" in text:
        returns = np.flatnonzero(data[:-1] == _CR)  # one at the end may be half of a line break
        breaks = np.sort(np.concatenate([breaks, returns[data[returns + 1] != _LF] + 1]))
    if b'"' not in text:
        return breaks
    quotes = np.flatnonzero(data == _QUOTE)
    opening = quotes[::2]
    before = data[opening - 1]
    starts_cell = (before == _COMMA) | (before == _LF) | (before == _CR) | (opening == 0)
    if (starts_cell | (before == _QUOTE)).all():  # every second quote opens a cell, or is the second of a doubled one
        return np.asarray(breaks[np.searchsorted(quotes, breaks) % 2 == 0])
    inside = np.zeros(len(text) + 1, dtype=np.int8)  # somewhere a quote is text: ten times slower, but exact
    for cell in _QUOTED_CELL.finditer(text):
        inside[cell.start() + 1] += 1
        inside[cell.end()] -= 1
    return np.asarray(breaks[np.cumsum(inside)[breaks - 1] == 0])


def pack(slices: Iterable[Slice], chunk_loans: int) -> Iterator[list[Slice]]:
    """Fill chunks with slices in order, none with more than `chunk_loans` rows, as far as rows are known."""
    chunk: list[Slice] = []
    rows = size = 0
    for piece in slices:
        rows += piece.estimated_rows
        size += len(json.dumps(piece.to_json())) + 2
        if chunk and (rows > chunk_loans or size > MAX_CHUNK_BYTES):
            yield chunk
            chunk, rows, size = [], piece.estimated_rows, len(json.dumps(piece.to_json())) + 2
        chunk.append(piece)
    if chunk:
        yield chunk
