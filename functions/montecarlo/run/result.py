"""From the run's sums to what is published: result.json and the tables beside it."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from montecarlo.model import concentration, sums
from montecarlo.model.contributions import contributions
from montecarlo.model.credit import FRACTION_BITS
from montecarlo.model.differences import Pair
from montecarlo.model.measures import ErrorOfSum, Estimate, LossSample, Measures, independent_error, stratified_error
from montecarlo.portfolio.columns import STAGES
from montecarlo.portfolio.mapping import REGIONS as OWN_REGIONS
from montecarlo.portfolio.mapping import STAGE
from montecarlo.portfolio.regions import REGIONS
from montecarlo.run import plausibility
from montecarlo.run.borrowers import Borrowers
from montecarlo.run.breakdown import Totals
from montecarlo.run.partial import Partial
from montecarlo.run.plan import Plan

Floats = npt.NDArray[np.float64]

SCHEMA = 1

EL_CHECK_ERRORS = 4.0
"""How many standard errors the simulated expected loss may lie from the analytic one: chance alone gives more once in
16,000 cases.
"""

EL_CHECK_ROUNDING = 2e-4
"""And what rounding may add, relative to it: of losses to cents (see `credit.check_rounding`) and of probabilities."""

EL_CHECK_CHANCE = 1 / 16_000
"""Where all scenarios lost the same and no error can be told: chance explains the gap unless it is less likely."""

SMALLEST_CONVERGENCE = 200
"""Scenarios below which an estimate of the tail says nothing."""


def build(
    plan: Plan,
    total: Partial,
    weights: Floats,
    waves: int,
    versions: Mapping[str, str],
    borrowers: Borrowers | None = None,
) -> dict[str, Any]:
    """result.json, schema 1: amounts in currency units rounded to cents.

    weights: (S,), of the scenarios of all waves. borrowers: where the portfolio names them. Raises InvalidPortfolio
    where the portfolio owes too much.
    """
    strata, error = strata_of(plan, waves), error_of_sum(plan, waves)
    segments, regions = total.segments.totals(plan.sample), total.regions.totals(plan.sample)
    sampling_error = sampling_error_of(segments, plan.sample) * _clustering(total, borrowers)
    segment_names = list(plan.parameters.segments)
    found = dict(zip(plan.columns.dimensions, total.dimensions, strict=True))
    named = {name: each.named() for name, each in found.items()}
    further = {name: (breakdown.totals(plan.sample), parts) for name, (parts, breakdown) in named.items()}
    regions, region_names = further.pop(OWN_REGIONS, (regions, REGIONS))
    pd_sums = sums.exact(total.pd_sum)
    untold = without_allowance(*further[STAGE]) if plan.columns.has_stages else 0
    cases: dict[str, Any] = {}
    first: tuple[LossSample, Measures] | None = None
    for c, case in enumerate(plan.cases):
        sample = LossSample(segments.losses[c].sum(axis=0), weights, error, sampling_error)
        expected = in_cents(segments.expected_loss[c].sum())
        measures = sample.measures(expected, plan.levels)
        cases[case.name] = {
            **case.assumed(),
            "mean_pd": int(pd_sums[c]) / 2**32 / total.counts.simulated,
            **case_figures(measures),
            "el_check": _el_check(sample, expected, int(segments.exposure.sum())),
            **({"change": _change(*first, sample, measures)} if first else {}),
            **({"worst": None} if strata else {}),  # aimed scenarios hold losses that no one would meet in practice
            "effective_sample_size": {
                "all": round(sample.effective_size()),
                "99.9": round(sample.effective_size(0.999)),
            },
            "capital": expected_money(segments.capital[c].sum()),
            "ecl": {
                "twelve_month": expected_money(segments.twelve_month[c].sum()),
                "lifetime": lifetime_ecl(segments, c, slice(None)),
                **({"allowance": None if untold else allowance(*further[STAGE], c)} if plan.columns.has_stages else {}),
            },
            "not_applicable": {
                "lifetime_ecl": int(segments.without_lifetime.sum()),
                **({"allowance": untold} if untold else {}),
            },
            "convergence": _convergence(sample, strata),
            "segments": parts_figures(plan, segments, segment_names, c, sample),
            "regions": parts_figures(plan, regions, region_names, c, sample),
            **_if_any("dimensions", {name: parts_figures(plan, *of, c, sample) for name, of in further.items()}),
        }
        first = first or (sample, measures)
    weighted = weighted_ecl(plan, cases)
    return {
        "schema": SCHEMA,
        "run": plan.run,
        **{name: value for name, value in _title(plan).items() if value is not None},
        "seed": plan.seed,
        "scenarios": weights.size,
        "sampling": {
            "method": "mixture" if plan.design.shift else "plain",
            "shift": plan.design.shift,
            "one_in": plan.sample,
            "relative_error": sampling_error,
        },
        **_if_any("scenarios_from", _source(plan)),
        "parameters": plan.parameters.to_json(),
        "versions": {
            "montecarlo": plan.version,
            "model": plan.model,
            "kernel": "+".join(total.kernels),
            **versions,
            "portfolio": plan.objects_digest,
            **_if_any("mapping", plan.mapping or {}),
        },
        "portfolio": {
            "source": plan.portfolio,
            "as_of": plan.as_of.isoformat(),
            **_if_any("filter", plan.filter),
            "concentration": _concentration(segments, regions, plan.sample),
            **({} if borrowers is None else {"borrowers": _borrowers(borrowers, segments, plan.sample)}),
            "segments": holdings(segments, segment_names),
            "regions": holdings(regions, region_names),
            **({"regions_told": found[OWN_REGIONS].told} if OWN_REGIONS in found else {}),
            **_if_any(
                "dimensions",
                {name: {"told": found[name].told, "values": holdings(*of)} for name, of in further.items()},
            ),
        },
        "loans": _rows(plan, total),
        **_input(plan, total, segment_names),
        "rejected_by_reason": dict(sorted(total.rejected_by_reason.items())),
        "currency": plan.columns.currency,
        "contribution_level": plan.contribution_level,
        "exposure": money(int(segments.exposure.sum())),
        "cases": cases,
        **_if_any("weighted_ecl", weighted),
        "timings": {
            "kernel_seconds": round(total.kernel_seconds, 3),
            "worker_seconds": round(total.seconds, 3),
            "peak_memory_mb": round(total.peak_memory_mb),
        },
    }


def _title(plan: Plan) -> dict[str, Any]:
    """What the report begins with, where the request has it."""
    return {
        "institution": plan.institution,
        "portfolio_name": plan.portfolio_name,
        "capital_available": plan.capital_available,
        "compared": plan.compared,
    }


def _source(plan: Plan) -> dict[str, Any]:
    """Whose scenarios these are, if not the run's own, and how well they suit its portfolio."""
    if plan.scenarios_from is None:
        return {}
    fit = plan.tail_fit
    sizes = {"pinned": fit.pinned * len(plan.pinned), "own": fit.own * len(plan.pinned)} if fit else None
    return {"run": plan.scenarios_from, "waves": len(plan.pinned), "tail_sample_size": sizes}


def strata_of(plan: Plan, waves: int) -> list[int]:
    """Sizes of the stratified runs of scenarios in so many waves; none for plain Monte Carlo."""
    return plan.design.strata(plan.scenarios) * waves


def error_of_sum(plan: Plan, waves: int) -> ErrorOfSum:
    """How precise a sum over the scenarios of so many waves is, as they were drawn."""
    strata = strata_of(plan, waves)
    return stratified_error(strata) if strata else independent_error


def _rows(plan: Plan, total: Partial) -> dict[str, int]:
    """What became of the portfolio's rows; those that a filter left out where there is one."""
    rows = asdict(total.counts)
    return (
        rows
        if plan.columns.conditions or plan.filter or total.counts.filtered
        else {name: count for name, count in rows.items() if name != "filtered"}
    )


def _input(plan: Plan, total: Partial, segments: Sequence[str]) -> dict[str, Any]:
    """What the loans that were simulated are like, and what of it is hardly meant."""
    if total.profile is None:
        return {}
    profile = total.profile.to_json(segments)
    doubts = plausibility.warnings(profile, plan.as_of.isoformat())
    doubts += plausibility.unused_sectors(plan.parameters, total.profile.sectors)
    doubts += plausibility.unused_grades(plan.columns, profile)
    return {"input": {**profile, "warnings": doubts}}


def sampling_error_of(totals: Totals, one_in: int, parts: slice = slice(None)) -> float:
    """What simulating one loan in k adds to every error: the relative standard error of a total over all loans, or
    over those of some parts.

    With loans drawn independently, a total of k * x_i has the variance (k - 1) / k * sum((k * x_i)**2); x is the
    expected loss in the first case.
    """
    squares, expected = int(totals.expected_squares[parts].sum()), int(totals.expected_loss[0, parts].sum())
    share = squares / expected**2 if expected else 0.0
    return math.sqrt((1 - 1 / one_in) * share)


def _concentration(segments: Totals, regions: Totals, one_in: int) -> dict[str, float]:
    """Herfindahl indices of exposure: by loan, by segment and by region, and the number of equal loans with the
    first.
    """
    by_loan = concentration.herfindahl(int(segments.squares.sum()), int(segments.exposure.sum())) / one_in
    return {
        "hhi": by_loan,
        "effective_loans": round(1 / by_loan) if by_loan else 0,
        "hhi_segments": concentration.between(segments.exposure.tolist()),
        "hhi_regions": concentration.between(regions.exposure.tolist()),
    }


def _clustering(total: Partial, borrowers: Borrowers | None) -> float:
    """What sampling borrowers whole makes of the error of sampling loans, their losses taken in proportion to what they
    owe.
    """
    squares = int(sums.exact(total.segments.squares).sum())
    return math.sqrt(borrowers.squares / squares) if borrowers and squares else 1.0


def _borrowers(borrowers: Borrowers, segments: Totals, one_in: int) -> dict[str, Any]:
    """Number, concentration and top names of the borrowers."""
    exposure = int(segments.exposure.sum())
    hhi = concentration.herfindahl(borrowers.squares * one_in, exposure)
    return {
        "number": borrowers.number * one_in,
        "hhi": hhi,
        "effective": round(1 / hhi) if hhi else 0,
        "one_in": borrowers.one_in * one_in,
        "largest": [
            {
                "borrower": one.name,
                "exposure": money(one.exposure),
                "share": one.exposure / exposure if exposure else 0.0,
                "loans": one.loans,
            }
            for one in borrowers.largest
        ],
    }


def _convergence(sample: LossSample, strata: Sequence[int]) -> list[dict[str, Any]]:
    """The estimates that ever fewer of the scenarios would have given, most first."""
    rows = []
    for part in (sample.thinned(factor, strata) for factor in (1, 2, 4, 8, 16)):
        if part.losses.size >= SMALLEST_CONVERGENCE:
            measures = part.measures()
            estimates = {"el": measures.el, "var_99.9": measures.var[99.9], "es_99.9": measures.es[99.9]}
            figures = {name: [money(e.value), money(e.standard_error)] for name, e in estimates.items()}
            rows.append({"scenarios": part.losses.size, **figures})
    return rows


def losses_table(plan: Plan, losses: npt.NDArray[np.int64], weights: Floats) -> pa.Table:
    """The loss distribution, one row a scenario: its weight and each case's loss in cents. losses: int64 (C, S)."""
    cases = {f"{case.name}_cents": losses[c] for c, case in enumerate(plan.cases)}
    return pa.table({"scenario": np.arange(weights.size, dtype=np.int32), "weight": weights, **cases})


def segments_table(result: Mapping[str, Any]) -> pa.Table:
    """Holdings, expected loss and tail contribution by segment, region and dimension, a row for each part and case.

    kind: "segments", "regions" or a dimension's name.
    """

    def flat(figures: Mapping[str, Any]) -> dict[str, Any]:
        errors = {f"{key}_standard_error": error for key, error in figures["standard_error"].items()}
        return {key: figure for key, figure in figures.items() if not isinstance(figure, Mapping)} | errors

    own = ("segments", "regions")
    holdings = {kind: result["portfolio"][kind] for kind in own}
    holdings |= {name: found["values"] for name, found in result["portfolio"].get("dimensions", {}).items()}
    rows = [
        {"kind": kind, "part": part, "case": case, **held[part], **flat(figures)}
        for kind, held in holdings.items()
        for case, values in result["cases"].items()
        for part, figures in (values if kind in own else values["dimensions"])[kind].items()
    ]
    table = pa.Table.from_pylist(rows)
    unknown = [column.cast(pa.float64()) if pa.types.is_null(column.type) else column for column in table.columns]
    return pa.table(unknown, names=table.column_names)


def case_figures(measures: Measures) -> dict[str, Any]:
    """The measures of one case in the shape of result.json: values, standard errors and intervals side by side."""
    return {
        **_shape(measures, lambda estimate: money(estimate.value)),
        "worst": money(measures.worst),
        "standard_error": _shape(measures, lambda estimate: money(estimate.standard_error)),
        "interval_95": _shape(measures, interval),
    }


def _change(first: LossSample, its: Measures, sample: LossSample, measures: Measures) -> dict[str, Any]:
    """How a case's measures differ from the first's, with the error of the difference under the same scenarios."""
    change = case_figures(Pair(first, sample).measures(its, measures))
    return {name: value for name, value in change.items() if name != "worst"}


def _shape(measures: Measures, value: Callable[[Estimate], Any]) -> dict[str, Any]:
    """Something of each estimate, in the shape that a case has."""
    by_level = {"var": measures.var, "es": measures.es, "economic_capital": measures.economic_capital}
    return {"el": value(measures.el), "ul": value(measures.ul)} | {
        name: {f"{level:g}": value(estimate) for level, estimate in levels.items()} for name, levels in by_level.items()
    }


def _el_check(sample: LossSample, expected: float, exposure: int) -> dict[str, Any]:
    """The simulated expected loss beside the analytic one, `expected` in cents, and whether chance explains the gap.

    Scenarios that all lost the same tell no error: mostly too few of them for a default to be seen. As no scenario
    loses more than the exposure (cents), losses differ from any one value with a probability of at least gap /
    exposure, and at least half of the scenarios are drawn as the model has them.
    """
    simulated = sample.simulated_el()
    error = simulated.standard_error
    if not math.isnan(error) and np.ptp(sample.losses) == 0:
        error = 0.0  # and not what the weights' last digits leave of it
    gap = abs(simulated.value - expected)
    agrees: bool | None = gap <= EL_CHECK_ERRORS * error + EL_CHECK_ROUNDING * expected
    if math.isnan(error):
        agrees = None
    elif not agrees and not error:
        same = math.exp(-(sample.losses.size / 2) * gap / exposure)
        agrees = None if same > EL_CHECK_CHANCE else False
    return {
        "simulated": money(simulated.value),
        "standard_error": money(error),
        "standard_errors_apart": None if not error or math.isnan(error) else round(gap / error, 2),
        "agrees": agrees,
    }


def parts_figures(plan: Plan, totals: Totals, names: Sequence[str], case: int, sample: LossSample) -> dict[str, Any]:
    """Expected loss, contributions to VaR and ES, capital and provisions of each part that holds a loan."""
    level = plan.contribution_level
    found = contributions(sample, totals.losses[case], level / 100)
    parts = {}
    for part, name in enumerate(names):
        if not totals.loans[part]:
            continue
        sampled = sampling_error_of(totals, plan.sample, slice(part, part + 1))
        estimates = {
            f"var_{level:g}_contribution": found.var[part].widened(sampled),
            f"es_{level:g}_contribution": found.es[part].widened(sampled),
        }
        parts[name] = {
            "el": expected_money(totals.expected_loss[case, part]),
            **{key: money(estimate.value) for key, estimate in estimates.items()},
            "standard_error": {key: money(estimate.standard_error) for key, estimate in estimates.items()},
            "interval_95": {key: interval(estimate) for key, estimate in estimates.items()},
            "capital": expected_money(totals.capital[case, part]),
            "twelve_month_ecl": expected_money(totals.twelve_month[case, part]),
            "lifetime_ecl": lifetime_ecl(totals, case, slice(part, part + 1)),
        }
    return parts


def _if_any(name: str, values: Collection[Any]) -> dict[str, Any]:
    """Nothing of what the run was not asked for."""
    return {name: values} if values else {}


def lifetime_ecl(totals: Totals, case: int, parts: slice) -> float | None:
    """The lifetime ECL of the loans that have one; None where no loan has."""
    if totals.without_lifetime[parts].sum() == totals.loans[parts].sum():
        return None
    return expected_money(totals.lifetime[case, parts].sum())


def weighted_ecl(plan: Plan, cases: Mapping[str, Any]) -> dict[str, float | None]:
    """The expected credit losses of the cases by their probabilities; nothing where cases have none."""
    weights = [case.probability for case in plan.cases]
    found: dict[str, float | None] = {}
    for name in cases[plan.cases[0].name]["ecl"] if None not in weights else ():
        values = [cases[case.name]["ecl"][name] for case in plan.cases]
        whole = None if None in values else math.fsum(w * v for w, v in zip(weights, values, strict=True))
        found[name] = None if whole is None else round(whole, 2)
    return found


def allowance(by_stage: Totals, stages: Sequence[str], case: int) -> float | None:
    """What is provided for all loans: 12 months' ECL in stage 1, and the lifetime's in stages 2 and 3."""
    return expected_money(
        sum(
            (by_stage.lifetime if stage in STAGES[1:] else by_stage.twelve_month)[case, part]
            for part, stage in enumerate(stages)
        )
    )


def without_allowance(by_stage: Totals, stages: Sequence[str]) -> int:
    """Loans in stages 2 and 3 that have no lifetime, as their term is not known: with them there is no allowance."""
    return sum(int(by_stage.without_lifetime[part]) for part, stage in enumerate(stages) if stage in STAGES[1:])


def holdings(totals: Totals, names: Sequence[str]) -> dict[str, Any]:
    """Number of loans and exposure of each part that holds a loan."""
    return {
        name: {"loans": int(totals.loans[part]), "exposure": money(int(totals.exposure[part]))}
        for part, name in enumerate(names)
        if totals.loans[part]
    }


def interval(estimate: Estimate) -> list[float | None]:
    """The ends of the 95 % interval in currency units."""
    return [money(estimate.low), money(estimate.high)]


def in_cents(expected: int) -> float:
    """An exact sum in 2**-FRACTION_BITS cents as cents."""
    return expected / (1 << FRACTION_BITS)


def expected_money(expected: int) -> float | None:
    """An exact sum in 2**-FRACTION_BITS cents as currency units, rounded to cents."""
    return money(in_cents(expected))


def money(cents: float) -> float | None:
    """Cents as currency units, rounded to cents; None where there is no number."""
    return None if math.isnan(cents) else round(cents / 100, 2)
