"""Plan: check the request, draw the scenarios, deal the portfolio out to groups; or plan the next wave of scenarios.

Waves make a run as precise as was asked. A wave is the same portfolio, cut in the same chunks, under as many new
scenarios. It lies under its own prefix of the run, where the state machine works on it as on a run of its own; what
earlier waves computed stays and is added up with it.
"""

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo import MODEL_VERSION, __version__
from montecarlo.cost import estimate as cost
from montecarlo.cost.estimate import CostEstimate, Setup, Work
from montecarlo.documents import Damaged
from montecarlo.errors import InvalidInput, InvalidPortfolio, RunTaken
from montecarlo.limits import MAX_GROUPS
from montecarlo.model.cases import Case
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.scenarios import Design, draw, mixing
from montecarlo.model.tables import model_tables
from montecarlo.model.tail_shift import find_shift
from montecarlo.portfolio.regions import REGIONS
from montecarlo.run import duplicates, groups, pilot, records, reuse, tail
from montecarlo.run import earlier as earlier_run
from montecarlo.run.chunk import Chunk
from montecarlo.run.partial import memory_of_sums
from montecarlo.run.pinned import Source, find_source, tail_fit
from montecarlo.run.plan import Plan, as_json, differences, find, read, read_scenarios
from montecarlo.run.request import RunRequest, run_of, run_request, stress_cases
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.source.grouping import check_groups
from montecarlo.source.listing import GroupDocument, Listing, find_objects
from montecarlo.source.objects import Census
from montecarlo.source.reading import READERS
from montecarlo.steps.protocol import Event, Host, moment, read_event
from montecarlo.storage import keys
from montecarlo.storage.sealed import seal_document
from montecarlo.storage.store import JSON, NoSuchObject, Overtaken, Store, to_json

SMALLEST_AIMED = 100
"""Scenarios from which tail sampling pays; fewer are plain Monte Carlo."""


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"request": the execution's input, "execution": its name, "started": its time, "wave": 0} -> {"run", "plan",
    "wave", "max_groups", "groups"}.

    "groups" is a list of {"run", "plan", "group", "max_concurrency"}; "plan" is the plan's digest. With a wave above 0,
    more scenarios are planned for the run; with keys.TAIL the pass over the scenarios of its tail.
    """
    given = read_event(PlanEvent, event)
    run = run_of(given.request, given.execution, moment(given.started))
    if isinstance(given.request, Mapping) and given.request.get("run"):
        given = replace(given, request={**given.request, "run": run})
    defaults = {**host.defaults(RunRequest), "run": given.execution}
    request, source = run_request(given.request, defaults), None
    if request.scenarios_from and not given.wave:
        source = find_source(request.scenarios_from, request.run, host.store, host.find_store)
        request = run_request(given.request, {**defaults, **source.defaults(given.request)})
    if given.wave == keys.TAIL:
        plan = make_pass(request.run, host.store)
    else:
        plan = make_wave(request.run, given.wave, host.store) if given.wave else make(request, host, source)
    pace = host.setup(request).pace(plan.group_chunks)
    each = {"run": plan.run, "plan": plan.digest}
    return {
        "run": request.run,
        "plan": plan.digest,
        "wave": given.wave,
        "max_groups": pace.groups,
        "groups": [{**each, "group": group, "max_concurrency": share} for group, share in enumerate(pace.shares)],
    }


@dataclass(frozen=True)
class PlanEvent:
    """The input of an execution, which is checked by `run_request`, its name, and when it was started."""

    request: Any
    execution: str
    wave: int = 0
    started: str | None = None


def make(request: RunRequest, host: Host, source: Source | None = None) -> Plan:
    """Plan the run: check the request, deal the portfolio out to groups, draw the scenarios, or take those of another
    run, the `source`. Returns the plan.

    The plan is written first, unless there is one: of several executions of one run that plan at once, one gets its
    plan there, and the others must have the same. Only then come the files that the plan speaks of, so that nobody
    writes under a name that is another's. Where an attempt ends in between, the next writes them.

    The reporting date is the request's, the mapping's, the manifest's, that of an earlier execution of the run or of a
    run that is reused, or today, in this order. Raises RunTaken where a run of this name was planned differently,
    InvalidInput where it would cost too much, InvalidPortfolio where the portfolio is not there or lacks a column.
    """
    while True:
        try:
            return _make(request, host, source)
        except Overtaken:  # by another execution; its plan is there now
            continue


def _make(request: RunRequest, host: Host, source: Source | None) -> Plan:
    store = host.store
    earlier, etag = find(store, request.run) or (None, None)
    parameters = load(request.parameters)
    columns = request.columns
    _refuse_another(store, request.run, earlier, _asked(request, parameters))

    compared = None
    if request.compare_with:
        compared = earlier_run.figures(request.compare_with, store, (earlier or {}).get("compared"))
    place, prefix = host.find_store(request.portfolio)
    listing = find_objects(place, prefix, columns.files)
    cases = stress_cases(request, Case("base", parameters.base_fed_rate, {}), parameters.segments)
    if source:
        source.check(request, parameters, cases)
    setup, waves = host.setup(request), len(source.digests) if source else most_waves(request)
    starts = _starts(request, source, earlier, store)
    dealt = _deal(request, listing, waves, len(cases), _parts(parameters), setup, earlier, starts)
    if not listing.census.objects:
        raise InvalidPortfolio(f"{place.url(prefix)} names no object with anything in it.")
    if columns.numbers_rows and listing.census.objects > 1:
        raise InvalidInput(
            "mapping: AccountID by row_number works for one file only; name a column that identifies the loan."
        )
    if earlier:
        _refuse_another_portfolio(store, request.run, dealt.documents)
    before = date.fromisoformat(earlier["as_of"]) if earlier else None
    asked = date.fromisoformat(request.as_of) if request.as_of else None
    before = before or (source.plan.as_of if source and request.reuse else None)
    as_of = asked or columns.as_of or listing.as_of or before or host.today()
    pinned = source.scenarios(0) if source else None
    tables = pinned.tables if pinned else model_tables(parameters, cases)
    portfolio, _ = host.find_store(f"s3://{listing.bucket}/")
    seen = pilot.look(listing.census.sample, portfolio, columns, parameters, cases, tables, as_of)
    parts = _parts(parameters) + seen.dimension_parts
    work = replace(_work(request, listing.census, waves, len(cases), parts), by_borrower=seen.names_borrowers)
    estimate = cost.estimate(work, setup, groups=dealt.chunks)
    _check_budget(request, estimate, store)
    _check_memory(request, waves, len(cases), parts)
    aimed = request.tail_sampling and request.scenarios >= SMALLEST_AIMED
    design = Design(find_shift(seen.profile, tables, mixing(parameters), request.seed) if aimed else None)
    own = draw(parameters, request.scenarios, request.seed, design)
    drawn, fit = pinned or ScenarioFile(tables, own), None
    if source and aimed:
        fit = tail_fit(seen.profile, tables, drawn.scenarios, own)
    simulated = listing.census.rows // request.sample
    one_in = duplicates.slice_of(simulated, request.exact_duplicates)
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
        max_duplicate_share=request.max_duplicate_share,
        count_one_in=one_in,
        count_ranges=duplicates.ranges_of(simulated, one_in),
        by_borrower=seen.names_borrowers,
        dimensions=request.dimensions or (),
        mapping=request.mapping,
        filter=request.filter or (),
        parameters=parameters,
        cases=cases,
        design=source.plan.design if source else design,
        dealt_into=dealt.into,
        group_chunks=tuple(dealt.chunks),
        objects_digest=listing.digest,
        scenarios_digest=drawn.digest(),
        target_error=request.target_error,
        target_measure=request.target_measure,
        max_scenarios=request.max_scenarios,
        levels=request.levels or (),
        contribution_level=request.contribution_level,
        contributions=request.contributions,
        scenarios_from=request.scenarios_from,
        reuse=request.reuse,
        pinned=source.digests if source else (),
        tail_fit=fit,
        institution=request.institution,
        portfolio_name=request.portfolio_name,
        capital_available=request.capital_available,
        compared=compared,
    )
    _refuse_another(store, request.run, earlier, plan.decisive())
    if source and request.reuse:
        reuse.check(plan, source.plan)
    if earlier != as_json(plan.to_json()):
        store.put_new(keys.plan(plan.run), plan.to_bytes(), JSON, instead_of=etag)
    records.write_sealed(store, keys.estimate(plan.run), estimate.to_json())
    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(lambda group: _write_group(plan, group, dealt.documents[group], store), range(plan.groups)))
    store.put(keys.scenarios(plan.run), drawn.to_bytes())
    if source:  # all waves at once, so that what becomes of the other run from now on is of no matter
        for wave in range(1, waves):
            store.put(keys.scenarios(keys.wave(plan.run, wave)), source.scenarios(wave).to_bytes())
    store.put_json(keys.request(plan.run), _resumable(request, as_of), indent=1)
    return plan


def most_waves(request: RunRequest) -> int:
    """How many waves of scenarios the run may take."""
    return max(1, request.max_scenarios // request.scenarios) if request.target_error else 1


def _asked(request: RunRequest, parameters: Parameters) -> dict[str, Any]:
    """What decides a run's numbers and is known before the portfolio is looked at."""
    names = ("portfolio", "seed", "scenarios", "chunk_loans", "sample", "mapping", "filter", "scenarios_from")
    asked = {name: getattr(request, name) for name in names}
    asked["dimensions"] = request.dimensions or ()
    return {**asked, "parameters": parameters.to_json(), "version": __version__, "model": MODEL_VERSION}


@dataclass
class _Dealt:
    """What each group is to read, compressed, as there may be five million objects, and about how many chunks it has;
    `into` how many groups the portfolio was to be cut.
    """

    into: int = 0
    documents: list[bytes] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)


def _deal(
    request: RunRequest,
    listing: Listing,
    waves: int,
    cases: int,
    parts: int,
    setup: Setup,
    earlier: Mapping[str, Any] | None,
    starts: Collection[str],
) -> _Dealt:
    """Deal the portfolio out to groups: to those of an earlier plan, or to as many as make the run shortest."""
    dealt = _Dealt()

    def choose(chunks: npt.NDArray[np.float64]) -> int:
        there = earlier.get("dealt_into") if earlier else None
        dealt.into = there or cost.best_groups(chunks, _work(request, listing.census, waves, cases, parts), setup)
        passes = waves + request.contributions
        if dealt.into * (1 + request.contributions) <= MAX_GROUPS < dealt.into * passes:
            raise InvalidInput(
                f"max_scenarios {request.max_scenarios:,} would take {waves:,} waves of {request.scenarios:,} "
                f"scenarios over {dealt.into:,} groups of chunks, more than one execution can hold ({MAX_GROUPS:,} "
                "groups in all): ask for more scenarios in a wave (--scenarios), or for fewer in all (--max-scenarios)."
            )
        check_groups(dealt.into * passes)
        return dealt.into

    for document, chunks in listing.groups(request.chunk_loans, choose, starts):
        dealt.documents.append(zlib.compress(to_json(document), 1))
        dealt.chunks.append(max(1, ceil(round(chunks, 6))))
    return dealt


def _starts(
    request: RunRequest, source: Source | None, earlier: Mapping[str, Any] | None, store: Store
) -> Collection[str]:
    """What groups begin with where another run is reused: that one's groups, so that its chunks come out again. An
    attempt that goes on keeps to the groups that it was dealt.
    """
    if not (source and request.reuse):
        return ()
    own = reuse.first_objects(store, request.run, len(earlier["group_chunks"])) if earlier else ()
    return own or reuse.first_objects(store, source.run, source.plan.groups)


def _write_group(plan: Plan, group: int, document: bytes, store: Store) -> None:
    dealt = json.loads(zlib.decompress(document))
    records.write_sealed(store, keys.group_objects(plan.run, group), {"plan": plan.digest, **dealt})


def _refuse_another_portfolio(store: Store, run: str, dealt: Sequence[bytes]) -> None:
    """Raise RunTaken naming the object that is not what it was, where a group's document is there and differs."""
    for group, document in enumerate(dealt):
        try:
            there = records.read_sealed(store, keys.group_objects(run, group), dict)
        except (NoSuchObject, Damaged):
            continue
        here = json.loads(zlib.decompress(document))
        if {name: there.get(name) for name in here} != here:
            raise RunTaken(
                f"run {run} exists already, with another portfolio: {_changed_object(there, here)}. Choose another "
                "name for this run."
            )


def _changed_object(there: GroupDocument, here: GroupDocument) -> str:
    """The first object that differs, in words."""
    if not ("objects" in there and "objects" in here):
        return "the inventory's manifest is another"
    before, now = ({item["key"]: item for item in document["objects"]} for document in (there, here))
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            return f"{key} is {'new' if key not in before else 'gone' if key not in now else 'not what it was'}"
    return "the order of its objects"


def _parts(parameters: Parameters) -> int:
    """Segments and regions, of which every partial has the losses."""
    return len(parameters.segments) + len(REGIONS)


def _work(request: RunRequest, census: Census, waves: int, cases: int, parts: int) -> Work:
    """What is to be simulated, with all waves of scenarios that the run may have."""
    return Work(
        loans=census.rows,
        objects=census.objects,
        size=census.size,
        to_scan=census.to_scan,
        exact_duplicates=request.exact_duplicates,
        scenarios=request.scenarios * waves,
        cases=cases,
        chunk_loans=request.chunk_loans,
        sample=request.sample,
        parts=parts,
        contributions=request.contributions,
    )


def _check_budget(request: RunRequest, estimate: CostEstimate, store: Store) -> None:
    """Raise InvalidInput if the run would cost more than max_cost_usd. The estimate is written then, too."""
    if request.max_cost_usd is None or estimate.usd <= request.max_cost_usd:
        return
    with suppress(Overtaken):  # of a run of this name that was planned, which needs its own
        store.put_new(keys.estimate(request.run), seal_document(estimate.to_json()), JSON)
    raise InvalidInput(
        f"the run would cost about ${estimate.usd:,.2f}, more than max_cost_usd ${request.max_cost_usd:,.2f} "
        f"allows: {estimate.explain()}. Nothing was simulated."
    )


def _check_memory(request: RunRequest, waves: int, cases: int, parts: int) -> None:
    """Raise InvalidInput if the sums would not fit the memory of ReduceGroup and Aggregate."""
    needed = memory_of_sums(request.scenarios, waves, cases, parts)
    if needed <= Setup.memory_mb:
        return
    without = memory_of_sums(0, waves, cases, parts)  # it grows in proportion from there
    most = int(request.scenarios * (Setup.memory_mb - without) / (needed - without))
    raise InvalidInput(
        f"the losses by {parts:,} segments, regions and values of dimensions, in {cases} cases and "
        f"{request.scenarios:,} scenarios{f' of each of {waves} waves' if waves > 1 else ''}, take {needed:,.0f} MB "
        f"where they are added up, and there are {Setup.memory_mb:,}: ask for {most:,} scenarios, or for fewer "
        f"dimensions or cases{', or for a lower max_scenarios' if waves > 1 else ''}."
    )


def _resumable(request: RunRequest, as_of: date) -> dict[str, Any]:
    """The input with which an execution continues this run, whatever the stack's defaults are by then."""
    given = {name: value for name, value in asdict(request).items() if value is not None}
    return {**given, "as_of": as_of.isoformat()}


def _refuse_another(store: Store, run: str, earlier: Mapping[str, Any] | None, asked: Mapping[str, Any]) -> None:
    """Another plan's chunks must not be mixed with this one's. Raises RunTaken naming what differs, and how."""
    if earlier is None:
        return
    different = list(differences(earlier, as_json(asked)))
    if different:
        raise RunTaken(
            f"run {run} exists already, and differs in {', '.join(different[:5])}: choose another name for this run, "
            f"or delete {store.url(keys.plan(run))} and what lies beside it."
        )


# ---------------------------------------------------------------------------------------------------------------------
# Further waves


def make_wave(run: str, wave: int, store: Store) -> Plan:
    """Plan a wave of the run, by its number from 1: new scenarios for the chunks that the first wave was cut into."""
    first = read(store, run)
    plan = replace(first, run=keys.wave(run, wave), wave=wave)
    if first.pinned:
        if wave >= len(first.pinned):
            raise InvalidInput(
                f"run {run} has {len(first.pinned)} waves of scenarios, those of {first.scenarios_from}."
            )
        drawn = read_scenarios(store, replace(plan, scenarios_digest=first.pinned[wave]))
    else:
        tables = model_tables(first.parameters, first.cases)
        drawn = ScenarioFile(tables, draw(first.parameters, first.scenarios, first.seed, first.design, wave))
    plan = replace(plan, scenarios_digest=drawn.digest())
    _write_for_same_chunks(first, plan, drawn.to_bytes(), store)
    return plan


def make_pass(run: str, store: Store) -> Plan:
    """Plan the pass over the tail of a run whose waves are added up, for the chunks that the first was cut into."""
    first, found = tail.find(run, store)
    plan = tail.make_plan(first, found)
    _write_for_same_chunks(first, plan, found.to_bytes(), store)
    return plan


def _write_for_same_chunks(first: Plan, plan: Plan, scenarios: bytes, store: Store) -> None:
    """Write what SimulateChunk needs to go over the chunks of the first wave again; the plan last."""
    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(lambda group: _copy_group(first, plan, group, store), range(first.groups)))
    store.put(keys.scenarios(plan.run), scenarios)
    store.put(keys.plan(plan.run), plan.to_bytes(), JSON)


def _copy_group(first: Plan, plan: Plan, group: int, store: Store) -> None:
    try:
        lines, _ = groups.read_chunks(first, group, store)
    except (NoSuchObject, Damaged) as error:
        raise records.incomplete(error) from None
    chunks = (replace(Chunk.from_json(json.loads(line)), run=plan.run, plan=plan.digest) for line in lines)
    groups.write_chunks(plan, group, chunks, store)
