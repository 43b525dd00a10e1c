"""Which economy costs a run a given amount, such as the capital available, case by case: what is told of it.

Chunks of a run with `capital_available` add up what decides it (`Partial.thresholds`), so that its result tells it, and
any other amount is answered from its sums alone.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo.model import normal, sums
from montecarlo.model.reverse_stress import Curves, Search, Thresholds
from montecarlo.model.scenarios import mixing
from montecarlo.model.tables import ModelTables
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan
from montecarlo.run.result import expected_money, money

Floats = npt.NDArray[np.float64]


def of_capital(plan: Plan, total: Partial, tables: ModelTables) -> dict[str, Any] | None:
    """What result.json tells of a run with `capital_available`; None where not every chunk was simulated for it."""
    goal = plan.capital_available
    if goal is None or total.thresholds is None:
        return None
    return {"loss": goal, "cases": by_case(plan, total, total.thresholds, tables, goal)}


def by_case(
    plan: Plan, total: Partial, thresholds: Thresholds, tables: ModelTables, goal: float
) -> dict[str, dict[str, Any]]:
    """The nearest economy that costs `goal` currency units, in each case.

    total: of the run's loans, as they were simulated. thresholds: of the same loans.
    """
    mix, scale = mixing(plan.parameters), plan.sample
    exposure = sums.exact(total.segments.exposure) * scale
    expected = sums.exact(total.segments.expected_loss).sum(axis=1) * scale
    return {
        case.name: {
            "fed_rate": case.fed_rate,
            "el": expected_money(lost),
            **_told(plan, Search(curves, mix), goal * 100 / scale, exposure),
        }
        for case, lost, curves in zip(plan.cases, expected, Curves.of(thresholds, tables), strict=True)
    }


def _told(plan: Plan, search: Search, goal: float, exposure: npt.NDArray[np.object_]) -> dict[str, Any]:
    """What is known of a case's nearest economy. goal: cents, of the loans that were simulated. exposure: (K,), cents,
    of all loans.
    """
    scale, sectors, segments = plan.sample, plan.parameters.sectors, list(plan.parameters.segments)
    economy = search.nearest(goal)
    average = search.losses(np.zeros(search.mix.shape[1]))

    def amount(cents: float) -> float | None:
        return money(cents * scale)

    def by_segment(losses: Floats) -> Floats:
        return np.bincount(search.curves.segment, losses, minlength=len(segments)).astype(np.float64)

    told: dict[str, Any] = {"loss_in_average_economy": amount(average.sum()), "most": amount(search.most())}
    if economy is None:
        return {**told, "shift": None, "probability": None, "sectors": {}, "segments": {}}
    z = search.factors(economy.shift[:, None])[:, 0]
    usual, there = by_segment(average), by_segment(search.losses(economy.shift))
    return {
        **told,
        "shift": economy.length,
        "probability": normal.cdf(-economy.length),
        "sectors": {sectors[k]: float(z[k]) + 0.0 for k in np.flatnonzero(search.held)},
        "segments": {
            name: {
                "exposure": money(int(exposure[k])),
                "loss_in_average_economy": amount(usual[k]),
                "loss": amount(there[k]),
            }
            for k, name in enumerate(segments)
            if exposure[k]
        },
    }
