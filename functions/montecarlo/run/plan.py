"""The plan of a run: everything that decides its numbers, written once and read by every worker."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any, Self

from montecarlo import MODEL_VERSION, __version__
from montecarlo.cost import estimate as cost
from montecarlo.cost.estimate import Setup
from montecarlo.errors import IncompleteRun, InvalidInput, InvalidPortfolio
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.scenarios import Case, Design, ScenarioTable, draw
from montecarlo.model.tail_shift import find_shift
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.run import pilot
from montecarlo.run.request import RunRequest, stress_cases
from montecarlo.source.grouping import check_groups
from montecarlo.source.listing import GroupDocument, Listing, find_objects
from montecarlo.source.objects import Census
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

SCHEMA = 1

SMALLEST_AIMED = 100
"""Scenarios from which tail sampling pays; fewer are plain Monte Carlo."""


_INDECISIVE = {"max_rejected_share", "target_error", "target_measure", "max_scenarios"}
"""Fields of a plan that a resumed run may change: they decide whether a result is published, not what a wave gives."""


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
    wave: int = 0
    version: str = __version__
    model: str = MODEL_VERSION

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides the plan's numbers."""
        decisive = {name: value for name, value in self.to_json().items() if name not in _INDECISIVE}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

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


FindStore = Callable[[str], tuple[Store, str]]
"""From a place, s3://bucket/key or a key of the stack's own bucket, to the bucket and the key."""


def make(request: RunRequest, store: Store, find_store: FindStore, today: date, setup: Setup) -> Plan:
    """Check the request, deal the portfolio out to groups, draw the scenarios, and write all three. Returns the plan.

    The reporting date is the request's, the mapping's, the manifest's, that of an earlier execution of the run, or
    `today`, in this order. Raises InvalidInput where a run of this name was planned differently or would cost too much,
    InvalidPortfolio where the portfolio is not there or lacks a column.
    """
    earlier = _earlier(store, request.run)
    parameters = load(request.parameters)
    columns = ColumnMapping.parse(request.mapping)
    _refuse_another(store, request.run, earlier, _asked(request, parameters))

    place, source = find_store(request.portfolio)
    listing = find_objects(place, source)
    groups = _write_groups(request, listing, store, resumed=earlier is not None)
    if not listing.census.objects:
        raise InvalidPortfolio(f"{place.url(source)} names no object with anything in it.")
    if columns.numbers_rows and listing.census.objects > 1:
        raise InvalidInput(
            "mapping: AccountID by row_number works for one file only; name a column that identifies the loan."
        )
    cases = stress_cases(request, Case("base", parameters.base_fed_rate, {}), parameters.segments)
    check_budget(request, listing.census, len(cases), groups, setup, store)

    before = date.fromisoformat(earlier["as_of"]) if earlier else None
    as_of = date.fromisoformat(request.as_of) if request.as_of else columns.as_of or listing.as_of or before or today
    any_table = draw(parameters, cases, 1, request.seed)
    portfolio, _ = find_store(f"s3://{listing.bucket}/")
    profile = pilot.profile(listing.census.sample, portfolio, columns, parameters, cases, any_table, as_of)
    aimed = request.tail_sampling and request.scenarios >= SMALLEST_AIMED
    design = Design(find_shift(profile, any_table, parameters.global_factor_share, request.seed) if aimed else None)
    table = draw(parameters, cases, request.scenarios, request.seed, design)
    plan = Plan(
        run=request.run,
        portfolio=request.portfolio,
        bucket=listing.bucket,
        as_of=as_of,
        seed=request.seed,
        scenarios=request.scenarios,
        chunk_loans=request.chunk_loans,
        sample=request.sample,
        max_rejected_share=request.max_rejected_share,
        mapping=request.mapping,
        parameters=parameters,
        cases=cases,
        design=design,
        groups=groups,
        objects_digest=listing.digest,
        scenarios_digest=table.digest(),
        target_error=request.target_error,
        target_measure=request.target_measure,
        max_scenarios=request.max_scenarios,
    )
    decided = {name: value for name, value in plan.to_json().items() if name not in _INDECISIVE}
    _refuse_another(store, request.run, earlier, decided)
    store.put(keys.scenarios(plan.run), table.to_bytes())
    store.put_json(keys.request(plan.run), _resumable(request, as_of), indent=1)
    store.put_json(keys.plan(plan.run), plan.to_json(), indent=1)
    return plan


def most_waves(request: RunRequest) -> int:
    """How many waves of scenarios the run may take."""
    return max(1, request.max_scenarios // request.scenarios) if request.target_error else 1


def _asked(request: RunRequest, parameters: Parameters) -> dict[str, Any]:
    """What decides a run's numbers and is known before the portfolio is looked at."""
    names = ("portfolio", "seed", "scenarios", "chunk_loans", "sample", "mapping")
    asked = {name: getattr(request, name) for name in names}
    return {**asked, "parameters": parameters.to_json(), "version": __version__, "model": MODEL_VERSION}


def _write_groups(request: RunRequest, listing: Listing, store: Store, *, resumed: bool) -> int:
    """Write what each group is to read, or check that it is what it was. Returns the number of groups."""
    number = 0
    for document in listing.groups(request.chunk_loans):
        key = keys.group_objects(request.run, number)
        there = _get_json(store, key) if resumed else None
        if there is None:
            store.put_json(key, document)
        elif there != document:
            raise InvalidInput(
                f"run {request.run} exists already, with another portfolio: {_changed_object(there, document)}. Choose "
                "another name for this run."
            )
        number += 1
        check_groups(number * most_waves(request))
    return number


def _changed_object(there: GroupDocument, here: GroupDocument) -> str:
    """The first object that differs, in words."""
    if not ("objects" in there and "objects" in here):
        return "the inventory's manifest is another"
    before, now = ({item["key"]: item for item in document["objects"]} for document in (there, here))
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            return f"{key} is {'new' if key not in before else 'gone' if key not in now else 'not what it was'}"
    return "the order of its objects"


def check_budget(request: RunRequest, census: Census, cases: int, groups: int, setup: Setup, store: Store) -> None:
    """Write the estimate of the run's cost. Raises InvalidInput if it is above the request's max_cost_usd."""
    work = cost.Work(
        loans=census.rows,
        objects=census.objects,
        size=census.size,
        scenarios=request.scenarios * most_waves(request),
        cases=cases,
        chunk_loans=request.chunk_loans,
        sample=request.sample,
    )
    estimate = cost.estimate(work, replace(setup, groups=groups))
    store.put_json(keys.estimate(request.run), estimate.to_json(), indent=1)
    if request.max_cost_usd is not None and estimate.usd > request.max_cost_usd:
        raise InvalidInput(
            f"the run would cost about ${estimate.usd:,.2f}, more than max_cost_usd ${request.max_cost_usd:,.2f} "
            f"allows: {estimate.explain()}. Nothing was simulated."
        )


def _resumable(request: RunRequest, as_of: date) -> dict[str, Any]:
    """The input with which an execution continues this run, whatever the stack's defaults are by then."""
    given = {name: value for name, value in asdict(request).items() if value is not None}
    return {**given, "as_of": as_of.isoformat()}


def read(store: Store, run: str) -> Plan:
    """The plan of a run. Raises IncompleteRun if there is none."""
    try:
        return Plan.from_json(store.get_json(keys.plan(run)))
    except NoSuchObject as error:
        raise IncompleteRun(f"{error} Run {run} was never planned.") from None


def read_scenarios(store: Store, plan: Plan) -> ScenarioTable:
    """The plan's scenarios. Raises IncompleteRun if they are not those that were planned."""
    table = ScenarioTable.from_bytes(store.get(keys.scenarios(plan.run)))
    if table.digest() != plan.scenarios_digest:
        raise IncompleteRun(
            f"{keys.scenarios(plan.run)} was changed since the plan was made; start the run under a new name."
        )
    return table


def _get_json(store: Store, key: str) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = store.get_json(key)
    except NoSuchObject:
        return None
    return value


def _earlier(store: Store, run: str) -> dict[str, Any] | None:
    """The plan that an earlier execution of the run, or a first attempt of this one, has left."""
    return _get_json(store, keys.plan(run))


def _refuse_another(store: Store, run: str, earlier: Mapping[str, Any] | None, asked: Mapping[str, Any]) -> None:
    """Another plan's chunks must not be mixed with this one's. Raises InvalidInput naming what differs, and how."""
    if earlier is None:
        return
    different = list(_differences(earlier, json.loads(json.dumps(asked))))
    if different:
        raise InvalidInput(
            f"run {run} exists already, with another {', '.join(different[:5])}: choose another name for this run, or "
            f"delete {store.url(keys.plan(run))} and what lies beside it."
        )


def _differences(there: Mapping[str, Any], here: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Each value of `here` that is another in `there`: its name, then (there, not here)."""
    for name, value in here.items():
        before = there.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            yield from _differences(before, {**dict.fromkeys(before), **value}, f"{path}{name}.")
        elif before != value:
            yield f"{path}{name} ({_brief(before)}, not {_brief(value)})"


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
