"""What a run would say if some loans came and others went: before, after, and how certain the difference is.

Only the loans that come and go are simulated, under the run's own scenarios; the rest is in the run's sums. So what is
found is what a run over the changed portfolio would find under the same scenarios, to the bit.
"""

import platform
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from additive import candidates
from additive.replay import Replay
from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.model import sums as exact_sums
from montecarlo.model.differences import Pair
from montecarlo.model.measures import Estimate, LossSample, Measures, independent_error, stratified_error
from montecarlo.portfolio.loans import Loans, hash_ids, validate
from montecarlo.portfolio.mapping import ColumnMapping, Origin
from montecarlo.run import duplicates, reverse_stress
from montecarlo.run.breakdown import Breakdown
from montecarlo.run.chunk import Chunk
from montecarlo.run.dimensions import tracked
from montecarlo.run.partial import Counts, Partial
from montecarlo.run.plan import Plan, as_json
from montecarlo.run.result import build, case_figures, interval, money
from montecarlo.run.tally import Keys
from montecarlo.simulation.trials import mix64

SHOWN = 3
"""AccountIDs or rows at fault that an error names."""

NOT_TOLD = ("input", "duplicates", "rejected_by_reason", "timings", "scenarios_from", "waves", "cost")
"""Of result.json, what is of a run that was carried out."""

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class WhatIf:
    """Before and after some loans came and others went. before, after: in the shape of result.json. difference: by
    case, after - before, with errors. losses: int64 (2, C, S), in each scenario before and after, cents.
    """

    run: str
    added: dict[str, Any]
    removed: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]
    difference: dict[str, Any]
    total: Partial
    losses: npt.NDArray[np.int64]

    def to_json(self) -> dict[str, Any]:
        """what-if.json."""
        names = ("run", "added", "removed", "before", "after", "difference")
        return as_json({"schema": SCHEMA, **{name: getattr(self, name) for name in names}})


def what_if(
    replay: Replay, add: Sequence[Path] = (), remove: Sequence[Path] = (), mapping: Mapping[str, Any] | None = None
) -> WhatIf:
    """What the run would say with the loans of some files, and without those whose AccountIDs others have.

    mapping: of the files; the run's own where it is None. Raises InvalidInput or InvalidPortfolio that names what
    cannot be added, or is not there to be removed.
    """
    plan = replay.plan
    if not add and not remove:
        raise InvalidInput("nothing would change: name loans to add, to remove, or both.")
    if plan.sample > 1:
        raise InvalidInput(
            f"the run {plan.run} simulated one loan in {plan.sample:,}: most loans that come or go would not be among "
            "them. Make a run of all loans."
        )
    columns = (plan if mapping is None else replace(plan, mapping=mapping)).columns
    coming = [candidates.from_file(plan, path, columns, most=None) for path in add]
    names = [account_ids(plan, path, columns) for path in remove]
    gone = _found(replay, _once(pa.concat_arrays(names))) if names else []
    _check_new(replay, coming, pa.concat_arrays([each.account_id for each in gone]) if gone else None)
    before = replay.sums()
    after = deepcopy(before.total)
    came, went = (_simulated(replay, loans) for loans in (coming, gone))
    for part in came:
        after.absorb(part, tracked(len(part.dimensions)))
    for part in went:
        try:
            after.take_out(part)
        except ValueError as error:
            raise InvalidPortfolio(
                f"the portfolio of the run {plan.run} is not what it was: a loan to be removed has {error}."
            ) from None
    if not after.counts.simulated:
        raise InvalidInput("no loan would be left.")
    after.check_unit()
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    waves = len(replay.plans)
    before.total.profile = after.profile = None  # what single loans are like cannot be taken out of a summary of them

    def result_of(total: Partial) -> dict[str, Any]:
        result = build(plan, total, replay.weights, waves, versions)
        if plan.capital_available is not None:
            result["reverse_stress"] = reverse_stress.of_capital(plan, total, replay.drawn[0].tables)
        if plan.by_borrower:  # a sum does not say who owes in several of its parts
            result["portfolio"]["borrowers"] = None
        del result["versions"]["portfolio"]  # the changed one is in no objects
        return {name: value for name, value in result.items() if name not in NOT_TOLD}

    old, new = result_of(before.total), result_of(after)
    return WhatIf(
        plan.run,
        _holding(came),
        _holding(went),
        old,
        new,
        _differences(replay, before.total, after, (old, new)),
        after,
        np.array([total.segments.losses.sum(axis=1) for total in (before.total, after)]),
    )


# ---------------------------------------------------------------------------------------------------------------------
# The loans that come and go


def account_ids(plan: Plan, path: Path, columns: ColumnMapping) -> pa.Array:
    """The AccountIDs of a file, which needs no other column. Raises InvalidInput, InvalidPortfolio."""
    if columns.numbers_rows:
        raise InvalidInput("the run's mapping numbers the rows: its loans have no AccountID by which one is found.")
    one = Origin(constant="1")  # which every dialect spells so
    origins = {"AccountID": columns.origin("AccountID"), "PD": one, "EAD": one}
    alone = replace(columns, origins=origins, conditions=(), filters=(), filtered_by={}, dimensions={})
    raw = candidates.rows_of(path, alone)
    raw = replace(raw, tables=tuple(table.select(list(origins)) for table in raw.tables))
    loans, rejects = validate(raw, alone, tuple(plan.parameters.segments), plan.as_of)
    if rejects:
        raise InvalidPortfolio(f"{path}: row {rejects[0].row:,}: {rejects[0].reason}.")
    if not len(loans):
        raise InvalidPortfolio(f"{path} holds no AccountID.")
    return loans.account_id


def _once(accounts: pa.Array) -> pa.Array:
    """The AccountIDs. Raises InvalidInput where one is there twice."""
    counted = accounts.value_counts()
    twice = [each["values"].as_py() for each in counted if each["counts"].as_py() > 1]
    if twice:
        raise InvalidInput(f"these AccountIDs are there more than once: {_named(twice)}.")
    return accounts


def _found(replay: Replay, accounts: pa.Array) -> list[Loans]:
    """The run's loans of these AccountIDs, chunk by chunk. Raises InvalidInput that names those that it has not."""
    found = [each for each in _matching(replay, accounts) if len(each)]
    there = pa.concat_arrays([each.account_id for each in found]) if found else pa.array([], pa.string())
    missing = accounts.filter(pc.invert(pc.is_in(accounts, there))).to_pylist()
    if missing:
        raise InvalidInput(f"the run {replay.run} has no loan {_named(missing)}: correct what is to be removed.")
    return found


def _check_new(replay: Replay, coming: Sequence[Loans], gone: pa.Array | None) -> None:
    """Raise InvalidInput that names the AccountIDs to add that the run has, unless those loans are removed."""
    if not coming:
        return
    accounts = _once(pa.concat_arrays([each.account_id for each in coming]))
    staying = accounts if gone is None else accounts.filter(pc.invert(pc.is_in(accounts, gone)))
    if replay.is_sum or not len(staying):
        return  # a sum of runs knows no AccountID: the command says so
    there = [account for each in _matching(replay, staying) for account in each.account_id.to_pylist()]
    if there:
        raise InvalidInput(
            f"the run {replay.run} has the loan {_named(there)} already: remove it, too, if it changes, or give what "
            "is added an AccountID of its own, as loans of one AccountID share their luck."
        )


def _matching(replay: Replay, accounts: pa.Array) -> list[Loans]:
    """The loans of these AccountIDs in each chunk that may have some: by the keys that each chunk has left."""
    wanted = np.unique(mix64(hash_ids(accounts)))

    def look(chunk: Chunk) -> Loans | None:
        if not _may_have(replay, chunk, wanted):
            return None
        loans = replay.read(chunk).loans
        chosen = np.asarray(pc.is_in(loans.account_id, accounts).to_numpy(zero_copy_only=False), dtype=np.bool_)
        return loans.select(chosen)

    return [loans for loans in replay.over(look, replay.chunks()) if loans is not None]


def _may_have(replay: Replay, chunk: Chunk, wanted: Keys) -> bool:
    plan = replay.plan
    if plan.count_one_in > 1:  # of very many loans not all keys were kept
        return True
    tally = duplicates.read_chunk(plan, chunk.group, chunk.number, replay.store)
    return bool((tally.find(wanted) >= 0).any())


def _named(accounts: Sequence[str]) -> str:
    more = f" and {len(accounts) - SHOWN:,} more" if len(accounts) > SHOWN else ""
    return ", ".join(accounts[:SHOWN]) + more


def _simulated(replay: Replay, parts: Sequence[Loans]) -> list[Partial]:
    """The sums over each part's loans, over all waves."""

    def simulate(loans: Loans) -> Partial:
        counts = Counts(read=len(loans), simulated=len(loans))
        waves = [
            each.partial(plan, replace(counts)) for plan, each in zip(replay.plans, replay.simulate(loans), strict=True)
        ]
        for wave in waves[1:]:
            waves[0].append_scenarios(wave)
        return waves[0]

    return list(replay.over(simulate, parts))


def _holding(parts: Sequence[Partial]) -> dict[str, Any]:
    exposure = sum(int(exact_sums.exact(part.segments.exposure).sum()) for part in parts)
    return {"loans": sum(part.counts.simulated for part in parts), "exposure": exposure / 100}


# ---------------------------------------------------------------------------------------------------------------------
# The difference


def _differences(
    replay: Replay, before: Partial, after: Partial, results: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """By case: each measure's difference with its error, and those of the parts' shares in ES."""
    plan = replay.plan
    strata = plan.design.strata(plan.scenarios) * len(replay.plans)
    error = stratified_error(strata) if strata else independent_error
    found = {}
    for c, case in enumerate(plan.cases):
        samples = [LossSample(total.segments.losses[c].sum(axis=0), replay.weights, error) for total in (before, after)]
        pair = Pair(*samples)
        old, new = (
            _measures(sample, result["cases"][case.name], plan) for sample, result in zip(samples, results, strict=True)
        )
        figures = case_figures(pair.measures(old, new))
        for name in ("el", "worst"):
            figures[name] = _minus(results, ("cases", case.name, name))
        found[case.name] = {
            **figures,
            **{
                name: _minus(results, ("cases", case.name, *path))
                for name, path in (("mean_pd", ("mean_pd",)), ("capital", ("capital",)))
            },
            "ecl": {
                name: _minus(results, ("cases", case.name, "ecl", name))
                for name in results[0]["cases"][case.name]["ecl"]
            },
            **{
                kind: _of_parts(plan, pair, c, kind, names, parts, results)
                for kind, names, parts in _breakdowns(plan, before, after)
            },
        }
    return found


def _measures(sample: LossSample, case: Mapping[str, Any], plan: Plan) -> Measures:
    return sample.measures(None if case["el"] is None else case["el"] * 100, plan.levels)


def _breakdowns(plan: Plan, before: Partial, after: Partial) -> list[tuple[str, list[str], list[Breakdown]]]:
    """Segments, of both, by name."""
    return [("segments", list(plan.parameters.segments), [before.segments, after.segments])]


def _of_parts(
    plan: Plan,
    pair: Pair,
    case: int,
    kind: str,
    names: Sequence[str],
    parts: Sequence[Breakdown],
    results: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The differences of each part that has loans before or after."""
    level = plan.contribution_level
    old, new = (part.losses[case] for part in parts)
    shares = pair.contributions(old, new, level / 100)
    key = f"es_{level:g}_contribution"
    found = {}
    for number, name in enumerate(names):
        if not any(part.loans[number] for part in parts):
            continue
        where = ("cases", plan.cases[case].name, kind, name)
        plain = {
            figure: _minus(results, (*where, figure))
            for figure in ("el", "capital", "twelve_month_ecl", "lifetime_ecl")
        }
        holding = ("portfolio", kind, name)
        share: Estimate = shares[number]
        found[name] = {
            "loans": _minus(results, (*holding, "loans")),
            "exposure": _minus(results, (*holding, "exposure")),
            **plain,
            key: money(share.value),
            "standard_error": {key: money(share.standard_error)},
            "interval_95": {key: interval(share)},
        }
    return found


def _minus(results: Sequence[Mapping[str, Any]], path: Sequence[str]) -> float | None:
    """after - before of a figure; one that is not there counts as nothing, one that is null has no difference."""
    values = []
    for result in results:
        node: Any = result
        for name in path:
            node = node.get(name, 0.0) if isinstance(node, Mapping) else 0.0
        values.append(node)
    if any(value is None for value in values):
        return None
    difference = values[1] - values[0]
    return round(difference, 2) if isinstance(difference, float) and path[-1] != "mean_pd" else difference
