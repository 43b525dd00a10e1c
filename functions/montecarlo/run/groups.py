"""One group of a run: its objects become chunks, and its chunks' partials become one."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, TypeVar

from montecarlo.errors import IncompleteRun, InvalidPortfolio
from montecarlo.portfolio.files import count_rows, row_group_ends
from montecarlo.run.chunk import Chunk
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan
from montecarlo.source import listing
from montecarlo.source.cutting import check_divisible, csv_slices, row_slices, taken_whole
from montecarlo.source.grouping import pack
from montecarlo.source.objects import InputObject, Slice
from montecarlo.source.reading import READERS
from montecarlo.storage import keys
from montecarlo.storage.sealed import Damaged
from montecarlo.storage.store import NoSuchObject, Store

OBJECTS_AT_ONCE = 1_000
"""Objects that are cut before the next are looked at: bounds memory."""

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class PlannedGroup:
    """What must be there when a group is done: `rows` of each chunk, None where only the reader will know."""

    plan: str
    rows: list[int | None]

    @property
    def chunks(self) -> int:
        return len(self.rows)


def plan_chunks(plan: Plan, group: int, lists: Store, portfolio: Store, store: Store) -> int:
    """Cut the group's objects into chunks, and list those that are still to be simulated. Returns their number.

    A group that was cut before, in an earlier execution of the run, is not read again; what is simulated already and
    intact is not simulated again. lists: where an inventory's files lie. Raises InvalidPortfolio for an unreadable
    object.
    """
    try:
        read_plan(plan, group, store)
        chunks = read_chunks(plan, group, store)
    except NoSuchObject:
        chunks = _cut_group(plan, group, lists, portfolio, store)
    done = find_done(plan, group, store)
    todo = [line for number, line in enumerate(chunks) if number not in done]
    store.put(keys.group_todo(plan.run, group), _json_lines(todo), "application/json")
    return len(todo)


def _cut_group(plan: Plan, group: int, lists: Store, portfolio: Store, store: Store) -> list[str]:
    """Write chunks.json and group.json. Returns the chunks as JSON."""
    objects = listing.group_objects(store.get_json(keys.group_objects(plan.run, group)), lists)
    chunks: list[str] = []
    rows: list[int | None] = []
    for number, pieces in enumerate(pack(_slices(objects, portfolio, plan), plan.chunk_loans)):
        chunk = Chunk(plan.run, group, number, tuple(pieces))
        chunks.append(json.dumps(chunk.to_json(), ensure_ascii=False))
        known = [piece.rows for piece in pieces if piece.rows]
        rows.append(sum(stop - start for start, stop in known) if len(known) == len(pieces) else None)
    write_chunks(plan, group, chunks, rows, store)
    return chunks


def read_chunks(plan: Plan, group: int, store: Store) -> list[str]:
    """The group's chunks as JSON, one text each."""
    lines = store.get(keys.group_chunks(plan.run, group)).decode().split("\n")[1:-1]
    return [line.removesuffix(",") for line in lines]


def write_chunks(plan: Plan, group: int, chunks: Sequence[str], rows: list[int | None], store: Store) -> None:
    """Write chunks.json, and group.json with the rows of each chunk last, as it says that chunks.json is whole."""
    store.put(keys.group_chunks(plan.run, group), _json_lines(chunks), "application/json")
    store.put_json(keys.group_plan(plan.run, group), asdict(PlannedGroup(plan.digest, rows)))


def _json_lines(lines: Sequence[str]) -> bytes:
    """A JSON array with an element on each line, so that it can be cut without being parsed."""
    return "\n".join(["[", *(f"{line}," for line in lines[:-1]), *lines[-1:], "]"]).encode()


def _slices(objects: Iterator[InputObject], portfolio: Store, plan: Plan) -> Iterator[Slice]:
    """The slices of all objects, in their order."""
    with ThreadPoolExecutor(READERS) as pool:
        while some := list(islice(objects, OBJECTS_AT_ONCE)):
            for pieces in pool.map(lambda item: cut(item, portfolio, plan), some):
                yield from pieces


def cut(item: InputObject, portfolio: Store, plan: Plan) -> list[Slice]:
    """One object's slices of at most plan.chunk_loans rows."""
    check_divisible(item)
    try:
        if taken_whole(item, plan.chunk_loans):
            return [Slice(item.key, item.size, item.format, etag=item.etag)]
        if item.format == "csv":
            return csv_slices(item, portfolio.stream(item.key, item.etag), plan.chunk_loans)
        if item.rows is not None:
            return row_slices(item, [item.rows], plan.chunk_loans)
        file = portfolio.open(item.key, item.size, item.etag)
        if item.format == "parquet":
            return row_slices(item, row_group_ends(file, item.key), plan.chunk_loans)
        return row_slices(item, [count_rows(file, item.key, item.format)], plan.chunk_loans)
    except NoSuchObject as error:
        raise InvalidPortfolio(f"{error} It was there when the portfolio was listed.") from None


def read_plan(plan: Plan, group: int, store: Store) -> PlannedGroup:
    """The group as it was cut for this plan. Raises NoSuchObject if it was not."""
    key = keys.group_plan(plan.run, group)
    planned = PlannedGroup(**store.get_json(key))
    if planned.plan != plan.digest:
        raise NoSuchObject(f"{store.url(key)} is of another plan.")
    return planned


def find_done(plan: Plan, group: int, store: Store) -> set[int]:
    """The chunks of the group whose partial is there, of this plan, and intact."""
    prefix = keys.chunk_partials(plan.run, group)
    numbers = [int(found[1]) for item in store.list(prefix) if (found := re.search(r"-(\d+)\.npz$", item.key))]

    def is_done(number: int) -> bool:
        try:
            return _partial(plan, group, number, store).counts.balanced()
        except IncompleteRun:
            return False

    return {number for number, done in zip(numbers, _ahead(is_done, numbers, READERS), strict=True) if done}


def reduce(plan: Plan, group: int, store: Store) -> Partial | None:
    """Add up the group's chunks and write the sum; None where the group has no rows.

    Memory does not grow with the number of chunks. Raises IncompleteRun if one is missing or not what was planned.
    """
    planned = _planned(plan, group, store)

    def checked(number: int) -> Partial:
        partial = _partial(plan, group, number, store)
        rows = planned.rows[number]
        if rows is not None and partial.counts.read != rows:
            raise IncompleteRun(f"chunk {(group, number)} has {partial.counts.read:,} rows, but {rows:,} were planned.")
        if not partial.counts.balanced():
            raise IncompleteRun(f"rows of chunk {(group, number)} do not add up: {partial.counts}.")
        return partial

    total = _sum(_ahead(checked, range(planned.chunks)))
    if total is not None:
        store.put(keys.group_partial(plan.run, group), total.to_bytes())
    return total


def add_up(plan: Plan, store: Store) -> Partial:
    """The sum of all groups. Raises IncompleteRun unless every planned chunk is in it exactly once."""

    def checked(group: int) -> Partial | None:
        planned = {(group, chunk) for chunk in range(_planned(plan, group, store).chunks)}
        if not planned:
            return None
        partial = _read(plan, keys.group_partial(plan.run, group), store)
        if missing := planned - set(partial.chunks):
            raise IncompleteRun(
                f"{len(missing)} of {len(planned)} chunks of group {group} are missing, the first {min(missing)} "
                "(group, chunk)."
            )
        if len(partial.chunks) > len(planned):
            raise IncompleteRun(f"group {group} holds chunks that were never planned, or some of them twice.")
        return partial

    total = _sum(_ahead(checked, range(plan.groups)))
    if total is None:
        raise InvalidPortfolio(f"portfolio {plan.portfolio} has no rows.")
    return total


def _planned(plan: Plan, group: int, store: Store) -> PlannedGroup:
    try:
        return read_plan(plan, group, store)
    except NoSuchObject as error:
        raise IncompleteRun(f"{error} Group {group} was never planned.") from None


def _partial(plan: Plan, group: int, chunk: int, store: Store) -> Partial:
    partial = _read(plan, keys.chunk_partial(plan.run, group, chunk), store)
    if partial.chunks != [(group, chunk)]:
        raise IncompleteRun(f"chunk {(group, chunk)} of run {plan.run} holds {partial.chunks[:3]}.")
    return partial


def _read(plan: Plan, key: str, store: Store) -> Partial:
    """The partial under the key, which must be of this plan."""
    try:
        partial = Partial.from_bytes(store.get(key))
    except NoSuchObject as error:
        raise IncompleteRun(f"{error} Its chunk did not finish; nothing was published.") from None
    except Damaged as error:
        raise IncompleteRun(
            f"{store.url(key)} is damaged: {error}. Start the run again under its name to have it made anew."
        ) from None
    if partial.plan != plan.digest:
        raise IncompleteRun(f"{store.url(key)} was made for another plan; use a new run name.")
    return partial


def _sum(partials: Iterable[Partial | None]) -> Partial | None:
    total: Partial | None = None
    for partial in partials:
        if total is None:
            total = partial
        elif partial is not None:
            total.add(partial)
    return total


def _ahead(do: Callable[[T], U], things: Iterable[T], ahead: int = 4) -> Iterator[U]:
    """do(thing) for each thing, in order, with a few under way at any time."""
    with ThreadPoolExecutor(ahead) as pool:
        waiting: list[Any] = []
        for thing in things:
            waiting.append(pool.submit(do, thing))
            if len(waiting) > ahead:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
