"""Both state machines in memory: their steps one after the other, on a host whose buckets are dictionaries.

What Step Functions does between the steps (retries, Map Runs, the limit of 256 KiB) is left to tests/system.
"""

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from typing import Any

from montecarlo.cost.estimate import Setup
from montecarlo.run.plan import Plan, read_scenarios
from montecarlo.run.request import RunRequest
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.steps import (
    aggregate,
    generate_part,
    plan,
    plan_group,
    plan_parts,
    reduce_group,
    simulate_chunk,
    write_manifest,
)
from montecarlo.storage.store import Store
from tests.memory_s3 import MemoryS3

TODAY = date(2026, 1, 1)


class MemoryHost:
    """A `steps.protocol.Host` with one bucket in memory."""

    def __init__(self, s3: MemoryS3 | None = None) -> None:
        self.s3 = s3 or MemoryS3()
        client: Any = self.s3
        self.store = Store("bucket", client)
        self._scenarios: dict[str, ScenarioFile] = {}

    def find_store(self, place: str) -> tuple[Store, str]:
        return self.store, place.removeprefix("s3://bucket/")

    def scenarios(self, plan: Plan) -> ScenarioFile:
        if plan.scenarios_digest not in self._scenarios:
            self._scenarios[plan.scenarios_digest] = read_scenarios(self.store, plan)
        return self._scenarios[plan.scenarios_digest]

    def defaults(self, kind: type) -> dict[str, Any]:
        return dict.fromkeys(field.name for field in fields(kind))

    def setup(self, request: RunRequest) -> Setup:
        return Setup(max_concurrency=request.max_concurrency, max_groups=request.max_groups)

    def today(self) -> date:
        return TODAY

    def json(self, key: str) -> Any:
        """A document of the bucket."""
        return json.loads(self.s3.objects[key])


def generate(host: MemoryHost, **request: Any) -> str:
    """The datagen state machine. Returns the key of the manifest."""
    planned = plan_parts.step({"request": request, "execution": "generate"}, host)
    for part in host.json(planned["parts_key"]):
        generate_part.step(part, host)
    written = write_manifest.step({"name": planned["name"], "parts_key": planned["parts_key"]}, host)
    manifest: str = written["manifest"]
    return manifest


def simulate(host: MemoryHost, **request: Any) -> dict[str, Any]:
    """The dataproc state machine. Returns result.json."""
    *_, last = dataproc(host, **request)
    result: dict[str, Any] = host.json(last["result"])
    return result


def dataproc(host: MemoryHost, execution: str = "execution", **request: Any) -> Iterator[dict[str, Any]]:
    """The outputs of the dataproc state machine's steps, one after the other, to the end of the last wave."""
    wave, more = 0, True
    while more:
        planned = plan.step({"request": request, "execution": execution, "wave": wave}, host)
        yield planned
        for group in planned["groups"]:
            grouped = plan_group.step(group, host)
            yield grouped
            for chunk in host.json(grouped["chunks_key"]) if grouped["chunks"] else []:
                yield simulate_chunk.step(chunk, host)
            yield reduce_group.step({"run": grouped["run"], "group": grouped["group"]}, host)
        aggregated = aggregate.step({"run": planned["run"], "wave": wave}, host)
        yield aggregated
        wave, more = aggregated["wave"], aggregated["more"]


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on how a run was carried out."""
    return {name: value for name, value in result.items() if name not in ("run", "versions", "timings", "cost")}
