"""PlanGroup: cut one group's objects into chunks, and list those that are still to be simulated."""

import json
import re
from typing import Any

from montecarlo.errors import IncompleteRun
from montecarlo.run import groups
from montecarlo.run.chunk import Chunk
from montecarlo.run.plan import Plan, read
from montecarlo.source.cutting import slices
from montecarlo.source.grouping import pack
from montecarlo.source.listing import group_objects
from montecarlo.source.reading import READERS
from montecarlo.steps.protocol import Event, Host, objects_store
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"run", "group", "max_concurrency"} -> the same with "chunks" (their number), "chunks_key" and "map_prefix"."""
    run, group = event["run"], event["group"]
    plan = read(host.store, run)
    lists, _ = host.find_store(plan.portfolio)
    chunks = plan_chunks(plan, group, lists, objects_store(plan, host), host.store)
    places = {"chunks_key": keys.group_todo(run, group), "map_prefix": keys.map_results(run, group)}
    return {**event, "chunks": chunks, **places}


def plan_chunks(plan: Plan, group: int, lists: Store, portfolio: Store, store: Store) -> int:
    """Cut the group's objects into chunks, and list those that are still to be simulated. Returns their number.

    A group that was cut before, in an earlier execution of the run, is not read again; what is simulated already and
    intact is not simulated again. lists: where an inventory's files lie. Raises InvalidPortfolio for an unreadable
    object.
    """
    try:
        groups.read_plan(plan, group, store)
        chunks = groups.read_chunks(plan, group, store)
    except NoSuchObject:
        chunks = _cut_group(plan, group, lists, portfolio, store)
    done = find_done(plan, group, store)
    todo = [line for number, line in enumerate(chunks) if number not in done]
    store.put(keys.group_todo(plan.run, group), groups.json_lines(todo), "application/json")
    return len(todo)


def find_done(plan: Plan, group: int, store: Store) -> set[int]:
    """The chunks of the group whose partial is there, of this plan, and intact."""
    prefix = keys.chunk_partials(plan.run, group)
    numbers = [int(found[1]) for item in store.list(prefix) if (found := re.search(r"-(\d+)\.npz$", item.key))]

    def is_done(number: int) -> bool:
        try:
            return groups.chunk_partial(plan, group, number, store).counts.balanced()
        except IncompleteRun:
            return False

    return {number for number, done in zip(numbers, groups.ahead(is_done, numbers, READERS), strict=True) if done}


def _cut_group(plan: Plan, group: int, lists: Store, portfolio: Store, store: Store) -> list[str]:
    """Write chunks.json and group.json. Returns the chunks as JSON."""
    objects = group_objects(store.get_json(keys.group_objects(plan.run, group)), lists)
    chunks: list[str] = []
    rows: list[int | None] = []
    for number, pieces in enumerate(pack(slices(objects, portfolio, plan.chunk_loans), plan.chunk_loans)):
        chunk = Chunk(plan.run, group, number, tuple(pieces))
        chunks.append(json.dumps(chunk.to_json(), ensure_ascii=False))
        known = [piece.rows for piece in pieces if piece.rows]
        rows.append(sum(stop - start for start, stop in known) if len(known) == len(pieces) else None)
    groups.write_chunks(plan, group, chunks, rows, store)
    return chunks
