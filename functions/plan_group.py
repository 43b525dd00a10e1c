"""PlanGroup: cut one group's objects into chunks."""

from typing import Any

from montecarlo import group, layout, plan
from montecarlo.runtime import data_store, logged, portfolio_store


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"run", "group", "max_concurrency"} -> the same with "chunks" (their number), "chunks_key" and "map_prefix"."""
    run, number = event["run"], event["group"]
    planned = plan.read(data_store(), run)
    portfolio, _ = portfolio_store(planned.portfolio)
    chunks = group.plan_chunks(planned, number, portfolio, data_store())
    places = {"chunks_key": layout.group_chunks(run, number), "map_prefix": layout.map_results(run, number)}
    return {**event, "chunks": len(chunks), **places}
