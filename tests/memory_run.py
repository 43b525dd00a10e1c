"""Both state machines in memory: their steps one after the other, on a host whose buckets are dictionaries.

What Step Functions does between the steps (retries, Map Runs, the limit of 256 KiB) is left to tests/system.
"""

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

from montecarlo.cost.estimate import Setup
from montecarlo.run.plan import Plan, read_scenarios
from montecarlo.run.request import RunRequest
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.simulation.kernel import Kernel
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
from montecarlo.steps.protocol import Fleet
from montecarlo.storage.store import Store
from tests.memory_s3 import MemoryS3

TODAY = date(2026, 1, 1)


class MemoryHost:
    """A `steps.protocol.Host` with one bucket in memory."""

    kernel: Kernel = "compiled"
    cache: Path | None = None

    def __init__(self, s3: MemoryS3 | None = None) -> None:
        self.s3 = s3 or MemoryS3()
        client: Any = self.s3
        self.store = Store("bucket", client)
        self._scenarios: dict[str, ScenarioFile] = {}

    def find_store(self, place: str) -> tuple[Store, str]:
        return self.store, place.removeprefix("s3://bucket/")

    def console(self, key: str) -> str:
        return f"https://console/{key}"

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

    @property
    def fleet(self) -> Fleet:
        raise NotImplementedError("there are no workers in memory")

    def call(self, module: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Run the step of a module."""
        output: dict[str, Any] = module.step(event, self)
        return output

    def json(self, key: str) -> Any:
        """A document of the bucket."""
        return json.loads(self.s3.objects[key])


Call = Callable[[Any, dict[str, Any]], dict[str, Any]]
"""Calls a step, which is given by its module, with its event."""


def generate(host: MemoryHost, call: Call | None = None, **request: Any) -> str:
    """The datagen state machine. Returns the key of the manifest."""
    call = call or host.call
    planned = call(plan_parts, {"request": request, "execution": "generate"})
    for part in host.json(planned["parts_key"]):
        call(generate_part, part)
    manifest: str = call(write_manifest, {name: planned[name] for name in ("name", "parts_key")})["manifest"]
    return manifest


def simulate(host: MemoryHost, **request: Any) -> dict[str, Any]:
    """The dataproc state machine. Returns result.json."""
    result: dict[str, Any] = host.json(dataproc(host, **request)["result"])
    return result


def dataproc(host: MemoryHost, call: Call | None = None, **request: Any) -> dict[str, Any]:
    """The dataproc state machine. Returns what its last step does."""
    call = call or host.call
    wave, more = 0, True
    while more:
        planned = call(plan, {"request": request, "execution": "execution", "wave": wave})
        for group in planned["groups"]:
            grouped = call(plan_group, group)
            for chunk in host.json(grouped["chunks_key"]) if grouped["chunks"] else []:
                call(simulate_chunk, chunk)
            call(reduce_group, {name: grouped[name] for name in ("run", "plan", "group")})
        done = call(aggregate, {name: planned[name] for name in ("run", "plan", "wave")})
        wave, more = done["wave"], done["more"]
    return done


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on how a run was carried out."""
    return {name: value for name, value in result.items() if name not in ("run", "versions", "timings", "cost")}
