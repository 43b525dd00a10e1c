"""PlanParts: deal a portfolio to be generated out to files."""

from typing import Any

from montecarlo.host.runtime import data_store, defaults, logged
from montecarlo.run import datagen as datagen_run
from montecarlo.run.request import DatagenRequest, datagen_request


@logged
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """{"request": the execution's input, "execution": its name} -> {"name", "max_concurrency", "parts_key"}."""
    request = datagen_request(event["request"], defaults(DatagenRequest))
    parts_key = datagen_run.plan_parts(request, data_store())
    return {"name": request.name, "max_concurrency": request.max_concurrency, "parts_key": parts_key}
