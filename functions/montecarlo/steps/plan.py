"""Plan: check the request, draw the scenarios, deal the portfolio out to groups; or plan the next wave of scenarios.

Waves make a run as precise as was asked. A wave is the same portfolio, cut in the same chunks, under as many new
scenarios. It lies under its own prefix of the run, where the state machine works on it as on a run of its own; what
earlier waves computed stays and is added up with it.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import date
from typing import Any

from montecarlo import MODEL_VERSION, __version__
from montecarlo.cost import estimate as cost
from montecarlo.cost.estimate import Setup
from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.model.cases import Case
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.scenarios import Design, draw
from montecarlo.model.tables import model_tables
from montecarlo.model.tail_shift import find_shift
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.run import groups, pilot
from montecarlo.run.plan import Plan, read
from montecarlo.run.request import RunRequest, run_request, stress_cases
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.source.grouping import check_groups
from montecarlo.source.listing import GroupDocument, Listing, find_objects
from montecarlo.source.objects import Census
from montecarlo.source.reading import READERS
from montecarlo.steps.protocol import Event, Host
from montecarlo.storage import keys
from montecarlo.storage.store import NoSuchObject, Store

SMALLEST_AIMED = 100
"""Scenarios from which tail sampling pays; fewer are plain Monte Carlo."""


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"request": the execution's input, "execution": its name, "wave": 0} -> {"run", "wave", "max_groups", "groups"}.

    "groups" is a list of {"run", "group", "max_concurrency"}. With a wave above 0, more scenarios are planned for the
    run.
    """
    request = run_request(event["request"], {**host.defaults(RunRequest), "run": event["execution"]})
    wave = event.get("wave", 0)
    plan = make_wave(request.run, wave, host.store) if wave else make(request, host)
    pace = host.setup(request).pace(plan.groups)
    each = [{"run": plan.run, "group": group, "max_concurrency": pace.chunks_each} for group in range(plan.groups)]
    return {"run": request.run, "wave": wave, "max_groups": pace.groups, "groups": each}


def make(request: RunRequest, host: Host) -> Plan:
    """Check the request, deal the portfolio out to groups, draw the scenarios, and write all three. Returns the plan.

    The reporting date is the request's, the mapping's, the manifest's, that of an earlier execution of the run, or
    today, in this order. Raises InvalidInput where a run of this name was planned differently or would cost too much,
    InvalidPortfolio where the portfolio is not there or lacks a column.
    """
    store = host.store
    earlier = _earlier(store, request.run)
    parameters = load(request.parameters)
    columns = ColumnMapping.parse(request.mapping)
    _refuse_another(store, request.run, earlier, _asked(request, parameters))

    place, source = host.find_store(request.portfolio)
    listing = find_objects(place, source)
    dealt = _write_groups(request, listing, store, resumed=earlier is not None)
    if not listing.census.objects:
        raise InvalidPortfolio(f"{place.url(source)} names no object with anything in it.")
    if columns.numbers_rows and listing.census.objects > 1:
        raise InvalidInput(
            "mapping: AccountID by row_number works for one file only; name a column that identifies the loan."
        )
    cases = stress_cases(request, Case("base", parameters.base_fed_rate, {}), parameters.segments)
    check_budget(request, listing.census, len(cases), dealt, host.setup(request), store)

    before = date.fromisoformat(earlier["as_of"]) if earlier else None
    as_of = (
        date.fromisoformat(request.as_of) if request.as_of else columns.as_of or listing.as_of or before or host.today()
    )
    tables = model_tables(parameters, cases)
    portfolio, _ = host.find_store(f"s3://{listing.bucket}/")
    profile = pilot.profile(listing.census.sample, portfolio, columns, parameters, cases, tables, as_of)
    aimed = request.tail_sampling and request.scenarios >= SMALLEST_AIMED
    design = Design(find_shift(profile, tables, parameters.global_factor_share, request.seed) if aimed else None)
    drawn = ScenarioFile(tables, draw(parameters, request.scenarios, request.seed, design))
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
        groups=dealt,
        objects_digest=listing.digest,
        scenarios_digest=drawn.digest(),
        target_error=request.target_error,
        target_measure=request.target_measure,
        max_scenarios=request.max_scenarios,
        levels=request.levels or (),
        contribution_level=request.contribution_level,
    )
    _refuse_another(store, request.run, earlier, plan.decisive())
    store.put(keys.scenarios(plan.run), drawn.to_bytes())
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


# ---------------------------------------------------------------------------------------------------------------------
# Further waves


def make_wave(run: str, wave: int, store: Store) -> Plan:
    """Plan a wave of the run, by its number from 1: new scenarios for the chunks that the first wave was cut into."""
    first = read(store, run)
    tables = model_tables(first.parameters, first.cases)
    drawn = ScenarioFile(tables, draw(first.parameters, first.scenarios, first.seed, first.design, wave))
    plan = replace(first, run=keys.wave(run, wave), wave=wave, scenarios_digest=drawn.digest())
    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(lambda group: _copy_group(first, plan, group, store), range(first.groups)))
    store.put(keys.scenarios(plan.run), drawn.to_bytes())
    store.put_json(keys.plan(plan.run), plan.to_json(), indent=1)
    return plan


def _copy_group(first: Plan, plan: Plan, group: int, store: Store) -> None:
    chunks = [json.dumps({**json.loads(line), "run": plan.run}) for line in groups.read_chunks(first, group, store)]
    groups.write_chunks(plan, group, chunks, groups.read_plan(first, group, store).rows, store)
