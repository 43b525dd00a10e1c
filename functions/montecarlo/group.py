"""One group of a run: its objects become chunks, and its chunks' partials become one."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from montecarlo import layout
from montecarlo.chunk import Chunk
from montecarlo.errors import IncompleteRun, InvalidPortfolio
from montecarlo.partial import Partial
from montecarlo.plan import Plan
from montecarlo.planning import InputObject, Slice, csv_slices, pack, row_slices, taken_whole
from montecarlo.portfolio import count_rows
from montecarlo.storage import NoSuchObject, Store

READERS = 16
"""Objects read at once: S3 answers in tens of milliseconds, so one after the other would waste the function's time."""


def plan_chunks(plan: Plan, group: int, portfolio: Store, store: Store) -> list[Chunk]:
    """Cut the group's objects into chunks and write chunks.json. Raises InvalidPortfolio for an unreadable object."""
    objects = [InputObject(**entry) for entry in store.get_json(layout.group_objects(plan.run, group))]
    with ThreadPoolExecutor(READERS) as pool:
        slices = [piece for pieces in pool.map(lambda item: cut(item, portfolio, plan), objects) for piece in pieces]
    packed = pack(slices, plan.chunk_loans)
    chunks = [Chunk(plan.run, group, number, tuple(pieces)) for number, pieces in enumerate(packed)]
    store.put_json(layout.group_chunks(plan.run, group), [chunk.to_json() for chunk in chunks])
    return chunks


def cut(item: InputObject, portfolio: Store, plan: Plan) -> list[Slice]:
    """One object's slices of at most plan.chunk_loans rows."""
    try:
        if taken_whole(item, plan.chunk_loans):
            return [Slice(item.key, item.size, item.format)]
        if item.format == "csv":
            return csv_slices(item, portfolio.stream(item.key), plan.chunk_loans)
        rows = (
            item.rows
            if item.rows is not None
            else count_rows(portfolio.open(item.key, item.size), item.key, item.format)
        )
        return row_slices(item, rows, plan.chunk_loans)
    except NoSuchObject as error:
        raise InvalidPortfolio(f"{error} It was there when the run was planned.") from None


def reduce(plan: Plan, group: int, store: Store) -> Partial:
    """Add up the group's chunks and write the sum. Raises IncompleteRun if one is missing.

    Memory does not grow with their number.
    """
    chunks = store.get_json(layout.group_chunks(plan.run, group))
    keys = [layout.chunk_partial(plan.run, group, chunk["chunk"]) for chunk in chunks]
    total = add_up(plan, keys, store)
    store.put(layout.group_partial(plan.run, group), total.to_bytes())
    return total


def add_up(plan: Plan, keys: Iterable[str], store: Store) -> Partial:
    """The sum of the partials under `keys`, each checked against the plan, a few read ahead."""
    total: Partial | None = None
    for data in _read_ahead(keys, lambda key: _get(store, key)):
        partial = Partial.from_bytes(data)
        if partial.plan != plan.digest:
            raise IncompleteRun(
                f"chunks {partial.chunks[:3]} of run {plan.run} were made for another plan; use a new run name."
            )
        if total is None:
            total = partial
        else:
            total.add(partial)
    if total is None:
        raise InvalidPortfolio(f"portfolio {plan.portfolio} has no rows.")
    return total


def _get(store: Store, key: str) -> bytes:
    try:
        return store.get(key)
    except NoSuchObject as error:
        raise IncompleteRun(f"{error} Its chunk did not finish; nothing was published.") from None


def _read_ahead(keys: Iterable[str], read: Callable[[str], bytes], ahead: int = 4) -> Iterator[bytes]:
    """read(key) for each key, in order, with a few reads under way at any time."""
    with ThreadPoolExecutor(ahead) as pool:
        waiting: list[Any] = []
        for key in keys:
            waiting.append(pool.submit(read, key))
            if len(waiting) > ahead:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
