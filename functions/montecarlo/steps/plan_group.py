"""PlanGroup: cut one group's objects into chunks, and list those that are still to be simulated."""

import re
from dataclasses import dataclass
from typing import Any

from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun
from montecarlo.run import borrowers, duplicates, groups, records, reuse
from montecarlo.run.chunk import Chunk
from montecarlo.run.groups import PlannedGroup
from montecarlo.run.left import kind_of, leaves_keys, leaves_obligors
from montecarlo.run.plan import Plan, read
from montecarlo.source.cutting import slices
from montecarlo.source.listing import GroupDocument, group_objects
from montecarlo.source.reading import READERS
from montecarlo.steps.protocol import Event, Host, objects_store, read_event
from montecarlo.storage import keys
from montecarlo.storage.store import JSON, NoSuchObject, Store


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"run", "plan", "group", "max_concurrency"} -> the same with "chunks" (their number), "chunks_key" and
    "map_prefix".
    """
    given = read_event(GroupEvent, event)
    plan = read(host.store, given.run, given.plan)
    lists, _ = host.find_store(plan.portfolio)
    chunks = plan_chunks(plan, given.group, lists, objects_store(plan, host), host.store)
    places = {
        "chunks_key": keys.group_todo(given.run, given.group),
        "map_prefix": keys.map_results(given.run, given.group),
    }
    return {**event, "chunks": chunks, **places}


@dataclass(frozen=True)
class GroupEvent:
    """An item of Plan's output."""

    run: str
    group: int
    max_concurrency: int
    plan: str | None = None


def plan_chunks(plan: Plan, group: int, lists: Store, portfolio: Store, store: Store) -> int:
    """Cut the group's objects into chunks, and list those that are still to be simulated. Returns their number.

    A group that was cut before, in an earlier execution of the run, is not read again; what is simulated already and
    intact is not simulated again. lists: where an inventory's files lie. Raises InvalidPortfolio for an unreadable
    object.
    """
    try:
        chunks, planned = groups.read_chunks(plan, group, store)
    except (NoSuchObject, Damaged):
        chunks, planned = _cut_group(plan, group, lists, portfolio, store)
    done = find_done(plan, planned, group, store)
    todo = [line for number, line in enumerate(chunks) if number not in done]
    store.put(keys.group_todo(plan.run, group), groups.json_lines(todo), JSON)
    return len(todo)


def find_done(plan: Plan, planned: PlannedGroup, group: int, store: Store) -> set[int]:
    """The chunks of the group whose partial and tallies are there, of this plan and this cut, and intact."""
    prefix = keys.chunk_partials(plan.run, group)
    numbers = [int(found[1]) for item in store.list(prefix) if (found := re.search(r"-(\d+)\.npz$", item.key))]

    kind = kind_of(plan)

    def is_done(number: int) -> bool:
        try:
            if leaves_keys(plan):
                duplicates.read_chunk(plan, group, number, store)
            if leaves_obligors(plan):
                borrowers.read_chunk(plan, group, number, store)
            return groups.chunk_partial(plan, planned, group, number, store, kind).counts.balanced()
        except IncompleteRun:
            return False

    return {number for number, done in zip(numbers, groups.ahead(is_done, numbers, READERS), strict=True) if done}


def _cut_group(plan: Plan, group: int, lists: Store, portfolio: Store, store: Store) -> tuple[list[str], PlannedGroup]:
    """Write chunks.json and group.json. Returns the chunks as JSON, and what group.json holds."""
    objects = group_objects(_read_objects(plan, group, store), lists)
    cut = slices(objects, portfolio, plan.chunk_loans, plan.columns.dialect)
    there = reuse.chunks_near(plan, group, store) if plan.reuse else []
    chunks = (
        Chunk(plan.run, group, number, tuple(pieces), plan.digest, place)
        for number, (pieces, place) in enumerate(reuse.pack(cut, there, plan.chunk_loans))
    )
    return groups.write_chunks(plan, group, chunks, store)


def _read_objects(plan: Plan, group: int, store: Store) -> GroupDocument:
    """What Plan dealt out to the group. Raises IncompleteRun."""
    key = keys.group_objects(plan.run, group)
    try:
        document = records.read_sealed(store, key, dict)
    except (NoSuchObject, Damaged) as error:
        raise records.incomplete(error) from None
    if document.pop("plan", None) != plan.digest:
        raise records.incomplete(Damaged(f"{store.url(key)} is of another plan."))
    return document
