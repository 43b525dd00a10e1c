"""Aggregate: check that the run is whole, and publish its results, or ask for more scenarios.

Nothing is published unless every planned chunk is there exactly once and every row is accounted for.
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from montecarlo.cost import estimate as cost
from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun, InvalidPortfolio
from montecarlo.report.headline import headline
from montecarlo.run import borrowers, contributions, duplicates, groups, records, reverse_stress, tail
from montecarlo.run.duplicates import Duplicates
from montecarlo.run.groups import S
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan, read, read_scenarios, read_waves
from montecarlo.run.publication import publish
from montecarlo.run.result import Floats, build
from montecarlo.run.sums import RunSums
from montecarlo.run.weighed import Weighed
from montecarlo.steps.protocol import Event, Host, read_event
from montecarlo.storage import keys
from montecarlo.storage.parquet import to_parquet
from montecarlo.storage.store import NoSuchObject, Store


def step(event: Event, host: Host) -> dict[str, Any]:
    """{"run", "plan", "wave"} -> {"run", "wave", "more"}, and of the last wave {"result", "report", "headline",
    "places", "console"}: the keys, the figures, and where all lies, in S3 and in the console.

    "more": whether another wave of scenarios is wanted, or the pass over the tail; its number "wave" then is. Nothing
    is published before the last.
    """
    given = read_event(AggregateEvent, event)
    if given.wave == keys.TAIL:
        after = read(host.store, keys.wave(given.run, keys.TAIL), given.plan)
        waves = len(tail.read(given.run, host.store, after.scenarios_digest).waves)
        result = aggregate(read_waves(host.store, given.run, waves), host.store, after=after)
    else:
        result = aggregate(read_waves(host.store, given.run, given.wave + 1, given.plan), host.store)
    if isinstance(result, int):
        return {"run": given.run, "wave": result, "more": True}
    published = {"result": keys.result(given.run), "report": keys.report(given.run)}
    there = {**published, "losses": keys.losses(given.run), "segments": keys.segments(given.run)}
    there["loans"] = keys.loans(given.run)
    return {
        "run": given.run,
        "wave": given.wave,
        "more": False,
        **published,
        "headline": headline(result),
        "places": {name: host.store.url(key) for name, key in there.items()},
        "console": {name: host.console(key) for name, key in published.items()},
    }


@dataclass(frozen=True)
class AggregateEvent:
    """A run whose groups are done, up to a wave of scenarios."""

    run: str
    wave: int = 0
    plan: str | None = None


def aggregate(
    plans: Sequence[Plan],
    store: Store,
    versions: Mapping[str, str] | None = None,
    produced: str | None = None,
    after: Plan | None = None,
) -> dict[str, Any] | int:
    """Add up the groups of the run's waves, check that they are whole, and publish; returns the result.

    Returns the number of one more wave where the estimates are less precise than was asked and another is allowed, or
    where scenarios that were taken over are left; and that of the pass over the tail where the run asks for it and it
    is to come. Nothing is published then. Raises IncompleteRun where a chunk is missing or rows do not add up,
    InvalidPortfolio where too many rows were rejected, none is left, or their amounts are too small to be counted in
    cents.

    versions: of what computes, as the result names them; those of this process where they are not given. produced:
    date and time, as the result has them; now where they are not given, and none where they are empty. after: the plan
    of the pass over the tail, where its groups are done.
    """
    plan = plans[0]
    totals = [add_up(wave, store) for wave in plans]
    total, first = totals[0], totals[0].counts
    for wave in totals[1:]:
        if wave.counts != first:
            raise IncompleteRun(f"the waves read different rows, {first} and {wave.counts}: the portfolio was changed.")
        total.append_scenarios(wave)
    if not total.counts.balanced():
        raise IncompleteRun(f"rows do not add up: {total.counts}.")
    _check_rejects(plan, total, store)
    total.check_unit()
    repeated = _check_duplicates(plan, total.counts.simulated, store)
    if len(plans) < len(plan.pinned):
        return len(plans)  # of the scenarios that were taken over, more are to come
    weights = np.concatenate([read_scenarios(store, wave).scenarios.weights for wave in plans]) / len(plans)
    versions = versions or {"python": platform.python_version(), "numpy": np.__version__}
    owed = borrowers.find(plan, store) if plan.by_borrower else None
    result = build(plan, total, weights, len(plans), versions, owed)
    result["duplicates"] = repeated.to_json()
    if plan.target_error:
        errors = [_relative_error(case, plan.target_measure) for case in result["cases"].values()]
        known = [error for error in errors if error is not None]
        error = max(known) if len(known) == len(errors) else None
        reached = error is not None and error <= plan.target_error
        result["waves"] = {
            "count": len(plans),
            "target_measure": plan.target_measure,
            "target_error": plan.target_error,
            "relative_error": error,
            "reached": reached,
        }
        if not reached and (len(plans) + 1) * plan.scenarios <= plan.max_scenarios:
            return len(plans)
    if plan.capital_available is not None:
        result["reverse_stress"] = reverse_stress.of_capital(plan, total, read_scenarios(store, plan).tables)
    sums = RunSums(plan.digest, tuple(wave.scenarios_digest for wave in plans), total)
    store.put(keys.sums(plan.run), sums.to_bytes())
    in_pass: Weighed | None = None
    if plan.contributions:
        if after is None:
            return keys.TAIL  # which Plan finds in the sums
        result["contributions"], in_pass = _contributions(plans, total, weights, after, store)
    chunks = len(total.chunks) * len(plans)
    if produced is None:
        produced = datetime.now(UTC).isoformat(timespec="seconds")
    if produced:
        result["timings"]["produced"] = produced
    if plan.reuse:
        result["reused"] = {"run": plan.reuse, "chunks": total.reused, "of": chunks}
    more = (len(in_pass.chunks), in_pass.seconds) if in_pass else (0, 0.0)
    result["cost"] = cost.actual(_estimate(plan, store), chunks + more[0], total.seconds + more[1])
    publish(plan, result, total, weights, store)
    return result


def _contributions(
    plans: Sequence[Plan], total: Partial, weights: Floats, after: Plan, store: Store
) -> tuple[dict[str, Any], Weighed]:
    """What each loan contributes, and the sums of the pass that says so.

    after: the pass's plan. Raises RunTaken where it is of another tail than the run's.
    """
    plan, level = plans[0], plans[0].contribution_level
    losses = total.segments.losses.sum(axis=1) * plan.sample
    samples = tail.samples_of(plans, losses, weights)
    of_run = tail.Tail.of(plans, samples, level)
    tail.make_plan(plan, of_run).check(after.digest)
    weighed = _add_up(after, store, Weighed)
    contributions.check(plan, of_run, weighed, losses, store.url(keys.group(after.run, 0)))
    owing = None
    if contributions.names_borrowers(plan):
        owing = contributions.find_borrowers(plan, contributions.tallies(after, store), weighed, store)
    drawn = [read_scenarios(store, wave) for wave in plans]
    return contributions.told(plan, drawn, samples, weighed, level, owing), weighed


def _relative_error(case: Mapping[str, Any], measure: str) -> float | None:
    """Standard error of a measure such as el or var_99.9, relative to its value; None where the sample cannot tell."""
    name, _, level = measure.partition("_")
    value, error = (figures[name][level] if level else figures[name] for figures in (case, case["standard_error"]))
    if error is None:
        return None
    return float(error / value) if value else 0.0


def add_up(plan: Plan, store: Store) -> Partial:
    """The sum of all groups. Raises IncompleteRun unless every planned chunk is in it exactly once."""
    return _add_up(plan, store, Partial)


def _add_up(plan: Plan, store: Store, kind: type[S]) -> S:

    def checked(group: int) -> S | None:
        planned = {(group, chunk) for chunk in range(groups.planned_group(plan, group, store).chunks)}
        if not planned:
            return None
        partial = groups.read_partial(plan, keys.group_partial(plan.run, group), store, kind)
        if missing := planned - set(partial.chunks):
            raise IncompleteRun(
                f"{len(missing)} of {len(planned)} chunks of group {group} are missing, the first {min(missing)} "
                "(group, chunk)."
            )
        if len(partial.chunks) > len(planned):
            raise IncompleteRun(f"group {group} holds chunks that were never planned, or some of them twice.")
        return partial

    total = groups.total(groups.ahead(checked, range(plan.groups)))
    if total is None:
        raise InvalidPortfolio(f"portfolio {plan.portfolio} has no rows.")
    return total


def _check_rejects(plan: Plan, total: Partial, store: Store) -> None:
    counts = total.counts
    where = store.url(keys.rejects(plan.run))
    if counts.rejected > plan.max_rejected_share * counts.read:
        top = max(total.rejected_by_reason.items(), key=lambda item: item[1])
        raise InvalidPortfolio(
            f"{counts.rejected:,} of {counts.read:,} rows were rejected, more than max_rejected_share "
            f"{plan.max_rejected_share:.3%} "
            f"allows; most often ({top[1]:,}): {top[0]}. Each row with its reason is under {where}. Correct the rows "
            "or the mapping, or raise max_rejected_share (--max-rejected-share)."
        )
    if not counts.read:
        raise InvalidPortfolio(f"portfolio {plan.portfolio} has no rows.")
    if not counts.simulated:
        raise InvalidPortfolio(
            f"portfolio {plan.portfolio} has no loan to simulate: {counts.read:,} rows, {counts.rejected:,} rejected "
            f"and {counts.filtered:,} left out by the filter. See {where}."
        )


def _estimate(plan: Plan, store: Store) -> dict[str, Any]:
    try:
        return records.read_sealed(store, keys.estimate(plan.run), dict)
    except (NoSuchObject, Damaged) as error:
        raise records.incomplete(error) from None


def _check_duplicates(plan: Plan, simulated: int, store: Store) -> Duplicates:
    """What the run's loans have of duplicates, written too. Raises InvalidPortfolio where they are too many."""
    found, table = duplicates.find(plan, simulated, store)
    where = keys.duplicates(plan.run)
    if len(table):
        store.put(where, to_parquet(table))
    if found.share > plan.max_duplicate_share:
        about = "" if found.one_in == 1 else "about "
        raise InvalidPortfolio(
            f"{about}{found.rows:,} rows, {found.share:.3%} of all, have an AccountID that another row has, more than "
            f"max_duplicate_share {plan.max_duplicate_share:.3%} allows. The AccountIDs are in {store.url(where)}. If "
            "each row is a loan of its own, give each its own AccountID; if several rows shall have one AccountID, and "
            "so share their random numbers, raise max_duplicate_share (--max-duplicate-share)."
        )
    return found
