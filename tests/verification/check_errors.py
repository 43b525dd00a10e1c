"""Whether standard errors and 95 % intervals tell the truth: many seeds of a portfolio with known measures."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from montecarlo.model.credit import loan_risks
from montecarlo.model.measures import ES_LEVELS, VAR_LEVELS, Estimate, Measures
from montecarlo.model.tables import model_tables
from tests.verification import exact
from tests.verification.check_pools import LATTICE, correlated, mixed_portfolio
from tests.verification.engine import BASE, SAMPLINGS, design, loans_of, simulate_risks
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
            of, estimates = f"{sampling}, {name}", [run[name] for run in runs]
            held = float(np.mean([e.low <= value * LATTICE <= e.high for e in estimates]))
            least = 0.95 - STANDARD_ERRORS * math.sqrt(0.95 * 0.05 / SEEDS)
            figures.append(within(f"{of}: share of intervals that hold the exact value", held, least, 1))
            spread = float(np.std([e.value for e in estimates], ddof=1))
            ratio = float(np.mean([e.standard_error for e in estimates])) / spread
            bound = STANDARD_ERRORS / math.sqrt(2 * SEEDS) + 0.1
            figures.append(near(f"{of}: standard error / standard deviation", ratio, 1, bound))
            mean, error = float(np.mean([e.value for e in estimates])), spread / math.sqrt(SEEDS)
            bias = 0.015 * value if "VaR" in of else 0.0
            figures.append(simulated(f"{of}: mean", mean / LATTICE, value, error / LATTICE, bias))
    return figures


def _estimates(measures: Measures) -> Iterator[tuple[str, Estimate]]:
    yield "EL", measures.el
    yield "UL", measures.ul
    for level, estimate in measures.var.items():
        yield f"VaR {level:g} %", estimate
    for level, estimate in measures.es.items():
        yield f"ES {level:g} %", estimate
