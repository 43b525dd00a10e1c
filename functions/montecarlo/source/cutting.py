"""How an object is cut into slices of at most a chunk's loans. Pure: no AWS, no files.

Each row of each object is in exactly one slice.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise

import numpy as np

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.csv_rows import RowScanner
from montecarlo.source.objects import InputObject, Slice

MAX_GZIP_BYTES = 2 << 30
"""Of a compressed CSV: as it can be read from its beginning only, each of its chunks costs more than the one before."""

SMALLEST_ROW_BYTES = {"csv": 40, "csv.gz": 8, "parquet": 4}
"""An object of fewer bytes than this a loan is taken whole without counting its rows first."""


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
    """Cut a CSV at row ends every `chunk_loans` rows; `blocks` are its bytes from the beginning.

    Raises InvalidPortfolio where a quote is never closed.
    """
    cuts = list(_cuts(RowScanner(item.key), blocks, chunk_loans))
    header = cuts[0][1] if cuts else 0
    return [
        Slice(item.key, item.size, item.format, (first, last), (start, stop), (0, header), item.etag)
        for (first, start), (last, stop) in pairwise(cuts)
    ]


def _cuts(scanner: RowScanner, blocks: Iterable[bytes], step: int) -> Iterator[tuple[int, int]]:
    """(data rows before, byte offset) after the header, after every `step` rows, and at the end of the last row."""
    size = 0
    for ends in chain(map(scanner.feed, blocks), map(RowScanner.finish, [scanner])):
        rows = np.arange(scanner.rows - len(ends), scanner.rows)  # before the row that ends; the header is a row too
        chosen = rows % step == 0
        yield from zip(rows[chosen].tolist(), ends[chosen].tolist(), strict=True)
        size = int(ends[-1]) if len(ends) else size
    if scanner.rows > 1 and (scanner.rows - 1) % step:
        yield scanner.rows - 1, size
