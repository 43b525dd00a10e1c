"""How an object is cut into slices of at most a chunk's loans: each of its rows is in exactly one.

What the listing or a manifest states of an object is checked here and by the readers, never believed.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.csv_rows import Offsets, RowScanner
from montecarlo.portfolio.dialect import PLAIN, Dialect
from montecarlo.portfolio.files import ParquetRows, open_rows
from montecarlo.source.objects import InputObject, Slice
from montecarlo.source.reading import READERS
from montecarlo.storage.store import NoSuchObject, Store

OBJECTS_AT_ONCE = 1_000
"""Objects that are cut before the next are looked at: bounds memory."""

MAX_SLICES = 100_000
"""Of one object: bounds memory, whatever a file says of itself."""

MAX_GZIP_BYTES = 2 << 30
"""Of a compressed CSV: as it can be read from its beginning only, each of its chunks costs more than the one before."""

SMALLEST_ROW_BYTES = {"csv": 40, "csv.gz": 8, "parquet": 4}
"""An object of fewer bytes than this a loan is taken whole without counting its rows first."""


def slices(
    objects: Iterable[InputObject], portfolio: Store, chunk_loans: int, dialect: Dialect = PLAIN
) -> Iterator[Slice]:
    """The slices of all objects, in their order. Raises InvalidPortfolio for one that is not what was listed."""
    waiting = iter(objects)
    with ThreadPoolExecutor(READERS) as pool:
        while some := list(islice(waiting, OBJECTS_AT_ONCE)):
            for pieces in pool.map(lambda item: cut(item, portfolio, chunk_loans, dialect), some):
                yield from pieces


def cut(item: InputObject, portfolio: Store, chunk_loans: int, dialect: Dialect = PLAIN) -> list[Slice]:
    """One object's slices, each pinned to the object as it is now. Raises InvalidPortfolio if it is not as listed."""
    check_divisible(item)
    try:
        item = pinned(item, portfolio)
        if taken_whole(item, chunk_loans):
            return [Slice(item.key, item.size, item.format, etag=item.etag, holds=item.rows)]
        if item.format == "csv":
            pieces = csv_slices(item, portfolio.stream(item.key, item.etag), chunk_loans, dialect)
        else:
            rows = open_rows(portfolio.open(item.key, item.size, item.etag), item.key, item.format, dialect)
            ends = rows.row_group_ends if isinstance(rows, ParquetRows) else [rows.count()]
            pieces = row_slices(item, ends, chunk_loans)
    except NoSuchObject as error:
        raise InvalidPortfolio(f"{error} It was there when the portfolio was listed: start a new run.") from None
    there = pieces[-1].rows[1] if pieces and pieces[-1].rows else 0
    if item.rows is not None and item.rows != there:
        raise InvalidPortfolio(f"{item.key} has {there:,} rows, but its manifest states {item.rows:,}. Correct that.")
    return pieces


def pinned(item: InputObject, portfolio: Store) -> InputObject:
    """The object with its ETag, so that no other version of it is ever read.

    Raises InvalidPortfolio if it has another size than was listed, NoSuchObject.
    """
    if item.etag is not None:
        return item
    found = portfolio.head(item.key)
    if found.size != item.size:
        raise InvalidPortfolio(
            f"{portfolio.url(item.key)} has {found.size:,} bytes where {item.size:,} are listed: it was written again, "
            "or its manifest is wrong."
        )
    return replace(item, etag=found.etag)


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
        _check_cuts(item, int(end - cuts[-1]) // chunk_loans + len(cuts))
        while end - cuts[-1] > chunk_loans:
            cuts.append(cuts[-1] + chunk_loans)
        if end > cuts[-1] and following - cuts[-1] > chunk_loans:
            cuts.append(int(end))
    return [
        Slice(item.key, item.size, item.format, rows=(start, stop), etag=item.etag) for start, stop in pairwise(cuts)
    ]


def csv_slices(item: InputObject, blocks: Iterable[bytes], chunk_loans: int, dialect: Dialect = PLAIN) -> list[Slice]:
    """Cut a CSV at row ends every `chunk_loans` rows; `blocks` are its bytes from the beginning.

    Raises InvalidPortfolio where a quote is never closed, or there are not as many bytes as the object has.
    """
    cuts: list[tuple[int, int]] = []  # (data rows before, byte offset): first after the header
    scanner, size, last_end = RowScanner(item.key, dialect), 0, 0

    def take(ends: Offsets) -> None:
        rows = np.arange(scanner.rows - len(ends), scanner.rows)  # the header is a row too
        chosen = rows % chunk_loans == 0
        cuts.extend(zip(rows[chosen].tolist(), ends[chosen].tolist(), strict=True))
        _check_cuts(item, len(cuts))

    for block in blocks:
        size += len(block)
        ends = scanner.feed(block)
        take(ends)
        last_end = int(ends[-1]) if len(ends) else last_end
    ends = scanner.finish()
    take(ends)
    last_end = int(ends[-1]) if len(ends) else last_end
    if size != item.size:
        raise InvalidPortfolio(
            f"{item.key} has {size:,} bytes where {item.size:,} are listed: it was written again, or its manifest is "
            "wrong."
        )
    if scanner.rows > 1 and (scanner.rows - 1) % chunk_loans:
        cuts.append((scanner.rows - 1, last_end))
    return [
        Slice(item.key, item.size, item.format, (first, last), (start, stop), (0, scanner.header_end), item.etag)
        for (first, start), (last, stop) in pairwise(cuts)
    ]


def _check_cuts(item: InputObject, number: int) -> None:
    if number > MAX_SLICES:
        raise InvalidPortfolio(
            f"{item.key} would be cut into more than {MAX_SLICES:,} chunks: choose a larger chunk_loans, or bring it "
            "in several files."
        )
