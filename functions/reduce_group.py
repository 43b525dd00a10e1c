"""ReduceGroup: add up one group's chunks."""

from typing import Any

from montecarlo.host.runtime import data_store, logged
from montecarlo.run import groups as group
from montecarlo.run import plan


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"run", "group"} -> {"group", "chunks", "loans"}."""
    planned = plan.read(data_store(), event["run"])
    total = group.reduce(planned, event["group"], data_store())
    chunks, loans = (len(total.chunks), total.counts.simulated) if total else (0, 0)
    return {"group": event["group"], "chunks": chunks, "loans": loans}
