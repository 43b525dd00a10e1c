"""The rows of a chunk, from the objects that they lie in."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from montecarlo.errors import InvalidPortfolio
from montecarlo.limits import SMALL_BYTES
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rows import RawRows, gather, read_rows
from montecarlo.source.objects import Slice
from montecarlo.storage.store import NoSuchObject, Store

READERS = 16
"""Objects read at once: S3 answers in tens of milliseconds, so one after the other would waste the function's time."""


def read_slices(slices: Sequence[Slice], portfolio: Store, columns: ColumnMapping) -> RawRows:
    """The rows of a chunk's slices, in their order.

    Raises InvalidPortfolio if an object is gone, was written again since the plan was made, or cannot be read.
    """
    with ThreadPoolExecutor(min(READERS, len(slices))) as pool:
        return gather(list(pool.map(lambda piece: read_slice(piece, portfolio, columns), slices)))


def read_slice(piece: Slice, portfolio: Store, columns: ColumnMapping) -> RawRows:
    """The rows of one slice, numbered as in their file."""
    try:
        if piece.bytes is None or piece.rows is None:
            file = _open(piece, portfolio)
            return read_rows(file, piece.key, piece.format, columns, piece.rows, holds=piece.holds)
        header = portfolio.get_range(piece.key, *(piece.header or (0, 0)), piece.etag, piece.size or None)
        body = portfolio.get_range(piece.key, *piece.bytes, piece.etag, piece.size or None)
    except NoSuchObject as error:
        raise InvalidPortfolio(f"{error} It was there when the run was planned: start a new run.") from None
    first, last = piece.rows
    cut_out = io.BytesIO(header + body)
    return read_rows(cut_out, piece.key, piece.format, columns, rows_before=first, holds=last - first)


def _open(piece: Slice, portfolio: Store) -> BinaryIO:
    if 0 < piece.size <= SMALL_BYTES:
        return io.BytesIO(portfolio.get_range(piece.key, 0, piece.size, piece.etag, piece.size))
    return portfolio.open(piece.key, piece.size, piece.etag)
