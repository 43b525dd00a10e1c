"""How a portfolio's objects become groups, and their slices chunks. Pure: no AWS, no files.

A chunk is a list of slices, small enough for one worker. Everything here takes objects one after the other, and keeps
next to nothing of each.
"""

import json
import zlib
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain, islice, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo.cost import schedule
from montecarlo.errors import InvalidInput
from montecarlo.limits import CHUNK_BYTES, MAX_GROUPS
from montecarlo.source.objects import InputObject, Slice

ChooseGroups = Callable[[npt.NDArray[np.float64]], int]
"""How many groups to make of objects with so many chunks' worth of work each, float (N,)."""


BLOCK_OBJECTS = 1_000
"""Objects that are kept together, compressed, until all have gone by."""


def deal(
    objects: Iterable[InputObject], chunk_loans: int, choose: ChooseGroups, starts: Collection[str] = ()
) -> Iterator[tuple[list[dict[str, Any]], float]]:
    """Split the objects, in their order, into groups of about equal work. Yields the objects of each as JSON, and about
    how many chunks they make.

    choose: how many groups, from the chunks' worth of work in each object, float (N,). How much a group gets is known
    only when all objects have gone by; until then they are kept compressed, in about 50 bytes each. starts: keys of
    objects that groups are to begin with, where all of them are there and this makes no group much larger than it
    would be.
    """
    blocks: list[bytes] = []
    block: list[dict[str, Any]] = []
    chunks = array("d")
    begin: list[int] = []
    for item in objects:
        if item.key in starts:
            begin.append(len(chunks))
        entry = item.to_json()
        block.append(entry)
        chunks.append(max(item.estimated_rows / chunk_loans, len(json.dumps(entry)) / CHUNK_BYTES))
        if len(block) == BLOCK_OBJECTS:
            blocks.append(_packed(block))
            block = []
    if not chunks:
        return
    blocks.append(_packed(block))
    amounts = np.frombuffer(chunks, dtype=np.float64)
    kept = chain.from_iterable(json.loads(zlib.decompress(packed)) for packed in blocks)
    ends = schedule.deal(amounts, choose(amounts))
    if begin and len(begin) == len(starts):
        ends = _the_more_even(amounts, [*begin[1:], len(amounts)], ends)
    for start, stop in pairwise([0, *ends]):
        yield list(islice(kept, stop - start)), float(amounts[start:stop].sum())


def _the_more_even(amounts: npt.NDArray[np.float64], wanted: list[int], ends: list[int]) -> list[int]:
    """The ends of groups that are wanted, unless one is more than twice as large as the largest by the other ends."""
    largest = (max(np.add.reduceat(amounts, [0, *each[:-1]])) for each in (wanted, ends))
    return wanted if next(largest) <= 2 * next(largest) else ends


def _packed(entries: list[dict[str, Any]]) -> bytes:
    return zlib.compress(json.dumps(entries).encode(), 1)


def check_groups(groups: int) -> None:
    """Raises InvalidInput where so many groups would not fit into one execution's history."""
    if groups > MAX_GROUPS:
        raise InvalidInput(
            f"the portfolio would need more than {MAX_GROUPS:,} groups of chunks: choose a larger chunk_loans, "
            "or split the portfolio."
        )


def pack(slices: Iterable[Slice], chunk_loans: int) -> Iterator[list[Slice]]:
    """Fill chunks with slices in order, none with more than `chunk_loans` rows, as far as rows are known."""
    chunk: list[Slice] = []
    rows = size = 0
    for piece in slices:
        rows += piece.estimated_rows
        size += len(json.dumps(piece.to_json())) + 2
        if chunk and (rows > chunk_loans or size > CHUNK_BYTES):
            yield chunk
            chunk, rows, size = [], piece.estimated_rows, len(json.dumps(piece.to_json())) + 2
        chunk.append(piece)
    if chunk:
        yield chunk
