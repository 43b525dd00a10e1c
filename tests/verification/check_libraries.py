"""The same figures by libraries that others wrote. Each check needs its library, of the test extra, or its values."""

import math
from importlib import import_module
from itertools import product

import numpy as np

from tests.reference import creditriskengine as reference
from tests.verification import exact
from tests.verification.check_pools import UNIT, correlated, mixed_portfolio
from tests.verification.engine import pool, simulate
from tests.verification.figures import Figure, at_most, near, simulated


def quantlib() -> list[Figure]:
    """QuantLib's bivariate normal distribution against the quadrature of joint default probabilities."""
    ql = import_module("QuantLib")
    inverse = ql.InverseCumulativeNormal()
    worst = 0.0
    for correlation in (0.02, 0.08, 0.2, 0.5, 0.9):
        bivariate = ql.BivariateCumulativeNormalDistribution(correlation)
        for a, b in product((0.0005, 0.01, 0.05, 0.3), repeat=2):
            worst = max(worst, abs(exact.joint_default(a, b, correlation) - bivariate(inverse(a), inverse(b))))
    return [at_most("joint default probabilities: largest difference of 80", worst, 1e-9)]


def creditriskengine() -> list[Figure]:
    """creditriskengine's ASRF quantile and granularity adjustment, against the closed forms used here and against a
    simulated pool of 400 mixed loans. Its values are kept in tests/reference, with the script that makes them.
    """
    theirs = reference.known()
    cases = list(zip(reference.QUANTILES, theirs["quantiles"], strict=True))
    worst = max(abs(quantile - exact.limit_var(*case)) for case, quantile in cases)
    figures = [
        at_most(f"ASRF quantile: largest difference of {len(cases)}", worst, 1e-12),
        near(
            "granularity adjustment of 400 equal loans",
            exact.granularity(0.02, 0.1, 0.999, 400)[0],
            theirs["equal_loans"],
            1e-6,
        ),
    ]
    portfolio, _ = mixed_portfolio(400, 0.15)
    exposure, pd, lgd = (portfolio[name].to_numpy() for name in ("EAD", "PD", "LGD"))
    z = exact.special.ndtri(0.001)
    limit = float((exact.conditional_pd(pd, 0.15, z) * exposure * lgd).sum())
    assert math.isclose((exposure * pd * lgd).sum(), theirs["mixed_loans_el"]), "the loans are others than the file's"
    expected = limit + theirs["mixed_loans"] * exposure.sum()
    var = simulate(portfolio, correlated(0.15), 20_000, 91, sampling="mixture").measures.var[99.9]
    # The adjustment is of first order; what it leaves is of the order of its square over the limit.
    second_order = (expected - limit) ** 2 / limit
    error = var.standard_error / 100
    return [*figures, simulated("mixture, 400 mixed loans: VaR 99.9 %", var.value / 100, expected, error, second_order)]


def pyassetcorr() -> list[Figure]:
    """pyassetcorr's maximum-likelihood estimate of PD and asset correlation from the simulated numbers of defaults, as
    if each scenario were a year of a bank's history.
    """
    estimate = import_module("pyassetcorr").intra_mle
    figures = []
    for pd, rho in ((0.02, 0.1), (0.1, 0.25)):
        loans, scenarios = 500, 4_000
        run = simulate(pool(loans, pd), correlated(rho), scenarios, 93)
        found = estimate(run.losses[0] / UNIT, np.full(scenarios, loans), pd="joint")
        of = f"500 loans, PD {pd}, rho {rho}, 4,000 scenarios"
        # Of rho: the error of a variance estimated from as many values of the factor, a little more for finite loans.
        figures.append(simulated(f"{of}: rho", found.params["rho"], rho, rho * math.sqrt(2 / scenarios) * 1.3))
        spread = float(np.std(run.losses[0] / UNIT / loans)) / math.sqrt(scenarios)
        figures.append(simulated(f"{of}: PD", found.params["pd"], pd, spread))
    return figures
