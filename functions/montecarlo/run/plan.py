"""The plan of a run: everything that decides its numbers, written once and read by every worker."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from typing import Any, Self

from montecarlo import MODEL_VERSION, __version__
from montecarlo.errors import IncompleteRun
from montecarlo.model.cases import Case
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.scenarios import Design
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

SCHEMA = 1

PUBLISHING_FIELDS = {
    "max_rejected_share",
    "target_error",
    "target_measure",
    "max_scenarios",
    "levels",
    "contribution_level",
}
"""Fields of a plan that a resumed run may change: they decide whether and how a result is published, not what a wave
gives.
"""


@dataclass(frozen=True)
class Plan:
    """A run as it was planned. Equal plans give equal numbers; `digest` names a plan."""

    run: str
    portfolio: str
    bucket: str
    as_of: date
    seed: int
    scenarios: int
    chunk_loans: int
    sample: int
    max_rejected_share: float
    mapping: Mapping[str, Any] | None
    parameters: Parameters
    cases: tuple[Case, ...]
    design: Design
    groups: int
    objects_digest: str
    scenarios_digest: str
    target_error: float | None
    target_measure: str
    max_scenarios: int
    levels: tuple[float, ...]
    contribution_level: float
    wave: int = 0
    version: str = __version__
    model: str = MODEL_VERSION

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides the plan's numbers."""
        return hashlib.sha256(json.dumps(self.decisive(), sort_keys=True).encode()).hexdigest()

    def decisive(self) -> dict[str, Any]:
        """What decides the plan's numbers, as JSON."""
        return {name: value for name, value in self.to_json().items() if name not in PUBLISHING_FIELDS}

    def to_json(self) -> dict[str, Any]:
        """The plan as plan.json has it."""
        plan = asdict(self)
        return {"schema": SCHEMA, **plan, "as_of": self.as_of.isoformat(), "parameters": self.parameters.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The plan that plan.json has."""
        known = {name: item for name, item in value.items() if name != "schema"}
        known["as_of"] = date.fromisoformat(value["as_of"])
        known["parameters"] = load(value["parameters"])
        known["cases"] = tuple(Case(**case) for case in value["cases"])
        known["design"] = Design.from_json(value["design"])
        known["levels"] = tuple(value["levels"])
        return cls(**known)

    @property
    def columns(self) -> ColumnMapping:
        """The mapping of columns, parsed."""
        return ColumnMapping.parse(self.mapping)


def read(store: Store, run: str) -> Plan:
    """The plan of a run. Raises IncompleteRun if there is none."""
    try:
        return Plan.from_json(store.get_json(keys.plan(run)))
    except NoSuchObject as error:
        raise IncompleteRun(f"{error} Run {run} was never planned.") from None


def read_scenarios(store: Store, plan: Plan) -> ScenarioFile:
    """The plan's scenarios. Raises IncompleteRun if they are not those that were planned."""
    drawn = ScenarioFile.from_bytes(store.get(keys.scenarios(plan.run)))
    if drawn.digest() != plan.scenarios_digest:
        raise IncompleteRun(
            f"{keys.scenarios(plan.run)} was changed since the plan was made; start the run under a new name."
        )
    return drawn


def read_waves(store: Store, run: str, waves: int) -> list[Plan]:
    """The plans of the run's first so many waves of scenarios."""
    return [read(store, keys.wave(run, wave)) for wave in range(waves)]
