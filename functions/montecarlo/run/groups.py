"""What one group of a run is made of: its chunks as they were cut, and the partials that they leave."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self, TypeVar

from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun
from montecarlo.run import records
from montecarlo.run.chunk import Chunk
from montecarlo.run.partial import Counts
from montecarlo.run.plan import Plan
from montecarlo.storage import keys
from montecarlo.storage.store import JSON, NoSuchObject, Store

T = TypeVar("T")
U = TypeVar("U")


class Sums(Protocol):
    """What some chunks add up to: a `Partial` of a wave, or a `Weighed` of the pass over the tail."""

    plan: str
    chunks: list[tuple[int, int]]
    counts: Counts
    slices: str

    def add(self, other: Self) -> None:
        """Add `other` to this one."""

    def to_bytes(self) -> bytes:
        """As a sealed file."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reverse of `to_bytes`. Raises Damaged."""


S = TypeVar("S", bound=Sums)


@dataclass(frozen=True)
class PlannedGroup:
    """What must be there when a group is done: of each chunk its `rows`, None where only the reader will know, and the
    digest of its `slices`, see `Chunk.digest`.
    """

    plan: str
    rows: list[int | None]
    slices: list[str]
    chunks_sha256: str

    @property
    def chunks(self) -> int:
        """The number of chunks."""
        return len(self.rows)


# ---------------------------------------------------------------------------------------------------------------------
# The group as it was cut


def read_plan(plan: Plan, group: int, store: Store) -> PlannedGroup:
    """The group as it was cut for this plan. Raises NoSuchObject if it was not, Damaged."""
    key = keys.group_plan(plan.run, group)
    planned = records.read_sealed(store, key, PlannedGroup)
    if planned.plan != plan.digest:
        raise NoSuchObject(f"{store.url(key)} is of another plan.")
    return planned


def planned_group(plan: Plan, group: int, store: Store) -> PlannedGroup:
    """As `read_plan`, for a group that must have been cut. Raises IncompleteRun if it was not."""
    try:
        return read_plan(plan, group, store)
    except NoSuchObject as error:
        raise IncompleteRun(f"{error} Group {group} was never planned: start the run again under its name.") from None
    except Damaged as error:
        raise records.incomplete(error) from None


def read_chunks(plan: Plan, group: int, store: Store) -> tuple[list[str], PlannedGroup]:
    """The group's chunks as JSON, one text each, as they were cut for this plan. Raises NoSuchObject, Damaged."""
    planned = read_plan(plan, group, store)
    key = keys.group_chunks(plan.run, group)
    data = store.get(key)
    if hashlib.sha256(data).hexdigest() != planned.chunks_sha256:
        raise Damaged(f"{store.url(key)} is damaged: it is not what group.json says.")
    return [line.removesuffix(",") for line in data.decode().split("\n")[1:-1]], planned


def write_chunks(plan: Plan, group: int, chunks: Iterable[Chunk], store: Store) -> tuple[list[str], PlannedGroup]:
    """Write chunks.json, and group.json with the rows and slices of each chunk last: it says that chunks.json is whole.

    Returns the chunks as JSON, one text each, and what group.json holds.
    """
    lines: list[str] = []
    rows: list[int | None] = []
    slices: list[str] = []
    for chunk in chunks:
        lines.append(json.dumps(chunk.to_json(), ensure_ascii=False))
        slices.append(chunk.digest)
        known = [piece.rows for piece in chunk.slices if piece.rows]
        rows.append(sum(stop - start for start, stop in known) if len(known) == len(chunk.slices) else None)
    data = json_lines(lines)
    store.put(keys.group_chunks(plan.run, group), data, JSON)
    planned = PlannedGroup(plan.digest, rows, slices, hashlib.sha256(data).hexdigest())
    records.write_sealed(store, keys.group_plan(plan.run, group), asdict(planned))
    return lines, planned


def json_lines(lines: Sequence[str]) -> bytes:
    """A JSON array with an element on each line, so that it can be cut without being parsed."""
    return "\n".join(["[", *(f"{line}," for line in lines[:-1]), *lines[-1:], "]"]).encode()


# ---------------------------------------------------------------------------------------------------------------------
# Partials


def chunk_partial(plan: Plan, planned: PlannedGroup, group: int, chunk: int, store: Store, kind: type[S]) -> S:
    """The partial of one chunk, one of `kind`. Raises as `read_partial` does, and if it is another chunk's or was made
    of other rows or versions of the objects: a group that had to be cut again may be cut from objects that were written
    again.
    """
    partial = read_partial(plan, keys.chunk_partial(plan.run, group, chunk), store, kind)
    if partial.chunks != [(group, chunk)]:
        raise IncompleteRun(f"chunk {(group, chunk)} of run {plan.run} holds {partial.chunks[:3]}.")
    if partial.slices and partial.slices not in planned.slices[chunk : chunk + 1]:
        raise IncompleteRun(
            f"chunk {(group, chunk)} of run {plan.run} was made before its group was cut again, of other rows or other "
            "versions of its objects: start the run again under its name to have it made anew."
        )
    return partial


def read_partial(plan: Plan, key: str, store: Store, kind: type[S]) -> S:
    """The partial under the key, one of `kind`. Raises IncompleteRun if it is missing, damaged or of another plan."""
    try:
        partial = kind.from_bytes(store.get(key))
    except NoSuchObject as error:
        raise IncompleteRun(
            f"{error} Its chunk did not finish; nothing was published. Start the run again under its name."
        ) from None
    except (Damaged, KeyError, TypeError, ValueError) as error:  # sealed, but by another version of this project
        raise IncompleteRun(
            f"{store.url(key)} is damaged: {error}. Start the run again under its name to have it made anew."
        ) from None
    if partial.plan != plan.digest:
        raise IncompleteRun(f"{store.url(key)} was made for another plan; use a new run name.")
    return partial


def total(partials: Iterable[S | None]) -> S | None:
    """The sum of the partials that are there; None where there are none."""
    result: S | None = None
    for partial in partials:
        if result is None:
            result = partial
        elif partial is not None:
            result.add(partial)
    return result


def ahead(do: Callable[[T], U], things: Iterable[T], at_once: int = 4) -> Iterator[U]:
    """do(thing) for each thing, in order, with a few under way at any time: bounds memory."""
    with ThreadPoolExecutor(at_once) as pool:
        waiting: list[Any] = []
        for thing in things:
            waiting.append(pool.submit(do, thing))
            if len(waiting) > at_once:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
