"""SimulateChunk: simulate one chunk of loans in every scenario and case."""

from typing import Any

from montecarlo import chunk
from montecarlo.runtime import data_store, logged, planned_run, portfolio_store


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"run", "group", "chunk", "slices"}, an item of chunks.json -> {"group", "chunk", "loans", "rejected"}."""
    work = chunk.Chunk.from_json(event)
    plan, table = planned_run(work.run)
    portfolio, _ = portfolio_store(plan.portfolio)
    partial = chunk.run(work, plan, table, portfolio, data_store())
    return {
        "group": work.group,
        "chunk": work.number,
        "loans": partial.counts.simulated,
        "rejected": partial.counts.rejected,
    }
