"""From the run's sums to what is published: result.json and the tables beside it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from montecarlo.model import concentration
from montecarlo.model.measures import Estimate, LossSample, Measures, independent_error, stratified_error, tail_share
from montecarlo.portfolio.regions import REGIONS
from montecarlo.run.partial import Breakdown, Partial
from montecarlo.run.plan import Plan

Floats = npt.NDArray[np.float64]

SCHEMA = 1
CONTRIBUTION_LEVEL = 99.0

SMALLEST_CONVERGENCE = 200
"""Scenarios below which an estimate of the tail says nothing."""


def build(plan: Plan, total: Partial, weights: Floats, waves: int, versions: Mapping[str, str]) -> dict[str, Any]:
    """result.json, schema 1: amounts in currency units rounded to cents.

    weights: (S,), of the scenarios of all waves.
    """
    strata = plan.design.strata(plan.scenarios) * waves
    error = stratified_error(strata) if strata else independent_error
    sampling_error = _sampling_error(total, plan.sample)
    cases = {}
    for c, case in enumerate(plan.cases):
        sample = LossSample(total.segments.losses[c].sum(axis=0), weights, error, sampling_error)
        cases[case.name] = {
            "fed_rate": case.fed_rate,
            "probit_shift": dict(case.probit_shift),
            "mean_pd": total.pd_sum[c] / 2**32 / total.counts.simulated,
            "analytic_el": _money(int(total.segments.expected_loss[c].sum()) / (1 << 16)),
            **_case(sample.measures()),
            **({"worst": None} if strata else {}),  # aimed scenarios hold losses that no one would meet in practice
            "effective_sample_size": {
                "all": round(sample.effective_size()),
                "99.9": round(sample.effective_size(0.999)),
            },
            "capital": _money(int(total.segments.capital[c].sum())),
            "ecl": {
                "twelve_month": _money(int(total.segments.twelve_month[c].sum())),
                "lifetime": _money(int(total.segments.lifetime[c].sum())),
            },
            "convergence": _convergence(sample, strata),
            "segments": _parts(total.segments, c, sample, list(plan.parameters.segments)),
            "regions": _parts(total.regions, c, sample, REGIONS),
        }
    return {
        "schema": SCHEMA,
        "run": plan.run,
        "seed": plan.seed,
        "scenarios": weights.size,
        "sampling": {
            "method": "mixture" if plan.design.shift else "plain",
            "shift": plan.design.shift,
            "one_in": plan.sample,
            "relative_error": sampling_error,
        },
        "parameters": plan.parameters.to_json(),
        "versions": {"montecarlo": plan.version, "model": plan.model, "kernel": "+".join(total.kernels), **versions},
        "portfolio": {
            "source": plan.portfolio,
            "as_of": plan.as_of.isoformat(),
            "concentration": _concentration(total, plan.sample),
            "segments": _holdings(total.segments, list(plan.parameters.segments)),
            "regions": _holdings(total.regions, REGIONS),
        },
        "loans": asdict(total.counts),
        "rejected_by_reason": dict(sorted(total.rejected_by_reason.items())),
        "exposure": _money(int(total.segments.exposure.sum())),
        "cases": cases,
        "timings": {
            "kernel_seconds": round(total.kernel_seconds, 3),
            "worker_seconds": round(total.seconds, 3),
            "peak_memory_mb": round(total.peak_memory_mb),
        },
    }


def _sampling_error(total: Partial, one_in: int) -> float:
    """What simulating one loan in k adds to every error: the relative standard error of a total over all loans.

    With loans drawn independently, a total of k * x_i has the variance (k - 1) / k * sum((k * x_i)**2); x is the
    expected loss in the first case.
    """
    squares = sum(concentration.exact(total.segments.expected_squares))
    expected = int(total.segments.expected_loss[0].sum()) >> 16
    share = squares / expected**2 if expected else 0.0
    return math.sqrt((1 - 1 / one_in) * share)


def _concentration(total: Partial, one_in: int) -> dict[str, float]:
    """Herfindahl indices of exposure: by loan, by segment and by region, and the number of equal loans with the
    first.
    """
    exposure = int(total.segments.exposure.sum())
    by_loan = concentration.herfindahl(sum(concentration.exact(total.segments.squares)), exposure) / one_in
    return {
        "hhi": by_loan,
        "effective_loans": round(1 / by_loan) if by_loan else 0,
        "hhi_segments": concentration.between(total.segments.exposure.tolist()),
        "hhi_regions": concentration.between(total.regions.exposure.tolist()),
    }


def _convergence(sample: LossSample, strata: Sequence[int]) -> list[dict[str, Any]]:
    """The estimates that ever fewer of the scenarios would have given, most first."""
    rows = []
    for part in (sample.thinned(factor, strata) for factor in (1, 2, 4, 8, 16)):
        if part.losses.size >= SMALLEST_CONVERGENCE:
            measures = part.measures()
            estimates = {"el": measures.el, "var_99.9": measures.var[99.9], "es_99.9": measures.es[99.9]}
            figures = {name: [_money(e.value), _money(e.standard_error)] for name, e in estimates.items()}
            rows.append({"scenarios": part.losses.size, **figures})
    return rows


def losses_table(plan: Plan, losses: npt.NDArray[np.int64], weights: Floats) -> pa.Table:
    """The loss distribution, one row a scenario: its weight and each case's loss in cents. losses: int64 (C, S)."""
    cases = {f"{case.name}_cents": losses[c] for c, case in enumerate(plan.cases)}
    return pa.table({"scenario": np.arange(weights.size, dtype=np.int32), "weight": weights, **cases})


def segments_table(result: Mapping[str, Any]) -> pa.Table:
    """Holdings, expected loss and tail contribution by segment and by region, one row for each part and case."""
    rows = [
        {"kind": kind, "part": part, "case": case, **result["portfolio"][kind][part], **figures}
        for kind in ("segments", "regions")
        for case, values in result["cases"].items()
        for part, figures in values[kind].items()
    ]
    return pa.Table.from_pylist(rows)


def _case(measures: Measures) -> dict[str, Any]:
    """The measures of one case in the shape of result.json: values, standard errors and intervals side by side."""
    single = {"el": measures.el, "ul": measures.ul}
    by_level = {"var": measures.var, "es": measures.es, "economic_capital": measures.economic_capital}

    def shape(value: Any) -> dict[str, Any]:
        leaves = {name: value(estimate) for name, estimate in single.items()}
        return leaves | {
            name: {f"{level:g}": value(e) for level, e in levels.items()} for name, levels in by_level.items()
        }

    def money(figure: Any) -> Any:
        return lambda estimate: _money(figure(estimate))

    def interval(estimate: Estimate) -> list[float | None]:
        return [_money(estimate.low), _money(estimate.high)]

    return {
        **shape(money(lambda e: e.value)),
        "worst": _money(measures.worst),
        "standard_error": shape(money(lambda e: e.standard_error)),
        "interval_95": shape(interval),
    }


def _parts(breakdown: Breakdown, case: int, sample: LossSample, names: Sequence[str]) -> dict[str, Any]:
    """Expected loss and Euler contribution to ES of each part that holds a loan."""
    contributions = tail_share(sample.losses, sample.weights, breakdown.losses[case], CONTRIBUTION_LEVEL / 100)
    return {
        name: {
            "el": _money(int(breakdown.expected_loss[case, part]) / (1 << 16)),
            f"es_{CONTRIBUTION_LEVEL:g}_contribution": _money(contributions[part]),
            "capital": _money(int(breakdown.capital[case, part])),
            "twelve_month_ecl": _money(int(breakdown.twelve_month[case, part])),
            "lifetime_ecl": _money(int(breakdown.lifetime[case, part])),
        }
        for part, name in enumerate(names)
        if breakdown.loans[part]
    }


def _holdings(breakdown: Breakdown, names: Sequence[str]) -> dict[str, Any]:
    return {
        name: {"loans": int(breakdown.loans[part]), "exposure": _money(int(breakdown.exposure[part]))}
        for part, name in enumerate(names)
        if breakdown.loans[part]
    }


def _money(cents: float) -> float | None:
    """Cents as currency units, rounded to cents; None where there is no number."""
    return None if math.isnan(cents) else round(cents / 100, 2)
