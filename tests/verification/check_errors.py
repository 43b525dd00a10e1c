"""Whether standard errors and 95 % intervals tell the truth: many seeds of a portfolio with known measures."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from montecarlo.model.contributions import contributions
from montecarlo.model.credit import loan_risks
from montecarlo.model.measures import ES_LEVELS, VAR_LEVELS, Estimate, Measures
from montecarlo.model.tables import model_tables
from tests.verification import exact
from tests.verification.check_pools import LATTICE, correlated, mixed_portfolio
from tests.verification.engine import BASE, SAMPLINGS, design, loans_of, pool, simulate_risks
from tests.verification.exact import Group, Sector
from tests.verification.figures import STANDARD_ERRORS, Figure, near, simulated, within

SEEDS = 200
SCENARIOS = 10_000
RHO = 0.15


def standard_errors() -> list[Figure]:
    """200 seeds of the 60 mixed loans of `heterogeneous_portfolios`, 10,000 scenarios each. How many 95 % intervals
    hold the exact value: at least 95 % less four standard errors of that share, and any more, for VaR moves in steps of
    the lattice. The mean reported standard error, as a ratio to the standard deviation of the estimates over the seeds,
    within four standard errors of such a ratio and 10 %. The mean estimate, within four standard errors and, for VaR,
    1.5 %: a quantile of few tail scenarios is biased downwards.
    """
    portfolio, sector = mixed_portfolio(60, RHO)
    measures = exact.ExactMeasures.of(exact.loss_distribution([sector]))
    truth = {"EL": measures.el, "UL": measures.ul}
    truth |= {f"VaR {level:g} %": measures.var(level / 100) for level in VAR_LEVELS}
    truth |= {f"ES {level:g} %": measures.es(level / 100) for level in ES_LEVELS}

    parameters = correlated(RHO)
    parameters = replace(parameters, segments={"personal": parameters.segments["personal"]})  # fewer factors to draw
    loans = loans_of(portfolio, parameters)
    tables = model_tables(parameters, (BASE,))
    risks = loan_risks(loans, parameters, (BASE,), tables)
    figures = []
    for sampling in SAMPLINGS:
        how = design(risks, parameters, tables, sampling)
        runs = [
            dict(_estimates(simulate_risks(risks, parameters, SCENARIOS, seed, (BASE,), how).measures))
            for seed in range(1, SEEDS + 1)
        ]
        for name, value in truth.items():
            bias = 0.015 if "VaR" in name else 0.0
            figures += _honesty(f"{sampling}, {name}", [run[name] for run in runs], value, LATTICE, bias)
    return figures


def contribution_errors() -> list[Figure]:
    """200 seeds of 200 and 100 loans in two sectors that share half of their factor, 10,000 scenarios each: each
    sector's contribution to VaR and ES at 99 % against quadrature, how many 95 % intervals hold it, and the mean
    standard error as a ratio to the standard deviation over the seeds; bounds as for `standard_errors`. What counts as
    around VaR is a band, which biases a contribution to VaR by up to 2 %.
    """
    names, share = ("mortgage", "commercial"), 0.5
    sectors = [Sector(0.2, [Group(0.01, 1, 150), Group(0.03, 3, 50)]), Sector(0.1, [Group(0.05, 2, 100)])]
    truth = dict(zip(("VaR", "ES"), exact.contributions(sectors, 0.99, share), strict=True))
    parameters = correlated({name: sector.rho for name, sector in zip(names, sectors, strict=True)}, share)
    parameters = replace(parameters, segments={name: parameters.segments[name] for name in names})
    sizes = [150, 50, 100]
    pds, exposures = np.repeat([0.01, 0.03, 0.05], sizes), np.repeat([100.0, 300.0, 200.0], sizes)
    portfolio = pool(300, pds, exposures, segment=np.repeat(names, [200, 100]))
    tables = model_tables(parameters, (BASE,))
    risks = loan_risks(loans_of(portfolio, parameters), parameters, (BASE,), tables)

    figures = []
    for sampling in SAMPLINGS:
        how = design(risks, parameters, tables, sampling)
        runs = [simulate_risks(risks, parameters, SCENARIOS, seed, (BASE,), how) for seed in range(1, SEEDS + 1)]
        found = [contributions(run.sample, run.simulation.by_segment[0], 0.99) for run in runs]
        for measure, values in truth.items():
            for number, name in enumerate(names):
                estimates = [(one.var if measure == "VaR" else one.es)[number] for one in found]
                bias = 0.02 if measure == "VaR" else 0.0
                figures += _honesty(f"{sampling}, {name} in {measure} 99 %", estimates, values[number], 10_000, bias)
    return figures


def _honesty(of: str, estimates: Sequence[Estimate], value: float, unit: float, bias: float) -> list[Figure]:
    """Whether estimates under many seeds, in 1 / `unit` of `value`'s unit, are near it and tell their error."""
    held = float(np.mean([e.low <= value * unit <= e.high for e in estimates]))
    least = 0.95 - STANDARD_ERRORS * math.sqrt(0.95 * 0.05 / SEEDS)
    spread = float(np.std([e.value for e in estimates], ddof=1))
    ratio = float(np.mean([e.standard_error for e in estimates])) / spread
    mean, error = float(np.mean([e.value for e in estimates])), spread / math.sqrt(SEEDS)
    return [
        within(f"{of}: share of intervals that hold the exact value", held, least, 1),
        near(f"{of}: standard error / standard deviation", ratio, 1, STANDARD_ERRORS / math.sqrt(2 * SEEDS) + 0.1),
        simulated(f"{of}: mean", mean / unit, value, error / unit, bias * value),
    ]


def _estimates(measures: Measures) -> Iterator[tuple[str, Estimate]]:
    yield "EL", measures.el
    yield "UL", measures.ul
    for level, estimate in measures.var.items():
        yield f"VaR {level:g} %", estimate
    for level, estimate in measures.es.items():
        yield f"ES {level:g} %", estimate
