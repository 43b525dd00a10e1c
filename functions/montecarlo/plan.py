"""The plan of a run: everything that decides its numbers, written once and read by every worker."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from typing import Any, Self

from montecarlo import MODEL_VERSION, __version__, layout, pilot
from montecarlo.errors import IncompleteRun, InvalidInput
from montecarlo.listing import find_objects
from montecarlo.parameters import Parameters, load
from montecarlo.planning import InputObject, make_groups
from montecarlo.portfolio import Mapping as ColumnMapping
from montecarlo.request import RunRequest, stress_cases
from montecarlo.scenarios import Case, Design, ScenarioTable, draw
from montecarlo.storage import NoSuchObject, Store
from montecarlo.tail import find_shift

SCHEMA = 1

SMALLEST_AIMED = 100
"""Scenarios from which tail sampling pays; fewer are plain Monte Carlo."""


@dataclass(frozen=True)
class Plan:
    """A run as it was planned. Equal plans give equal numbers; `digest` names a plan."""

    run: str
    portfolio: str
    as_of: date
    seed: int
    scenarios: int
    chunk_loans: int
    max_concurrency: int
    max_rejected_share: float
    mapping: Mapping[str, Any] | None
    parameters: Parameters
    cases: tuple[Case, ...]
    design: Design
    groups: int
    objects_digest: str
    scenarios_digest: str
    version: str = __version__
    model: str = MODEL_VERSION

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the plan."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        plan = asdict(self)
        return {"schema": SCHEMA, **plan, "as_of": self.as_of.isoformat(), "parameters": self.parameters.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        known = {name: item for name, item in value.items() if name != "schema"}
        known["as_of"] = date.fromisoformat(value["as_of"])
        known["parameters"] = load(value["parameters"])
        known["cases"] = tuple(Case(**case) for case in value["cases"])
        known["design"] = Design.from_json(value["design"])
        return cls(**known)

    @property
    def columns(self) -> ColumnMapping:
        return ColumnMapping.parse(self.mapping)


def make(request: RunRequest, store: Store, portfolio: Store, source: str, today: date) -> Plan:
    """Check the request, draw the scenarios, deal the portfolio out to groups, and write all three. Returns the plan.

    The reporting date is the request's, the mapping's, the manifest's, or `today`, in this order. Raises InvalidInput
    where a run of this name was planned differently, InvalidPortfolio where the portfolio is not there or lacks a
    column.
    """
    parameters = load(request.parameters)
    columns = ColumnMapping.parse(request.mapping)
    listing = find_objects(portfolio, source)
    if columns.numbers_rows and len(listing.objects) > 1:
        raise InvalidInput(
            "mapping: AccountID by row_number works for one file only; name a column that identifies the loan."
        )
    as_of = date.fromisoformat(request.as_of) if request.as_of else columns.as_of or listing.as_of or today
    cases = stress_cases(request, Case("base", parameters.base_fed_rate, {}), parameters.segments)
    any_table = draw(parameters, cases, 1, request.seed)
    profile = pilot.profile(listing.objects, portfolio, columns, parameters, cases, any_table, as_of)
    aimed = request.tail_sampling and request.scenarios >= SMALLEST_AIMED
    design = Design(find_shift(profile, any_table, parameters.global_factor_share, request.seed) if aimed else None)
    table = draw(parameters, cases, request.scenarios, request.seed, design)
    groups = make_groups(listing.objects, request.chunk_loans)
    plan = Plan(
        run=request.run,
        portfolio=request.portfolio,
        as_of=as_of,
        seed=request.seed,
        scenarios=request.scenarios,
        chunk_loans=request.chunk_loans,
        max_concurrency=request.max_concurrency,
        max_rejected_share=request.max_rejected_share,
        mapping=request.mapping,
        parameters=parameters,
        cases=cases,
        design=design,
        groups=len(groups),
        objects_digest=_digest_of(listing.objects),
        scenarios_digest=table.digest(),
    )
    _refuse_another(store, plan)
    for number, objects in enumerate(groups):
        store.put_json(layout.group_objects(plan.run, number), [asdict(item) for item in objects])
    store.put(layout.scenarios(plan.run), table.to_bytes())
    store.put_json(layout.plan(plan.run), plan.to_json(), indent=1)
    return plan


def read(store: Store, run: str) -> Plan:
    """The plan of a run. Raises IncompleteRun if there is none."""
    try:
        return Plan.from_json(store.get_json(layout.plan(run)))
    except NoSuchObject as error:
        raise IncompleteRun(f"{error} Run {run} was never planned.") from None


def read_scenarios(store: Store, plan: Plan) -> ScenarioTable:
    """The plan's scenarios. Raises IncompleteRun if they are not those that were planned."""
    table = ScenarioTable.from_bytes(store.get(layout.scenarios(plan.run)))
    if table.digest() != plan.scenarios_digest:
        raise IncompleteRun(
            f"{layout.scenarios(plan.run)} was changed since the plan was made; start the run under a new name."
        )
    return table


def _digest_of(objects: list[InputObject]) -> str:
    return hashlib.sha256(json.dumps([asdict(item) for item in objects]).encode()).hexdigest()


def _refuse_another(store: Store, plan: Plan) -> None:
    """A retried Plan may find its own plan. Another plan's chunks must not be mixed with this one's."""
    try:
        there = store.get_json(layout.plan(plan.run))
    except NoSuchObject:
        return
    here = json.loads(json.dumps(plan.to_json()))
    different = [name for name in here if there.get(name) != here[name]]
    if different:
        raise InvalidInput(
            f"run {plan.run} exists already, with another {', '.join(different)}: choose another name for this run, "
            f"or delete {store.url(layout.plan(plan.run))} and what lies beside it."
        )
