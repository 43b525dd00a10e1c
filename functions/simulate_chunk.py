"""SimulateChunk: simulate one chunk of loans in every scenario and case."""

from typing import Any

from montecarlo.host.runtime import data_store, logged, objects_store, planned_run
from montecarlo.run import chunk


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"run", "group", "chunk", "slices"}, an item of todo.json -> {"group", "chunk", "loans", "rejected"}."""
    work = chunk.Chunk.from_json(event)
    plan, drawn = planned_run(work.run)
    partial = chunk.run(work, plan, drawn, objects_store(plan), data_store())
    return {
        "group": work.group,
        "chunk": work.number,
        "loans": partial.counts.simulated,
        "rejected": partial.counts.rejected,
    }
