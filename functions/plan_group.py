"""PlanGroup: cut one group's objects into chunks, and list those that are still to be simulated."""

from typing import Any

from montecarlo.host.runtime import data_store, logged, objects_store, portfolio_store
from montecarlo.run import groups as group
from montecarlo.run import plan
from montecarlo.storage import keys


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"run", "group", "max_concurrency"} -> the same with "chunks" (their number), "chunks_key" and "map_prefix"."""
    run, number = event["run"], event["group"]
    planned = plan.read(data_store(), run)
    lists, _ = portfolio_store(planned.portfolio)
    chunks = group.plan_chunks(planned, number, lists, objects_store(planned), data_store())
    places = {"chunks_key": keys.group_todo(run, number), "map_prefix": keys.map_results(run, number)}
    return {**event, "chunks": chunks, **places}
