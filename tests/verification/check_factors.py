"""What the factors do to loans: their own distribution, joint defaults, and default rates scenario by scenario."""

import math

import numpy as np

from montecarlo.model import normal
from montecarlo.model.parameters import load
from montecarlo.model.scenarios import draw
from montecarlo.simulation.trials import WEIGHT_BITS
from tests.verification import exact
from tests.verification.check_pools import UNIT, correlated
from tests.verification.engine import BASE, SAMPLINGS, STRESSED, pool, simulate
from tests.verification.figures import Figure, at_most, p_value, simulated


def factor_distribution() -> list[Figure]:
    """50,000 scenarios of the default parameters: each sector factor against the standard normal distribution
    (Kolmogorov and Smirnov), sector factors against each other (correlation = global_factor_share) and successive
    scenarios (no correlation).
    """
    scenarios, share = 50_000, load().global_factor_share
    factors = draw(load(), scenarios, 71).factors / 2.0**normal.FRACTION_BITS
    figures = [p_value(f"factor {k}", exact.stats.kstest(z, "norm").pvalue) for k, z in enumerate(factors)]
    correlation = np.asarray(np.corrcoef(factors))
    pairs = correlation[np.triu_indices(len(factors), 1)]
    bound = (1 - share**2) / math.sqrt(scenarios)
    figures += [
        simulated("lowest correlation of two sectors", pairs.min(), share, bound),
        simulated("highest correlation of two sectors", pairs.max(), share, bound),
    ]
    serial = [np.corrcoef(z[1:], z[:-1])[0, 1] for z in factors]
    return [*figures, simulated("serial correlation, largest", max(serial, key=abs), 0, 1 / math.sqrt(scenarios))]


def joint_defaults() -> list[Figure]:
    """Pairs of loans that default in the same scenario, within a sector and across two, against the bivariate normal
    distribution; across sectors the assets' correlation is sqrt(rho_a * rho_b) * global_factor_share. Also the asset
    correlations that the simulated joint default probabilities imply.
    """
    rho, share, pds, size = {"mortgage": 0.25, "commercial": 0.15}, 0.4, {"mortgage": 0.03, "commercial": 0.06}, 200
    names = list(rho)
    portfolio = pool(2 * size, np.repeat([pds[n] for n in names], size), segment=np.repeat(names, size))
    figures = []
    for sampling in SAMPLINGS:
        run = simulate(portfolio, correlated(rho, share), 50_000, 73, sampling=sampling)
        sectors = list(load().segments)
        a, b = (run.simulation.by_segment[0, sectors.index(name)] // UNIT for name in names)
        for label, pairs, pair, correlation in (
            ("within mortgage", a * (a - 1) / (size * (size - 1)), names[:1] * 2, rho["mortgage"]),
            ("within commercial", b * (b - 1) / (size * (size - 1)), names[1:] * 2, rho["commercial"]),
            ("across", a * b / size**2, names, share * math.sqrt(rho["mortgage"] * rho["commercial"])),
        ):
            together, error = run.mean(pairs)
            first, second = (pds[name] for name in pair)
            expected = exact.joint_default(first, second, correlation)
            figures.append(simulated(f"{sampling}, {label}: probability", together, expected, error))
            implied, slope = _implied_correlation(first, second, together)
            figures.append(simulated(f"{sampling}, {label}: implied correlation", implied, correlation, error / slope))
    return figures


def _implied_correlation(pd_a: float, pd_b: float, joint: float) -> tuple[float, float]:
    """The asset correlation that gives this joint default probability, and the probability's slope there."""
    low, high = 0.0, 0.99
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if exact.joint_default(pd_a, pd_b, middle) < joint else (low, middle)
    step = 1e-4
    slope = exact.joint_default(pd_a, pd_b, low + step) - exact.joint_default(pd_a, pd_b, max(low - step, 0))
    return low, slope / (low + step - max(low - step, 0))


def conditional_default_rates() -> list[Figure]:
    """The number of defaults in each of 5,000 scenarios against its binomial distribution given that scenario's factor.
    Standardised, the scenarios are independent with mean 0 and variance 1.
    """
    figures, scenarios = [], 5_000
    for pd, rho, loans in ((0.05, 0.2, 5_000), (0.3, 0.1, 2_000), (0.01, 0.05, 20_000)):
        run = simulate(pool(loans, pd), correlated(rho), scenarios, 75)
        p = exact.conditional_pd(pd, rho, run.factors[0])
        z = (run.losses[0] / UNIT - loans * p) / np.sqrt(loans * p * (1 - p))
        of = f"{loans} loans, PD {pd}, rho {rho}"
        figures += [
            simulated(f"{of}: mean z-score", z.mean(), 0, 1 / math.sqrt(scenarios)),
            simulated(f"{of}: variance of z-scores", (z * z).mean(), 1, math.sqrt(2 / scenarios) * 1.1),
            at_most(f"{of}: largest |z-score| of {scenarios:,}", abs(z).max(), 5.5),
        ]
    return figures


def marginal_probabilities() -> list[Figure]:
    """Each of 2,400 loans' default frequency, base and stressed, over 10,000 scenarios, against its PD given the
    scenarios' factors. Standardised, the loans are independent with mean 0 and variance 1. The loans' PDs run from
    0.2 % to 60 %, over all segments.
    """
    parameters, loans = load(), 2_400
    names = list(parameters.segments)
    segment = np.arange(loans) % len(names)
    pd = 0.002 * 300 ** np.linspace(0, 1, loans)
    figures = []
    for sampling in SAMPLINGS:
        portfolio = pool(loans, pd, segment=np.array(names)[segment])
        run = simulate(portfolio, parameters, 10_000, 77, (BASE, STRESSED), sampling)
        frequency = run.simulation.frequency / 2.0**WEIGHT_BITS
        for c, case in enumerate(("base", "stressed")):
            z = np.empty(loans)
            for k, name in enumerate(names):
                here, settings = segment == k, parameters.segments[name]
                rise = settings.rate_sensitivity * (STRESSED.fed_rate - BASE.fed_rate) * c
                shocked = exact.special.ndtr(exact.special.ndtri(pd[here]) + rise)
                p = exact.conditional_pd(shocked[:, None], settings.asset_correlation, run.factors[k])
                weights = run.scenarios.weights
                z[here] = (frequency[c, here] - p @ weights) / np.sqrt((p * (1 - p)) @ weights**2)
            of = f"{sampling}, {case}"
            figures += [
                simulated(f"{of}: mean z-score", z.mean(), 0, 1 / math.sqrt(loans)),
                simulated(f"{of}: variance of z-scores", (z * z).mean(), 1, math.sqrt(2 / loans) * 1.1),
                at_most(f"{of}: largest |z-score| of {loans:,}", abs(z).max(), 5.5),
            ]
    return figures


def fixed_point() -> list[Figure]:
    """The arithmetic of thresholds without any sampling: a PD goes through `normal.inverse`, scale, loading and
    `normal.threshold` and is integrated over the factor. What comes back must be the PD.
    """
    phi, figures = normal.table(), []
    pds = np.array([1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 0.01, 0.05, 0.2, 0.5, 0.9])
    factors = normal.to_fixed(exact.GRID).astype(np.int32)
    for rho in (0.0, 0.03, 0.15, 0.3, 0.6, 0.95):
        probit = normal.inverse(phi, pds)
        alpha = (probit * normal.to_fixed(1 / math.sqrt(1 - rho))) >> normal.FRACTION_BITS
        drift = (factors * normal.to_fixed(math.sqrt(rho / (1 - rho)))) >> normal.FRACTION_BITS
        thresholds = normal.threshold(phi, (alpha[:, None] - drift).astype(np.int32)) / 2.0**32
        error = abs(thresholds @ exact.WEIGHTS / pds - 1)
        figures.append(at_most(f"rho {rho}: largest relative error, PD 0.0003 to 0.9", error[3:].max(), 1e-5))
        figures.append(at_most(f"rho {rho}: largest relative error, PD 0.000001 to 0.0001", error[:3].max(), 5e-4))
    return figures


def ties() -> list[Figure]:
    """PDs whose defaults hang on the tie bits: thresholds below one byte step (2**24), at it, and just above it. No
    correlation; defaults of all loans and scenarios against trials * threshold / 2**32, in Poisson standard errors; the
    first has a threshold of 8 bits.
    """
    figures = []
    for pd, loans, scenarios in (
        (5e-8, 8_000, 50_000),
        (1e-6, 4_000, 50_000),
        (1e-4, 2_000, 20_000),
        (1 / 256, 1_000, 20_000),
        (1 / 256 + 2**-12, 1_000, 20_000),
        (0.5 + 2**-10, 200, 20_000),
    ):
        run = simulate(pool(loans, pd), correlated(0.0), scenarios, 79)
        threshold = int(normal.threshold(run.tables.phi, run.loans.alpha[0, :1])[0])
        chance = threshold / 2**32
        expected = loans * scenarios * chance
        error = math.sqrt(expected * (1 - chance))
        defaults = run.losses[0].sum() / UNIT
        figures.append(simulated(f"PD {pd:.6g}, threshold {threshold}: defaults", defaults, expected, error))
    return figures
