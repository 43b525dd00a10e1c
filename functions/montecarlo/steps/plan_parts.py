"""PlanParts: deal a portfolio to be generated out to files."""

from dataclasses import asdict
from typing import Any

from montecarlo.run.parts import Part
from montecarlo.run.request import DatagenRequest, datagen_request
from montecarlo.steps.protocol import Event, Host
from montecarlo.storage import keys
from montecarlo.storage.store import Store


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"request": the execution's input, "execution": its name} -> {"name", "max_concurrency", "parts_key"}."""
    request = datagen_request(event["request"], host.defaults(DatagenRequest))
    parts_key = plan_parts(request, host.store)
    return {"name": request.name, "max_concurrency": request.max_concurrency, "parts_key": parts_key}


def plan_parts(request: DatagenRequest, store: Store) -> str:
    """Write the parts as JSON and return their key. What a portfolio of the same name had is removed first."""
    for item in list(store.list(keys.portfolio(request.name))):
        store.delete(item.key)
    starts = range(0, request.loans, request.part_loans)
    parts = [
        Part(
            name=request.name,
            part=number,
            first=first,
            count=min(request.part_loans, request.loans - first),
            seed=request.seed,
            format=request.format,
            as_of=request.as_of,
        )
        for number, first in enumerate(starts)
    ]
    key = keys.portfolio_parts(request.name)
    store.put_json(key, [asdict(part) for part in parts])
    return key
