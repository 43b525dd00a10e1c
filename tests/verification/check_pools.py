"""Loss distributions of pools and portfolios whose exact distribution is known."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from montecarlo.model.measures import ES_LEVELS, VAR_LEVELS
from montecarlo.model.parameters import Parameters, load
from montecarlo.model.valuation import expected_losses
from tests.verification import exact
from tests.verification.engine import SAMPLINGS, Run, pool, simulate
from tests.verification.exact import ExactMeasures, Group, Sector
from tests.verification.figures import Figure, near, p_value, simulated

KNOWN = json.loads((Path(__file__).parents[1] / "reference" / "credit_risk_values.json").read_text(encoding="utf-8"))

UNIT = 10_000
"""Cents of one lattice unit: a loan of EAD 100 and LGD 1 loses one unit."""

LATTICE = UNIT // 4
"""Cents of one unit of the mixed portfolios: 25 currency units."""


def correlated(rho: float | Mapping[str, float], global_share: float = 1.0) -> Parameters:
    """The default parameters with these asset correlations, of all segments or by segment."""
    by_segment = dict.fromkeys(load().segments, rho) if isinstance(rho, float) else rho
    segments = {name: {"asset_correlation": value} for name, value in by_segment.items()}
    return load({"global_factor_share": global_share, "segments": segments})


def published_values() -> list[Figure]:
    """The closed forms and quadratures that the engine is held to below, against published values: Hull, Risk
    Management and Financial Institutions, table 11.4 (worst-case default rates at 99.9 %, in percent to one decimal);
    Vasicek's limit, the finite pool and the joint default probability of tests/reference/credit_risk_values.json.
    """
    figures = []
    for key, known in KNOWN["hull_rmfi_table_11_4_wcdr_999_percent"].items():
        if key != "pd_percent":
            rho = float(key.removeprefix("rho_"))
            pds = KNOWN["hull_rmfi_table_11_4_wcdr_999_percent"]["pd_percent"]
            worst = max(abs(100 * exact.limit_var(pd / 100, rho, 0.999) - x) for pd, x in zip(pds, known, strict=True))
            figures.append(near(f"Hull 11.4, rho {rho}: largest difference of 5 PDs, points", worst, 0, 0.051))
    for case in KNOWN["lhp_var_999"]:
        level, of = case.get("alpha", 0.999), f"limit, PD {case['pd']}, rho {case['rho']}"
        figures.append(
            near(f"{of}: VaR {level:.1%}", exact.limit_var(case["pd"], case["rho"], level), case["var"], 1e-9)
        )
        for name, es_level in (("es", level), ("es_999", 0.999), ("es_975", 0.975)):
            if name in case:
                es = exact.limit_es(case["pd"], case["rho"], es_level)
                figures.append(near(f"{of}: ES {es_level:.1%}", es, case[name], 1e-9))
    known = KNOWN["finite_pool"]
    measures = _measures([Sector(known["rho"], [Group(known["pd"], 1, known["n"])])])
    of = "100 loans, PD 0.01, rho 0.12"
    figures += [
        near(f"{of}: P(no default)", measures.probabilities[0], known["p0"], 5e-8),
        near(f"{of}: P(one default)", measures.probabilities[1], known["p1"], 5e-8),
        near(f"{of}: UL", measures.ul / 100, known["ul"], 5e-10),
        near(f"{of}: VaR 99 %, defaults", measures.var(0.99), known["var_99_defaults"], 0),
        near(f"{of}: VaR 99.9 %, defaults", measures.var(0.999), known["var_999_defaults"], 0),
        near(f"{of}: ES 99.9 %", measures.es(0.999) / 100, known["es_999"], 5e-9),
    ]
    joint = KNOWN["joint_default"]
    value = exact.joint_default(joint["pd"], joint["pd"], joint["rho"])
    return [*figures, near("joint default, PD 0.01, rho 0.2", value, joint["p"], 1e-12)]


def large_pools() -> list[Figure]:
    """5,000 equal loans in 20,000 scenarios against Vasicek's limit with the first-order granularity adjustment (Gordy
    2003), which is 0.1 % to 1 % of it here. VaR moves in steps of one loan, which its bound allows for.
    """
    loans, figures = 5_000, []
    for number, case in enumerate(KNOWN["lhp_var_999"]):
        pd, rho = case["pd"], case["rho"]
        for sampling in SAMPLINGS if pd == 0.02 else SAMPLINGS[1:]:
            run = simulate(pool(loans, pd), correlated(rho), 20_000, 31 + number, sampling=sampling)
            of, whole = f"{sampling}, PD {pd}, rho {rho}", loans * UNIT
            for level, found in run.measures.var.items():
                expected = exact.limit_var(pd, rho, level / 100) + exact.granularity(pd, rho, level / 100, loans)[0]
                error = found.standard_error / whole
                figures.append(simulated(f"{of}: VaR {level:g} %", found.value / whole, expected, error, 1 / loans))
            for level, found in run.measures.es.items():
                expected = exact.limit_es(pd, rho, level / 100) + exact.granularity(pd, rho, level / 100, loans)[1]
                error = found.standard_error / whole
                figures.append(simulated(f"{of}: ES {level:g} %", found.value / whole, expected, error))
    return figures


def granularity_adjustment() -> list[Figure]:
    """Smaller pools against the limit and its first-order granularity adjustment (Gordy 2003): ES at 99.9 % of equal
    loans, PD 0.02, rho 0.1. Exact values come from the binomial mixture; what is left of them after the adjustment must
    fall with the square of the number of loans.
    """
    pd, rho, level = 0.02, 0.1, 0.999
    limit, figures, left = exact.limit_es(pd, rho, level), [], {}
    for loans in (50, 100, 200, 400, 800):
        value = _measures([Sector(rho, [Group(pd, 1, loans)])]).es(level) / loans
        adjusted = limit + exact.granularity(pd, rho, level, loans)[1]
        left[loans] = adjusted - value
        figures.append(near(f"exact, {loans} loans: ES 99.9 %", value, adjusted, 20 / loans**2))
    figures.append(near("order of what is left, 100 to 800 loans", np.log(left[100] / left[800]) / np.log(8), 2, 0.2))
    for loans in (100, 400):
        es = simulate(pool(loans, pd), correlated(rho), 100_000, 40, sampling="mixture").measures.es[99.9]
        adjusted, whole = limit + exact.granularity(pd, rho, level, loans)[1], loans * UNIT
        error = es.standard_error / whole
        figures.append(
            simulated(f"mixture, {loans} loans: ES 99.9 %", es.value / whole, adjusted, error, 20 / loans**2)
        )
    return figures


def finite_pools() -> list[Figure]:
    """Equal loans in 100,000 scenarios: the whole distribution of the number of defaults against the binomial mixture
    by quadrature. Chi-square test over cells in which at least 10 scenarios are expected; and the risk measures.
    """
    figures = []
    for number, (loans, pd, rho) in enumerate(
        [(100, 0.01, 0.12), (10, 0.3, 0.5), (1_000, 0.02, 0.1), (50, 0.1, 0.0), (25, 0.05, 0.9), (1, 0.05, 0.2)]
    ):
        run = simulate(pool(loans, pd), correlated(rho), 100_000, 20 + number)
        measures = _measures([Sector(rho, [Group(pd, 1, loans)])])
        of = f"{loans} loans, PD {pd}, rho {rho}"
        figures.append(_fit(of, run, measures))
        if loans == 100:
            figures += _compare(of, run, measures)
            mixture = simulate(pool(loans, pd), correlated(rho), 20_000, 20, sampling="mixture")
            figures += _compare(f"mixture, {of}", mixture, measures)
    return figures


MIXED_PDS = np.array([0.002, 0.01, 0.03, 0.08, 0.25])
MIXED_EXPOSURES = np.array([100.0, 200.0, 400.0, 1_200.0])
MIXED_LGDS = np.array([1.0, 0.5, 0.25])


def heterogeneous_portfolios() -> list[Figure]:
    """Loans of five PDs, four exposures and three LGDs in one sector, against their exact loss distribution: the
    convolution of all loans given the factor on a lattice of 25 currency units, integrated by quadrature.
    """
    rho, figures = 0.15, []
    portfolio, sector = mixed_portfolio(60, rho)
    measures = _measures([sector])
    for sampling in SAMPLINGS:
        scenarios = 100_000 if sampling == "plain" else 20_000
        run = simulate(portfolio, correlated(rho), scenarios, 51, sampling=sampling)
        of = f"{sampling}, 60 loans"
        figures.append(_fit(of, run, measures, LATTICE))
        figures += _compare(of, run, measures, LATTICE)
    return figures


def borrowers() -> list[Figure]:
    """Two loans of one borrower, PD 2 %: both default with the probability of one, by hand; of two borrowers with a
    correlation of 0.15 as the bivariate normal distribution says; with PDs of 2 % and 5 %, both with that of the safer.
    Then 40 borrowers of one to four loans each against the exact distribution of 40 loans of their sums, and random
    LGDs, which are drawn for each loan of a borrower.
    """
    rho, scenarios, figures = 0.15, 100_000, []
    for number, (name, borrowers, pds, both) in enumerate(
        [
            ("one borrower", ["B", "B"], [0.02, 0.02], 0.02),
            ("two borrowers", ["B", "C"], [0.02, 0.02], exact.joint_default(0.02, 0.02, rho)),
            ("one borrower, PDs 2 and 5 %", ["B", "B"], [0.02, 0.05], 0.02),
        ]
    ):
        run = simulate(pool(2, np.array(pds), obligor=borrowers), correlated(rho), scenarios, 80 + number)
        found = float((run.losses[0] == 2 * UNIT).mean())
        error = math.sqrt(both * (1 - both) / scenarios)
        figures.append(simulated(f"{name}: both default", found, both, error))

    owners, exposures = _borrowers_loans()
    pds = np.array([0.01, 0.03, 0.1])[owners % 3]
    names = [f"B{owner}" for owner in owners]
    units = np.bincount(owners, exposures / 100).astype(int)
    sector = Sector(rho, [Group([0.01, 0.03, 0.1][owner % 3], int(n)) for owner, n in enumerate(units)])
    measures = _measures([sector])
    for sampling in SAMPLINGS:
        portfolio = pool(len(owners), pds, exposures, obligor=names)
        run = simulate(portfolio, correlated(rho), scenarios if sampling == "plain" else 20_000, 84, sampling=sampling)
        of = f"{sampling}, 40 borrowers"
        figures.append(_fit(of, run, measures))
        figures += _compare(of, run, measures)

    lgd = {"asset_correlation": rho, "lgd_volatility": 0.5, "lgd_correlation": 0.0}
    parameters = load({"global_factor_share": 1, "segments": {"personal": lgd}})
    run = simulate(pool(2, 0.9, 100.0, 0.5, obligor=["B", "B"]), parameters, scenarios, 85)
    lost = run.losses[0][run.losses[0] > 0] / UNIT
    deviation = 0.5 * math.sqrt(0.5 * 0.5) * math.sqrt(2)  # of two independent ones
    figures.append(near("deviation of the sum of a borrower's two LGDs", lost.std(), deviation, 0.02 * deviation))
    return figures


def _borrowers_loans() -> tuple[Any, Any]:
    """Each loan's borrower, one of 40, and its exposure: one to four loans each, in no order."""
    owners = np.concatenate([np.repeat(owner, 1 + owner % 4) for owner in range(40)])
    exposures = 100.0 * (1 + np.arange(owners.size) % 3)
    order = np.random.default_rng(7).permutation(owners.size)
    return owners[order], exposures[order]


def two_sectors() -> list[Figure]:
    """Two sectors with correlations of their own and a shared global factor: the distribution of the number of defaults
    against two-dimensional quadrature (global factor, sector factors), and the risk measures.
    """
    figures = []
    sectors = [Sector(0.2, [Group(0.02, 1, 60)]), Sector(0.1, [Group(0.05, 1, 40)])]
    names = np.repeat(["mortgage", "commercial"], [60, 40])
    portfolio = pool(100, np.repeat([0.02, 0.05], [60, 40]), segment=names)
    for number, share in enumerate((0.0, 0.25, 0.7, 1.0)):
        parameters = correlated({"mortgage": 0.2, "commercial": 0.1}, share)
        measures = _measures(sectors, share)
        run = simulate(portfolio, parameters, 100_000, 60 + number)
        figures.append(_fit(f"global share {share}", run, measures))
        if share in (0.25, 0.7):
            mixture = simulate(portfolio, parameters, 20_000, 60 + number, sampling="mixture")
            figures.append(_fit(f"mixture, global share {share}", mixture, measures))
            figures += _compare(f"mixture, global share {share}", mixture, measures)
    return figures


def random_lgds() -> list[Figure]:
    """Equal loans whose LGDs are drawn from a Beta distribution, independent of the factor and tied to it (Frye 2000):
    EL, UL and the EL that the engine reports beside the simulated one, against quadrature over factor and residual. The
    Beta distribution is tabulated in 1,024 cells, which takes up to 0.1 % from UL.
    """
    loans, pd, rho, mean, volatility, figures = 200, 0.03, 0.2, 0.45, 0.4, []
    for correlation in (0.0, 0.3):
        drawn = {"asset_correlation": rho, "lgd_volatility": volatility, "lgd_correlation": correlation}
        parameters = load({"global_factor_share": 1, "segments": {"personal": drawn}})
        p = exact.conditional_pd(pd, rho, exact.GRID)
        first, second = exact.beta_moments(mean, volatility, correlation)
        el = loans * float(exact.WEIGHTS @ (p * first))
        squares = loans * p * second + loans * (loans - 1) * (p * first) ** 2
        ul = float(np.sqrt(exact.WEIGHTS @ squares - el * el))
        for sampling in SAMPLINGS:
            run = simulate(pool(loans, pd, lgd=mean), parameters, 20_000, 57, sampling=sampling)
            found, of = run.measures, f"{sampling}, LGD correlation {correlation}"
            figures += [
                simulated(f"{of}: EL", found.el.value / UNIT, el, found.el.standard_error / UNIT),
                simulated(f"{of}: UL", found.ul.value / UNIT, ul, found.ul.standard_error / UNIT, 0.001 * ul),
            ]
        analytic = int(expected_losses(run.loans, run.tables)[0].sum()) / (UNIT << 16)
        figures.append(near(f"LGD correlation {correlation}: analytic EL", analytic, el, 0.002 * el))
    return figures


def mixed_portfolio(loans: int, rho: float, seed: int = 5) -> tuple[pa.Table, Sector]:
    """Loans of scattered PD, exposure and LGD; lattice units are 25 currency units."""
    random = np.random.default_rng(seed)
    pd, exposure, lgd = (random.choice(values, loans) for values in (MIXED_PDS, MIXED_EXPOSURES, MIXED_LGDS))
    units = np.rint(exposure * lgd / 25).astype(int)
    groups = [Group(float(p), int(u)) for p, u in zip(pd, units, strict=True)]
    return pool(loans, pd, exposure, lgd), Sector(rho, groups)


def _measures(sectors: Sequence[Sector], global_share: float = 1.0) -> ExactMeasures:
    return ExactMeasures.of(exact.loss_distribution(sectors, global_share))


def _fit(of: str, run: Run, measures: ExactMeasures, unit: int = UNIT) -> Figure:
    """Test of the whole distribution. With unequal weights it is Wald's, by the covariance of the cells' weights."""
    losses, beyond = np.divmod(run.losses[0], unit)
    assert not beyond.any(), "a loss lies off the lattice"
    scenarios, weights = len(run.scenarios), run.scenarios.weights
    if np.ptp(weights) == 0:
        cell = exact.pooled_cells(measures.probabilities * scenarios, 10)
        observed = np.bincount(cell[losses], minlength=cell.max() + 1).astype(np.float64)
        p = exact.chi_square(observed, np.bincount(cell, measures.probabilities) * scenarios)
        return p_value(f"{of}, {observed.size} cells", p)
    cell = np.digitize(np.arange(measures.probabilities.size), [measures.var(a) for a in _LEVELS])
    cell = np.unique(cell, return_inverse=True)[1]
    expected = np.bincount(cell, measures.probabilities)
    indicators = (cell[losses] == np.arange(1, expected.size)[:, None]) - expected[1:, None]
    terms = weights * indicators
    variance = [[run.error_of_sum(a + b) ** 2 - run.error_of_sum(a - b) ** 2 for b in terms] for a in terms]
    gap = terms.sum(axis=1)
    statistic = float(gap @ np.linalg.solve(np.array(variance) / 4, gap))
    return p_value(f"{of}, {expected.size} cells", float(exact.stats.chi2.sf(statistic, gap.size)))


_LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9997)


def _compare(of: str, run: Run, measures: ExactMeasures, unit: int = UNIT) -> list[Figure]:
    """The risk measures, in lattice units. VaR must lie within four standard errors and one lattice step."""
    found = run.measures
    return [
        simulated(f"{of}: EL", found.el.value / unit, measures.el, found.el.standard_error / unit),
        simulated(f"{of}: UL", found.ul.value / unit, measures.ul, found.ul.standard_error / unit),
        *(
            simulated(
                f"{of}: VaR {level:g} %",
                found.var[level].value / unit,
                measures.var(level / 100),
                found.var[level].standard_error / unit,
            )
            for level in VAR_LEVELS
        ),
        *(
            simulated(
                f"{of}: ES {level:g} %",
                found.es[level].value / unit,
                measures.es(level / 100),
                found.es[level].standard_error / unit,
            )
            for level in ES_LEVELS
        ),
    ]
