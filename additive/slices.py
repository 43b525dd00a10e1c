"""A part of a finished run: its own loss distribution, and what it contributes to the whole's.

The part's loans are simulated again under the run's scenarios, from the portfolio. Nothing need have been stored for it
but what every run leaves, and its figures are those of a run that had been broken down so, to the bit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from additive.replay import Replay
from montecarlo.errors import InvalidInput
from montecarlo.model.contributions import contributions
from montecarlo.model.measures import LossSample
from montecarlo.portfolio import filters
from montecarlo.portfolio.loans import Loans, joined
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.run.partial import Counts, Partial
from montecarlo.run.request import check_level, checked_dimensions
from montecarlo.run.result import (
    case_figures,
    error_of_sum,
    expected_money,
    holdings,
    in_cents,
    lifetime_ecl,
    money,
    parts_figures,
    sampling_error_of,
)

SCHEMA = 1

BATCH_LOANS = 25_000
"""Loans that are simulated together, whatever chunks they lie in: so many that a batch is worth its while, and so few
that there is one for each core.
"""


@dataclass(frozen=True, eq=False)
class Slice:
    """A part of a run. losses: int64 (C, S), cents, scaled where the run simulated a sample. weights: (S,).

    figures: everything that is known of it, as a JSON object in the manner of result.json: by case its own measures;
    `own` and `run`, VaR and ES of the slice and of the run at the level of the contributions; what the slice
    contributes to the latter, and each of its parts.
    """

    losses: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    figures: dict[str, Any]


def find(
    replay: Replay, chosen: Sequence[Any] | None = None, by: str | None = None, level: float | None = None
) -> Slice:
    """The loans of the run that a filter keeps (all without one), broken down by the values of a column.

    chosen: as a request's `filter`. by: as one of its `dimensions`. level: of the contributions, in percent; the run's
    own where it is not given. Raises InvalidInput where these cannot be understood or no loan is left,
    InvalidPortfolio where the portfolio is not what it was, or lacks a column, IncompleteRun where the run's losses
    are damaged.
    """
    plan = replay.plan
    if level is not None:
        plan = replace(plan, contribution_level=check_level("contribution_level", level))
    replay.sums()  # which are of the same losses as those that the slice is held against
    dimensions = () if by is None else checked_dimensions([by])
    further = [] if chosen is None else [filters.parse(chosen)]
    counts, total = _add_up(replay, plan.columns_with(dimensions, further), by is not None)
    if total is None:
        left = "meets the filter" if counts.filtered else "can be simulated"
        raise InvalidInput(
            f"no loan of the run {plan.run} {left}: {counts.read:,} rows were read, of which {counts.filtered:,} were "
            f"left out, {counts.not_sampled:,} not sampled and {counts.rejected:,} rejected."
        )
    segments = total.segments
    whole = segments.placed(np.zeros(len(segments.loans), dtype=np.intp), 1).totals(plan.sample)
    error = error_of_sum(plan, len(replay.plans))
    sampling_error = sampling_error_of(whole, plan.sample)
    names, parts = total.dimensions[-1].named() if by else ((), None)
    broken_down = parts.totals(plan.sample) if parts else None
    cases = {}
    for c, case in enumerate(plan.cases):
        sample = LossSample(whole.losses[c, 0], replay.weights, error, sampling_error)
        of_run = LossSample(replay.losses[c], replay.weights, error)
        (own,) = parts_figures(plan, whole, ["slice"], c, of_run).values()
        both = (contributions(each, each.losses[None], plan.contribution_level / 100) for each in (sample, of_run))
        measured = [{"var": money(found.var[0].value), "es": money(found.es[0].value)} for found in both]
        cases[case.name] = {
            **case_figures(sample.measures(in_cents(whole.expected_loss[c, 0]), plan.levels)),
            **({"worst": None} if plan.design.shift else {}),
            "capital": expected_money(whole.capital[c, 0]),
            "ecl": {
                "twelve_month": expected_money(whole.twelve_month[c, 0]),
                "lifetime": lifetime_ecl(whole, c, slice(None)),
            },
            **dict(zip(("own", "run"), measured, strict=True)),
            "contribution": {name: figure for name, figure in own.items() if "contribution" in name or name in _ERRORS},
            **({} if broken_down is None else {"parts": parts_figures(plan, broken_down, names, c, of_run)}),
        }
    figures = {
        "schema": SCHEMA,
        "run": plan.run,
        "filter": chosen,
        "by": by,
        "scenarios": replay.weights.size,
        "contribution_level": plan.contribution_level,
        "currency": plan.columns.currency,
        "loans": vars(counts),
        "exposure": money(int(whole.exposure[0])),
        **({} if broken_down is None else {"told": total.dimensions[-1].told, "parts": holdings(broken_down, names)}),
        "cases": cases,
    }
    return Slice(whole.losses[:, 0], replay.weights, figures)


_ERRORS = ("standard_error", "interval_95")


def _add_up(replay: Replay, columns: ColumnMapping, by: bool) -> tuple[Counts, Partial | None]:
    """The sums over the loans that these columns' filters keep, of all waves; None where there are none.

    by: whether they are broken down by the columns' dimensions.
    """
    seen: list[Counts] = []

    def loans() -> Iterator[Loans]:
        for found in replay.over(lambda chunk: replay.read(chunk, columns), replay.chunks()):
            seen.append(found.counts)
            if len(found.loans):
                yield found.loans

    def simulate(numbered: tuple[int, Loans]) -> list[Partial]:
        number, some = numbered
        made = replay.simulate(some, None if by else ())
        return [each.partial(plan, chunk=(0, number)) for each, plan in zip(made, replay.plans, strict=True)]

    waves: list[Partial] = []
    for made in replay.over(simulate, enumerate(batches(loans(), BATCH_LOANS))):
        for total, more in zip(waves, made, strict=True) if waves else ():
            total.add(more)
        waves = waves or made
    for wave in waves[1:]:
        waves[0].append_scenarios(wave)
    counts = {name: sum(getattr(each, name) for each in seen) for name in vars(Counts())}
    return Counts(**counts), waves[0] if waves else None


def batches(loans: Iterable[Loans], size: int) -> Iterator[Loans]:
    """The loans, so many together: those of a part are never split."""
    kept: list[Loans] = []
    for some in loans:
        kept.append(some)
        if sum(map(len, kept)) >= size:
            yield joined(kept)
            kept = []
    if kept:
        yield joined(kept)
