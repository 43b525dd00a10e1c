"""ReduceGroup: add up one group's chunks."""

from dataclasses import dataclass
from typing import Any

from montecarlo.errors import IncompleteRun
from montecarlo.run import borrowers, duplicates, groups
from montecarlo.run.groups import Sums
from montecarlo.run.left import kind_of, leaves_keys, leaves_obligors
from montecarlo.run.plan import Plan, read
from montecarlo.steps.protocol import Event, Host, read_event
from montecarlo.storage import keys
from montecarlo.storage.store import Store


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"run", "plan", "group"} -> {"group", "chunks", "loans"}."""
    given = read_event(ReduceEvent, event)
    total = reduce(read(host.store, given.run, given.plan), given.group, host.store)
    chunks, loans = (len(total.chunks), total.counts.simulated) if total else (0, 0)
    return {"group": given.group, "chunks": chunks, "loans": loans}


@dataclass(frozen=True)
class ReduceEvent:
    """A group whose chunks are done."""

    run: str
    group: int
    plan: str | None = None


def reduce(plan: Plan, group: int, store: Store) -> Sums | None:
    """Add up the group's chunks and write the sum; None where the group has no rows.

    Memory does not grow with the number of chunks. Raises IncompleteRun if one is missing or not what was planned.
    """
    planned, kind = groups.planned_group(plan, group, store), kind_of(plan)

    def checked(chunk: int) -> Sums:
        partial = groups.chunk_partial(plan, planned, group, chunk, store, kind)
        rows = planned.rows[chunk]
        if rows is not None and partial.counts.read != rows:
            raise IncompleteRun(f"chunk {(group, chunk)} has {partial.counts.read:,} rows, but {rows:,} were planned.")
        if not partial.counts.balanced():
            raise IncompleteRun(f"rows of chunk {(group, chunk)} do not add up: {partial.counts}.")
        return partial

    total = groups.total(groups.ahead(checked, range(planned.chunks)))
    if leaves_keys(plan):
        batches = duplicates.reduce(plan, group, planned.chunks, store)
        if leaves_obligors(plan):
            borrowers.reduce(plan, group, batches, store)
    if total is not None:
        store.put(keys.group_partial(plan.run, group), total.to_bytes())
    return total
