"""A result from other runs' sums: `A + B - C`, as one run over all those loans would have it, to the bit.

Nothing is simulated and no loan is read. What sums cannot tell is left out, with its reason.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from additive.operands import MakeStore, Operand, Term, in_words, weights
from montecarlo import __version__
from montecarlo.errors import InvalidInput, InvalidPortfolio, RunTaken
from montecarlo.portfolio.mapping import REGIONS
from montecarlo.run import duplicates, reverse_stress
from montecarlo.run import plan as plans
from montecarlo.run.dimensions import tracked
from montecarlo.run.duplicates import Duplicates, Found
from montecarlo.run.input_profile import TOP
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan
from montecarlo.run.publication import publish
from montecarlo.run.request import check_name
from montecarlo.run.result import build
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.run.sums import RunSums
from montecarlo.run.tally import Tally
from montecarlo.storage import keys
from montecarlo.storage.store import JSON, Overtaken, Store

BORROWERS = "a borrower may owe in several of the runs, and their sums do not say who"
NO_KEYS = "the sorted keys of the AccountIDs are not at hand for every run, so none was looked for in two of them"
TAKEN_OUT = "what single loans are like cannot be taken out of a summary of them"
NO_CAPITAL = "not every run was asked which economy costs its capital_available"
NO_NAMES = "the largest loans of each run are in its result.json, and one is not at hand"
OTHER_DIMENSIONS = "not every run is broken down by it"
OTHER_REGIONS = "some runs have those of ZIP codes, and others those that their mapping names"


@dataclass(frozen=True, eq=False)
class Combined:
    """A sum of runs. total: over all waves. weights: (S,), of all scenarios. drawn: the scenarios, wave by wave.
    made_of: as `RunSums` has it.
    """

    plan: Plan
    total: Partial
    weights: npt.NDArray[np.float64]
    drawn: tuple[ScenarioFile, ...]
    result: dict[str, Any]
    made_of: dict[str, int]


def combine(terms: Sequence[Term], name: str, store: Store, make_store: MakeStore) -> Combined:
    """Add the runs up, and leave what a run leaves of itself under the name in the store.

    make_store: of other buckets. Raises InvalidInput where they do not add up, RunTaken where the name is another
    run's, InvalidPortfolio where too many AccountIDs are in several of them.
    """
    check_name("name", name)
    found = [Operand.find(term, store, make_store) for term in terms]
    made = add_up(found, name, store.bucket)
    write(made, store)
    return made


def add_up(operands: Sequence[Operand], name: str, bucket: str) -> Combined:
    """The sum of the runs, as a run of that name in the bucket. Raises as `combine` does."""
    first = operands[0]
    if len(operands) < 2:
        raise InvalidInput("one run alone is no sum: write RUN + RUN - RUN, with a space at each sign.")
    for other in operands[1:]:
        other.check(first)
    made_of = _made_of(operands)
    if first.plan.sample > 1 and any(each.plan.by_borrower for each in operands):
        raise InvalidInput(
            "runs over a sample of their borrowers do not add up: how much sampling adds to the errors follows from "
            "who owes in several of them, and their sums do not say who."
        )
    drawn = _scenarios(operands)
    not_told: dict[str, str] = {}
    total, dimensions = _sum(operands, not_told)
    plan = _plan(operands, dimensions, name, bucket)
    if not total.counts.simulated:
        raise InvalidInput("no loan is left.")
    total.check_unit()
    repeated = _duplicates(operands, plan, total.counts.simulated)
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    weight = weights(drawn)
    result = build(plan, total, weight, len(drawn), versions)
    del result["timings"]  # nothing was simulated
    if plan.capital_available is not None:
        result["reverse_stress"] = reverse_stress.of_capital(plan, total, drawn[0].tables)
        if total.thresholds is None:
            not_told["reverse_stress"] = NO_CAPITAL
    if total.profile is None:
        result["input"] = None
        not_told["input"] = TAKEN_OUT
    elif any(each.largest() is None for each in operands):
        result["input"]["largest"] = None
        not_told["input.largest"] = NO_NAMES
    if any(each.plan.by_borrower for each in operands):
        result["portfolio"]["borrowers"] = None
        not_told["portfolio.borrowers"] = BORROWERS
    if "regions" in not_told:
        for holder in (result["portfolio"], *result["cases"].values()):
            holder["regions"] = {}
        result["portfolio"]["concentration"]["hhi_regions"] = None
    result["duplicates"] = repeated.to_json() if repeated else None
    if repeated is None:
        not_told["duplicates"] = NO_KEYS
    result["combined"] = {
        "expression": plan.portfolio,
        "runs": [
            {"run": each.plan.run, "place": each.term.place, "sign": each.term.sign, "plan": each.plan.digest}
            for each in operands
        ],
        "not_told": not_told,
    }
    return Combined(plan, total, weight, drawn, plans.as_json(result), made_of)


def write(made: Combined, store: Store) -> None:
    """Leave what a run leaves of itself: plan, scenarios, sums and results. No name is taken from another run."""
    plan = made.plan
    taken = RunTaken(f"there is a run {plan.run} already: choose another name.")
    try:
        store.put_new(keys.plan(plan.run), plan.to_bytes(), JSON)
    except Overtaken:  # by another run, or by an attempt at this one that was cut off
        there = plans.find(store, plan.run)
        if there is None or there[0] != plans.as_json(plan.to_json()) or store.exists(keys.result(plan.run)):
            raise taken from None
    for wave, drawn in enumerate(made.drawn):
        named = replace(plan, run=keys.wave(plan.run, wave), wave=wave, scenarios_digest=drawn.digest())
        store.put(keys.scenarios(named.run), drawn.to_bytes())
        if wave:
            store.put(keys.plan(named.run), named.to_bytes(), JSON)
    digests = tuple(drawn.digest() for drawn in made.drawn)
    store.put(keys.sums(plan.run), RunSums(plan.digest, digests, made.total, made.made_of).to_bytes())
    publish(plan, made.result, made.total, made.weights, store)


def _made_of(operands: Sequence[Operand]) -> dict[str, int]:
    """How often each run that was simulated is in the sum, by the digest of its plan; runs that cancel out are not.

    Raises InvalidInput where one is there twice, by itself or in another sum.
    """
    seen: dict[str, Operand] = {}
    often: dict[str, int] = {}
    for each in operands:
        for digest, times in each.sums.runs.items():
            other = seen.setdefault(digest, each)
            often[digest] = often.get(digest, 0) + each.term.sign * times
            if abs(often[digest]) > 1 or (other is not each and each.plan.digest == other.plan.digest):
                raise InvalidInput(
                    f"{each.term.place} and {other.term.place} have a run in common: a loan counts once, whatever the "
                    "sign."
                )
    return {digest: times for digest, times in often.items() if times}


def _scenarios(operands: Sequence[Operand]) -> tuple[ScenarioFile, ...]:
    """The scenarios that all runs share, from the first that has them. Raises InvalidInput where none has."""
    waves = range(len(operands[0].sums.scenarios))
    for each in operands:
        drawn = [each.scenarios(wave) for wave in waves]
        if all(drawn):
            return tuple(wave for wave in drawn if wave)
    raise InvalidInput(
        "none of the runs has its scenarios at hand: beside plan.json and sums.npz, one of them must bring "
        "scenarios.npz, and of further waves waves/001/scenarios.npz and so on."
    )


def _sum(operands: Sequence[Operand], not_told: dict[str, str]) -> tuple[Partial, tuple[str, ...]]:
    """The sums over all loans, and the dimensions that they are broken down by: those that all runs have."""
    first = operands[0].dimensions
    shared = tuple(name for name in first if all(name in each.dimensions for each in operands))
    named = dict.fromkeys(name for each in operands for name in each.dimensions)
    for name in named:
        if name not in shared:
            if name == REGIONS:
                not_told["regions"] = OTHER_REGIONS
            else:
                not_told[f"dimensions.{name}"] = OTHER_DIMENSIONS
    most = min(tracked(len(each.dimensions)) for each in operands)
    known = all(each.largest() is not None for each in operands)
    total: Partial | None = None
    for each in sorted(operands, key=lambda each: -each.term.sign):  # added first, so that nothing is negative between
        part = replace(each.sums.total)  # whose own lists stay as they are
        part.dimensions = [part.dimensions[each.dimensions.index(name)] for name in shared]
        if part.profile and known:
            part.profile.largest = sorted(each.largest() or [], key=lambda loan: (-loan[0], loan[1]))[:TOP]
        if total is None:
            total = deepcopy(part)
        elif each.term.sign > 0:
            total.absorb(part, most)
        else:
            try:
                total.take_out(part)
            except ValueError as error:
                raise InvalidInput(
                    f"{each.term.place} cannot be taken out: it is no part of the rest, as it has {error}."
                ) from None
    assert total is not None
    return total, shared


def _plan(operands: Sequence[Operand], dimensions: Sequence[str], name: str, bucket: str) -> Plan:
    """The plan of a run that was not simulated: what the runs have in common, and which they are."""
    first = operands[0].plan
    terms = [each.term for each in operands]
    made_of = [[each.term.sign, each.plan.digest] for each in operands]
    return replace(
        first,
        run=name,
        portfolio=in_words([replace(term, place=each.plan.run) for term, each in zip(terms, operands, strict=True)]),
        bucket=bucket,
        max_rejected_share=max(each.plan.max_rejected_share for each in operands),
        max_duplicate_share=max(each.plan.max_duplicate_share for each in operands),
        count_one_in=max(each.plan.count_one_in for each in operands),
        count_ranges=max(each.plan.count_ranges for each in operands),
        by_borrower=False,
        dimensions=tuple(each for each in dimensions if each != REGIONS),
        mapping=_mapping([each.plan for each in operands], dimensions),
        filter=_filter([each.plan.filter for each in operands if each.term.sign > 0]),
        dealt_into=0,
        group_chunks=(),
        objects_digest=hashlib.sha256(json.dumps(made_of).encode()).hexdigest(),
        target_error=None,
        scenarios_from=None,
        pinned=(),
        tail_fit=None,
        version=__version__,
    )


def _filter(found: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    """What a loan of the sum met: all conditions of any of the runs added; nothing where one of them has no filter."""
    if not all(found):
        return ()
    if all(each == found[0] for each in found):
        return tuple(found[0])
    nested = [each if isinstance(each[0][0], list | tuple) else [each] for each in found]
    alternatives = [together for each in nested for together in each]
    return tuple(each for place, each in enumerate(alternatives) if each not in alternatives[:place])


def _mapping(found: Sequence[Plan], dimensions: Sequence[str]) -> Mapping[str, Any] | None:
    """The runs' mapping; of several ones what a result shows: currency, regions and that there was a filter."""
    first = found[0].mapping
    if all(each.mapping == first for each in found):
        return first
    documents = [each.mapping or {} for each in found]
    filtered = next((each["filter"] for each in documents if each.get("filter")), None)
    return {
        "currency": found[0].columns.currency,
        **({"region": "region"} if REGIONS in dimensions else {}),
        **({"filter": filtered} if filtered else {}),
    }


def _duplicates(operands: Sequence[Operand], plan: Plan, simulated: int) -> Duplicates | None:
    """AccountIDs that several loans have, within the runs and between them; None where keys are missing.

    Raises InvalidInput where a run that is taken out has loans that are not in the rest, InvalidPortfolio where too
    many have one.
    """
    if not all(each.has_keys() for each in operands):
        return None
    found = Found()
    ends = [(number << 64) // (plan.count_one_in * plan.count_ranges) for number in range(plan.count_ranges + 1)]
    for low, high in pairwise(ends):
        parts = [(each, each.keys_between(low, high)) for each in operands]
        merged = Tally.merge([Tally(part.key, part.amount * each.term.sign) for each, part in parts])
        if missing := int((merged.amount < 0).sum()):
            out = " and ".join(each.term.place for each in operands if each.term.sign < 0)
            raise InvalidInput(
                f"{out} cannot be taken out: {missing:,} of its AccountIDs are not in the rest, or more often in it."
            )
        amount = merged.amount[merged.amount > 1]
        found.rows += int(amount.sum())
        found.accounts += amount.size
        found.squares += int((amount * amount).sum())
    repeated = duplicates.scaled(found, plan, simulated)
    if repeated.share > plan.max_duplicate_share:
        raise InvalidPortfolio(
            f"{repeated.rows:,} rows, {repeated.share:.3%} of all, have an AccountID that another row has, in the same "
            f"run or in another, more than max_duplicate_share {plan.max_duplicate_share:.3%} of the runs allows: is a "
            "loan in two of them?"
        )
    return repeated
