"""From one run's loss to another's in every scenario, step by step and to the cent, where both have the same scenarios.

The steps are those of `waterfall`, without the scenarios': a loan's loss is a pure function of the seed, its AccountID
and the scenario, so only loans that changed are simulated, and the others change nothing in any scenario.

    new         what the new loans lose, under the first run's model
    repaid      less what the loans that are gone lose
    exposure    each changed loan loses in proportion to what it owes now, in the scenarios in which it defaulted
    pd          and in those in which it defaults now: its PD, its factor and correlation, its borrower
    lgd         and what it loses now at default
    parameters  all of the second run's loans under its own parameters

Chunks of the same rows of the same objects, by their ETags, are not read, where both runs read and value them alike.
Loans are matched in parts, by their keys, so memory does not grow with the portfolios: what a part needs waits in a
scratch folder, about 100 bytes a loan. Imports of ours: `replay` and `montecarlo`.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from additive import remodel
from additive.replay import Replay
from montecarlo.errors import InvalidInput
from montecarlo.model.cases import unweighted
from montecarlo.model.credit import LoanRisks, in_case
from montecarlo.run.chunk import Chunk
from montecarlo.run.plan import Plan
from montecarlo.simulation import kernel
from montecarlo.simulation.trials import Ints, mix64

STEPS = ("new", "repaid", "exposure", "pd", "lgd", "parameters")

PART_LOANS = 100_000
"""Loans of a part, about: the keys are spread evenly."""

MOST_PARTS = 500
"""Files that are open at once."""

Rows = npt.NDArray[np.void]


def same_scenarios(first: Replay, second: Replay) -> bool:
    """Whether two runs can be compared scenario by scenario: same seed, cases, factors and weights in every wave."""
    one, other = first.plan, second.plan
    return (one.seed, one.sample, unweighted(one.cases), len(first.plans)) == (
        other.seed, other.sample, unweighted(other.cases), len(second.plans)
    ) and all(
        np.array_equal(mine.scenarios.factors, theirs.scenarios.factors)
        and np.array_equal(mine.scenarios.weights, theirs.scenarios.weights)
        for mine, theirs in zip(first.drawn, second.drawn, strict=True)
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Attribution:
    """In C cases and S scenarios, cents: `before` + all steps + residual = `after`, int64 (C, S) each."""

    before: Ints
    steps: Mapping[str, Ints]
    after: Ints

    @property
    def residual(self) -> Ints:
        """What the steps leave: nothing, unless one of the runs or its portfolio is not what it was."""
        return np.asarray(self.after - self.before - sum(self.steps.values()))


def attribute(first: Replay, second: Replay, scratch: Path) -> Attribution:
    """The steps from the first run's losses to the second's.

    scratch: an empty folder. Raises InvalidInput where the runs have other scenarios, InvalidPortfolio where an object
    of a portfolio is not what it was.
    """
    if not same_scenarios(first, second):
        raise InvalidInput(f"runs {first.run} and {second.run} have other scenarios.")
    chunks = _different(first, second)
    loans = max(len(chunks[replay.run]) * replay.plan.chunk_loans for replay in (first, second))
    parts = min(max(1, -(-loans // PART_LOANS)), MOST_PARTS)
    spilled = {"ours": (first, first), "moved": (second, first)}
    if first.plan.parameters != second.plan.parameters:
        spilled["theirs"] = (second, second)
    for name, (loans_of, model) in spilled.items():
        (scratch / name).mkdir()
        _spill(loans_of, chunks[loans_of.run], model, parts, scratch / name)
    steps = {name: np.zeros_like(first.losses) for name in STEPS}

    def work(part: int) -> dict[str, Ints]:
        return _part(first, second, {name: _read(scratch / name, part, first.plan) for name in spilled})

    for found in first.over(work, range(parts)):
        for name, change in found.items():
            steps[name] += change * first.plan.sample
    return Attribution(first.losses, steps, second.losses)


# ---------------------------------------------------------------------------------------------------------------------
# What waits in the scratch folder


def _kinds(plan: Plan) -> np.dtype[np.void]:
    """A loan's row: the fields of LoanRisks."""
    cases = len(plan.cases)
    kinds = {"alpha": ("<i4", cases), "pd": ("<u4", cases), "key": "<u8", "lgd_key": "<u8", "lgd": "<i4"}
    kinds |= dict.fromkeys(("sector", "region", "factor", "loading"), "<i2")
    kinds |= dict.fromkeys(("certain", "impossible"), "?")
    kinds |= dict.fromkeys(("exposure", "loss", "rounding"), "<i8")
    if any(case.collateral_shift for case in plan.cases):
        kinds |= {"lgd": ("<i4", cases), "loss": ("<i8", cases), "rounding": ("<i8", cases)}
    names = [field.name for field in fields(LoanRisks)]
    return np.dtype([(name, *(kinds[name] if isinstance(kinds[name], tuple) else (kinds[name],))) for name in names])


def _different(first: Replay, second: Replay) -> dict[str, list[Chunk]]:
    """The chunks of each run, by its name, without those whose loans are the same in both."""
    found = {replay.run: replay.chunks() for replay in (first, second)}
    one, other = first.plan, second.plan
    if (one.as_of, one.mapping, one.parameters) != (other.as_of, other.mapping, other.parameters):
        return found
    same = set.intersection(*({chunk.digest for chunk in chunks} for chunks in found.values())) - {""}
    return {run: [chunk for chunk in chunks if chunk.digest not in same] for run, chunks in found.items()}


def _spill(loans_of: Replay, chunks: Sequence[Chunk], model: Replay, parts: int, folder: Path) -> None:
    """Write the loans of one run under another's model, by parts of their keys."""
    kinds, read_by, plan = _kinds(model.plan), loans_of.plan.parameters, model.plan

    def rows(chunk: Chunk) -> tuple[Rows, npt.NDArray[np.int64]]:
        loans = loans_of.read(chunk).loans
        found = remodel.risks(loans, read_by, plan.parameters, plan.cases, model.drawn[0].tables)
        made = np.empty(len(found), kinds)
        for name, values in vars(found).items():
            made[name] = values.T
        return made, ((mix64(found.lgd_key) >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)).astype(np.int64)

    with ExitStack() as stack:
        files = [stack.enter_context((folder / f"{part}").open("wb")) for part in range(parts)]
        for made, part in loans_of.over(rows, chunks):
            for number in np.unique(part).tolist():
                made[part == number].tofile(files[number])


def _read(folder: Path, part: int, plan: Plan) -> LoanRisks:
    rows = np.fromfile(folder / f"{part}", _kinds(plan))
    return LoanRisks(**{field.name: np.ascontiguousarray(rows[field.name].T) for field in fields(LoanRisks)})


# ---------------------------------------------------------------------------------------------------------------------
# One part


def _part(first: Replay, second: Replay, books: Mapping[str, LoanRisks]) -> dict[str, Ints]:
    """What each step changes by some of the loans, int64 (C, S)."""
    ours, moved = books["ours"], books["moved"]
    here, there = _matched(ours, moved)
    new, repaid = _others(len(moved), there), _others(len(ours), here)
    before, after = ours.select(here), moved.select(there)
    changed = _differ(before, after)
    states = _states(before.select(changed), after.select(changed))
    losses = _each_once(first, states)
    steps = {
        "new": _losses(first, moved.select(new)),
        "repaid": -_losses(first, ours.select(repaid)),
        **{name: now - then for name, then, now in zip(("exposure", "pd", "lgd"), losses, losses[1:], strict=False)},
    }
    if "theirs" in books:
        theirs = books["theirs"]
        other = _differ(moved, theirs) if _same_tables(first, second) else np.arange(len(moved))
        steps["parameters"] = _losses(second, theirs.select(other)) - _losses(first, moved.select(other))
    return steps


def _states(before: LoanRisks, after: LoanRisks) -> list[LoanRisks]:
    """The same loans before, with what they owe after, with their PDs after, and after."""
    share = _scaled(before.loss, after.exposure, before.exposure)
    owed = replace(before, exposure=after.exposure, loss=share)
    owed = _chosen((before.exposure == 0) & (after.exposure != 0), after, owed)
    names = ("key", "alpha", "pd", "certain", "impossible", "factor", "loading")
    likely = replace(owed, **{name: getattr(after, name) for name in names})
    likely = _chosen(before.impossible | (before.exposure == 0), after, likely)
    return [before, owed, likely, after]


def _scaled(amount: Ints, by: Ints, over: Ints) -> Ints:
    """amount * by / over, to the nearest; the amount itself where over is 0."""
    whole = amount.astype(object) if float(amount.max(initial=0)) * float(by.max(initial=0)) >= 2.0**61 else amount
    divisor = np.where(over == 0, 1, over)
    return np.where(over == 0, amount, (2 * whole * by + divisor) // (2 * divisor)).astype(np.int64)


def _chosen(where: npt.NDArray[np.bool_], one: LoanRisks, other: LoanRisks) -> LoanRisks:
    """One's loans where true, the other's elsewhere."""
    return LoanRisks(**{name: np.where(where, values, getattr(other, name)) for name, values in vars(one).items()})


def _differ(one: LoanRisks, other: LoanRisks) -> npt.NDArray[np.intp]:
    """Which loans anything is another of that decides what they lose."""
    different = np.zeros(len(one), np.bool_)
    for field in fields(LoanRisks):
        if field.name not in ("region", "rounding", "pd"):
            unlike = getattr(one, field.name) != getattr(other, field.name)
            different |= unlike.any(axis=0) if unlike.ndim > 1 else unlike
    return np.flatnonzero(different)


def _matched(ours: LoanRisks, theirs: LoanRisks) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Where the loans are that both have: of one AccountID that several have, in the order of what they owe."""
    order = [np.lexsort((in_case(risks.loss, 0), risks.exposure, risks.lgd_key)) for risks in (ours, theirs)]
    keys = [risks.lgd_key[places] for risks, places in zip((ours, theirs), order, strict=True)]
    nth = [np.arange(key.size) - np.searchsorted(key, key) for key in keys]
    _, number = np.unique(np.concatenate(keys), return_inverse=True)
    name = number * (max(int(each.max(initial=0)) for each in nth) + 1) + np.concatenate(nth)
    _, here, there = np.intersect1d(name[: keys[0].size], name[keys[0].size :], assume_unique=True, return_indices=True)
    return order[0][here], order[1][there]


def _others(count: int, places: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    left = np.ones(count, np.bool_)
    left[places] = False
    return np.flatnonzero(left)


def _each_once(replay: Replay, states: Sequence[LoanRisks]) -> list[Ints]:
    """The losses of the same loans in each state: one that is as the state before is not simulated again."""
    losses: list[Ints] = []
    for number, state in enumerate(states):
        same = number and not _differ(states[number - 1], state).size
        losses.append(losses[-1] if same else _losses(replay, state))
    return losses


def _losses(replay: Replay, risks: LoanRisks) -> Ints:
    """What loans lose in all waves of a run's scenarios, int64 (C, S)."""
    waves = []
    for plan, drawn in zip(replay.plans, replay.drawn, strict=True):
        if not len(risks):
            waves.append(np.zeros((len(plan.cases), len(drawn.scenarios)), np.int64))
            continue
        found = kernel.simulate(risks, drawn.tables, drawn.scenarios, plan.seed, replay.kernel, replay.cache)
        waves.append(found.by_segment.sum(axis=1))
    return np.concatenate(waves, axis=1)


def _same_tables(first: Replay, second: Replay) -> bool:
    return all(one.digest() == other.digest() for one, other in zip(first.drawn, second.drawn, strict=True))
