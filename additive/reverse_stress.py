"""Reverse stress of a finished run: the nearest economy under which its loans lose a given amount in expectation.

How it is found is said in `montecarlo.model.reverse_stress`. What of the loans decides it is in the sums of a run that
has `capital_available`, and is worked out from its portfolio of one that has not.
"""

from typing import Any

import numpy as np

from additive.replay import Replay
from montecarlo.errors import InvalidInput
from montecarlo.model.credit import loan_risks
from montecarlo.model.reverse_stress import FARTHEST, Thresholds
from montecarlo.run.chunk import Chunk
from montecarlo.run.reverse_stress import by_case

SCHEMA = 1


def find(replay: Replay, loss: float | None = None) -> dict[str, Any]:
    """For each case the nearest economy that costs `loss`, as a JSON object; amounts in currency units.

    loss: the run's `capital_available` where it is not given. Raises InvalidInput where there is no amount, or no case
    in which the loans can lose it; InvalidPortfolio where the portfolio has to be read and is not what it was.
    """
    plan = replay.plan
    goal = plan.capital_available if loss is None else loss
    if goal is None:
        raise InvalidInput(f"the run {plan.run} has no capital_available: give the amount that is lost with --loss.")
    if not 0 < goal < float("inf"):
        raise InvalidInput(f"the amount that is lost is {goal:g}, but must be above 0.")
    total = replay.sums().total
    thresholds = total.thresholds or _of_loans(replay)
    cases = by_case(plan, total, thresholds, replay.drawn[0].tables, goal)
    if all(found["shift"] is None for found in cases.values()):
        name, most = max(((name, found["most"]) for name, found in cases.items()), key=lambda one: one[1])
        raise InvalidInput(
            f"no economy within {FARTHEST:g} standard deviations costs {goal:,.2f} in expectation: the most that can "
            f"be lost is {most:,.2f}, in the case {name}. Give a smaller amount with --loss."
        )
    return {
        "schema": SCHEMA,
        "run": plan.run,
        "currency": plan.columns.currency,
        "rate_name": plan.parameters.benchmark_rate,
        "loss": goal,
        "is_capital_available": loss is None or loss == plan.capital_available,
        "cases": cases,
    }


def _of_loans(replay: Replay) -> Thresholds:
    """What the loans of the run's portfolio lose at default, and when."""
    tables = replay.drawn[0].tables

    def of(chunk: Chunk) -> Thresholds:
        loans = replay.read(chunk).loans
        return Thresholds.of(loan_risks(loans, replay.plan.parameters, replay.plan.cases, tables), tables)

    found = Thresholds(np.empty(0, np.int64), np.empty(0, np.int64))
    for part in replay.over(of, replay.chunks()):
        found.add(part)
    return found
