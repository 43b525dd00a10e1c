"""What one group of a run is made of: its chunks as they were cut, and the partials that they leave."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from montecarlo.errors import IncompleteRun
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan
from montecarlo.storage import keys
from montecarlo.storage.sealed import Damaged
from montecarlo.storage.store import NoSuchObject, Store

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class PlannedGroup:
    """What must be there when a group is done: `rows` of each chunk, None where only the reader will know."""

    plan: str
    rows: list[int | None]

    @property
    def chunks(self) -> int:
        """The number of chunks."""
        return len(self.rows)


# ---------------------------------------------------------------------------------------------------------------------
# The group as it was cut


def read_plan(plan: Plan, group: int, store: Store) -> PlannedGroup:
    """The group as it was cut for this plan. Raises NoSuchObject if it was not."""
    key = keys.group_plan(plan.run, group)
    planned = PlannedGroup(**store.get_json(key))
    if planned.plan != plan.digest:
        raise NoSuchObject(f"{store.url(key)} is of another plan.")
    return planned


def planned_group(plan: Plan, group: int, store: Store) -> PlannedGroup:
    """As `read_plan`, for a group that must have been cut. Raises IncompleteRun if it was not."""
    try:
        return read_plan(plan, group, store)
    except NoSuchObject as error:
        raise IncompleteRun(f"{error} Group {group} was never planned.") from None


def read_chunks(plan: Plan, group: int, store: Store) -> list[str]:
    """The group's chunks as JSON, one text each."""
    lines = store.get(keys.group_chunks(plan.run, group)).decode().split("\n")[1:-1]
    return [line.removesuffix(",") for line in lines]


def write_chunks(plan: Plan, group: int, chunks: Sequence[str], rows: list[int | None], store: Store) -> None:
    """Write chunks.json, and group.json with the rows of each chunk last, as it says that chunks.json is whole."""
    store.put(keys.group_chunks(plan.run, group), json_lines(chunks), "application/json")
    store.put_json(keys.group_plan(plan.run, group), asdict(PlannedGroup(plan.digest, rows)))


def json_lines(lines: Sequence[str]) -> bytes:
    """A JSON array with an element on each line, so that it can be cut without being parsed."""
    return "\n".join(["[", *(f"{line}," for line in lines[:-1]), *lines[-1:], "]"]).encode()


# ---------------------------------------------------------------------------------------------------------------------
# Partials


def chunk_partial(plan: Plan, group: int, chunk: int, store: Store) -> Partial:
    """The partial of one chunk. Raises as `read_partial` does, and if it is another chunk's."""
    partial = read_partial(plan, keys.chunk_partial(plan.run, group, chunk), store)
    if partial.chunks != [(group, chunk)]:
        raise IncompleteRun(f"chunk {(group, chunk)} of run {plan.run} holds {partial.chunks[:3]}.")
    return partial


def read_partial(plan: Plan, key: str, store: Store) -> Partial:
    """The partial under the key. Raises IncompleteRun if it is missing, damaged or of another plan."""
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


def total(partials: Iterable[Partial | None]) -> Partial | None:
    """The sum of the partials that are there; None where there are none."""
    result: Partial | None = None
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
