"""Chunks that an earlier run has simulated, taken over by another whose loans, scenarios and model are the same there.

A chunk's sums follow from its slices, each with its object's ETag, and from what of a plan decides numbers. Where all
of that is the same, simulating again would give the same bits. Plan refuses a run with which it is not; PlanGroup cuts
its group so that whole chunks of the earlier run come out again, by their slices and not by their numbers, as one
object more or less shifts these; SimulateChunk takes over what is there and intact, and simulates whatever is not.
"""

import io
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun, InvalidInput
from montecarlo.model.cases import unweighted
from montecarlo.process import peak_memory_mb
from montecarlo.run import borrowers, duplicates, groups, records
from montecarlo.run.chunk import Chunk
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan, as_json, differences, read
from montecarlo.source.grouping import pack as pack_slices
from montecarlo.source.objects import Slice
from montecarlo.source.reading import READERS
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

NOT_OF_A_CHUNK = {
    *("run", "portfolio", "chunk_loans", "dealt_into", "group_chunks", "objects_digest", "count_ranges"),
    *("scenarios_from", "pinned"),
}
"""Fields of a plan that say how a portfolio is cut, or where something is from, but not what a chunk comes to."""

NEAR = 20
"""A group's chunks are looked for in the earlier run's group of its number, and in so many on either side."""


def check(plan: Plan, source: Plan) -> None:
    """Raise InvalidInput that names what differs, if no chunk of the source could be taken over for this plan."""
    there, here = (as_json(_of_a_chunk(each)) for each in (source, plan))
    if different := list(differences(there, here)):
        raise InvalidInput(
            f"reuse: the run {plan.reuse} differs in {', '.join(different[:5])}, so that none of its chunks would be "
            "as those of this run. Ask for the same, or leave reuse out and give scenarios_from instead."
        )
    if plan.capital_available is not None and source.capital_available is None:
        raise InvalidInput(
            f"reuse: the run {plan.reuse} has no capital_available, so that its chunks do not say which economy costs "
            "it. Leave it out here too, and ask `montecarlo reverse-stress` afterwards; or leave reuse out."
        )


def _of_a_chunk(plan: Plan) -> dict[str, Any]:
    decisive = replace(plan, cases=unweighted(plan.cases)).decisive()
    return {name: value for name, value in decisive.items() if name not in NOT_OF_A_CHUNK}


def first_objects(store: Store, run: str, number: int) -> frozenset[str]:
    """The key of the first object of each of a run's groups, so many; none where that cannot be told."""

    def first(group: int) -> str | None:
        try:
            document = records.read_sealed(store, keys.group_objects(run, group), dict)
            return str(document["objects"][0]["key"])
        except (NoSuchObject, Damaged, KeyError, IndexError, TypeError):  # not written yet, damaged, or of an inventory
            return None

    found = set(groups.ahead(first, range(number), READERS))
    return frozenset() if None in found else frozenset(key for key in found if key)


def chunks_near(plan: Plan, group: int, store: Store) -> list[Chunk]:
    """The chunks of the earlier run among which this group's are looked for; none where they are not there."""
    assert plan.reuse is not None
    try:
        source = read(store, plan.reuse)
    except IncompleteRun:
        return []

    def chunks(number: int) -> list[Chunk]:
        try:
            return [Chunk.from_json(json.loads(line)) for line in groups.read_chunks(source, number, store)[0]]
        except (NoSuchObject, Damaged):
            return []

    numbers = range(max(0, group - NEAR), min(source.groups, group + NEAR + 1))
    return [chunk for some in groups.ahead(chunks, numbers, READERS) for chunk in some]


def pack(
    slices: Iterable[Slice], there: Sequence[Chunk], chunk_loans: int
) -> Iterator[tuple[list[Slice], tuple[int, int] | None]]:
    """Chunks of these slices: those of `there` that have no others, each with its (group, chunk), and the rest packed
    as usual.
    """
    if not there:  # of millions of slices, none is kept
        yield from ((some, None) for some in pack_slices(slices, chunk_loans))
        return
    pieces = list(slices)
    left = dict.fromkeys(pieces)
    for chunk in there:
        if chunk.digest and all(piece in left for piece in chunk.slices):
            for piece in chunk.slices:
                del left[piece]
            yield list(chunk.slices), (chunk.group, chunk.number)
    for some in pack_slices(left, chunk_loans):
        yield some, None


def take_over(plan: Plan, chunk: Chunk, store: Store) -> Partial | None:
    """Write what the earlier run has of the chunk under this run's keys, the partial last, as if it had been simulated.

    Returns the partial; None, and nothing of the chunk can be relied on, where something is missing, damaged, or of
    other rows or another plan than it should be.
    """
    assert plan.reuse is not None
    assert chunk.reuse is not None
    begun = time.perf_counter()
    place = group, number = chunk.reuse
    try:
        source = read(store, keys.wave(plan.reuse, plan.wave))
        planned = groups.read_plan(source, group, store)
        partial = groups.chunk_partial(source, planned, group, number, store, Partial)
        same = _of_a_chunk(source) == _of_a_chunk(plan) and partial.slices == chunk.digest != ""
        known = partial.can_be_of(len(plan.cases), plan.parameters, plan.scenarios, len(plan.columns.dimensions))
        if not same or not known or (plan.asks_for_economies and partial.thresholds is None):
            return None
        if not plan.wave:
            _take_files(source, place, plan, chunk, partial, store)
    except (IncompleteRun, NoSuchObject, Damaged):
        return None
    partial.plan, partial.chunks, partial.reused = plan.digest, [(chunk.group, chunk.number)], 1
    partial.seconds, partial.kernel_seconds = time.perf_counter() - begun, 0.0
    partial.peak_memory_mb = peak_memory_mb()
    partial.thresholds = partial.thresholds if plan.asks_for_economies else None
    store.put(keys.chunk_partial(chunk.run, chunk.group, chunk.number), partial.to_bytes())
    return partial


def _take_files(source: Plan, place: tuple[int, int], plan: Plan, chunk: Chunk, partial: Partial, store: Store) -> None:
    """What a chunk of the first wave leaves beside its sums. Raises NoSuchObject, Damaged, IncompleteRun."""
    here = chunk.group, chunk.number
    loans = store.get(keys.chunk_loans(source.run, *place))
    _check_rows(loans, partial.counts.simulated)
    if partial.counts.rejected:
        rejects = store.get(keys.chunk_rejects(source.run, *place))
        _check_rows(rejects, partial.counts.rejected)
        store.put(keys.chunk_rejects(plan.run, *here), rejects)
    duplicates.put_chunk(plan, *here, duplicates.read_chunk(source, *place, store), store)
    if plan.by_borrower:
        borrowers.put_chunk(plan, *here, borrowers.read_chunk(source, *place, store), store)
    store.put(keys.chunk_loans(plan.run, *here), loans)


def _check_rows(data: bytes, rows: int) -> None:
    """Raise Damaged unless the Parquet file can be read and has so many rows."""
    try:
        found = pq.read_table(io.BytesIO(data)).num_rows
    except (pa.ArrowException, OSError) as error:
        raise Damaged(f"it cannot be read ({type(error).__name__})") from None
    if found != rows:
        raise Damaged(f"it has {found:,} rows, not {rows:,}")
