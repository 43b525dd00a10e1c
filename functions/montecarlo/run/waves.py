"""More scenarios for a run, a wave at a time, until its estimates are as precise as was asked.

A wave is the same portfolio, cut in the same chunks, under as many new scenarios. It lies under its own prefix of the
run, where the state machine works on it as on a run of its own; what earlier waves computed stays and is added up with
it.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from montecarlo.model.scenarios import draw
from montecarlo.model.tables import model_tables
from montecarlo.run import groups as group
from montecarlo.run.plan import Plan, read
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.source.reading import READERS
from montecarlo.storage import keys
from montecarlo.storage.store import Store


def plan_next(run: str, wave: int, store: Store) -> Plan:
    """Plan a wave of the run, by its number from 1: new scenarios for the chunks that the first wave was cut into."""
    first = read(store, run)
    tables = model_tables(first.parameters, first.cases)
    drawn = ScenarioFile(tables, draw(first.parameters, first.scenarios, first.seed, first.design, wave))
    plan = replace(first, run=keys.wave(run, wave), wave=wave, scenarios_digest=drawn.digest())
    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(lambda number: _copy_group(first, plan, number, store), range(first.groups)))
    store.put(keys.scenarios(plan.run), drawn.to_bytes())
    store.put_json(keys.plan(plan.run), plan.to_json(), indent=1)
    return plan


def plans(run: str, waves: int, store: Store) -> list[Plan]:
    """The plans of the run's first so many waves."""
    return [read(store, keys.wave(run, wave)) for wave in range(waves)]


def _copy_group(first: Plan, plan: Plan, number: int, store: Store) -> None:
    chunks = [json.dumps(_of_run(json.loads(line), plan.run)) for line in group.read_chunks(first, number, store)]
    group.write_chunks(plan, number, chunks, group.read_plan(first, number, store).rows, store)


def _of_run(chunk: dict[str, Any], run: str) -> dict[str, Any]:
    return {**chunk, "run": run}
