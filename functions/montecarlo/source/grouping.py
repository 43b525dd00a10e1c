"""How a portfolio's objects become groups, and their slices chunks. Pure: no AWS, no files.

A chunk is a list of slices, small enough for one worker. Everything here takes objects one after the other, so that
memory does not grow with the portfolio.
"""

import json
from collections.abc import Iterable, Iterator

from montecarlo.errors import InvalidInput
from montecarlo.limits import CHUNK_BYTES, CHUNKS_PER_GROUP, INLINE_ITERATIONS, MAX_GROUPS, OBJECTS_PER_GROUP
from montecarlo.source.objects import InputObject, Slice


def group_limit(number: int) -> int:
    """How many times CHUNKS_PER_GROUP and OBJECTS_PER_GROUP group `number` may hold.

    Groups grow, so that small portfolios get groups that all run at once, and 1,000 groups hold 3 million chunks.
    """
    return 1 + number // INLINE_ITERATIONS


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
