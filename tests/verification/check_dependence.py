"""What loans share beyond the segment's default: correlations of their own, Basel's, sectors and their matrix."""

import math

import numpy as np
import pyarrow as pa

from montecarlo.model import capital, normal
from montecarlo.model.parameters import MAX_ASSET_CORRELATION, Parameters, load
from montecarlo.model.scenarios import draw
from montecarlo.model.tables import LATTICE_STEP
from tests.verification import exact
from tests.verification.check_pools import UNIT, _compare, _measures, correlated
from tests.verification.engine import SAMPLINGS, pool, simulate
from tests.verification.exact import Group, Sector
from tests.verification.figures import Figure, at_most, near, simulated


def loan_correlations() -> list[Figure]:
    """Loans with an AssetCorrelation of their own, which go to one of two points of a lattice. The effect on UL, by
    bivariate normal distributions: of a fine pool, whose loans have the points' mean root. Then 400 loans with a
    correlation of 0.13, between two points, and 200 with 0.13 beside 200 with 0.3, against exact distributions of pools
    that have just these. Their EL is that of the segment's correlation, to the last digit.
    """
    worst = 0.0
    for pd in (0.001, 0.02, 0.2):
        for rho in np.linspace(0.005, MAX_ASSET_CORRELATION - 0.005, 60).tolist():
            place = math.sqrt(rho) / LATTICE_STEP
            above = place - math.floor(place)
            low, high = (math.floor(place) * LATTICE_STEP, math.ceil(place) * LATTICE_STEP)
            pairs = ((1 - above) ** 2, low * low), (2 * above * (1 - above), low * high), (above**2, high * high)
            mean = sum(weight * exact.joint_default(pd, pd, product) for weight, product in pairs)
            ul = math.sqrt((mean - pd * pd) / (exact.joint_default(pd, pd, rho) - pd * pd))
            if rho >= 0.02:
                worst = max(worst, abs(ul - 1))
    figures = [at_most("lattice, 0.02 and more: largest change of UL", worst, 0.007)]
    for number, rhos in enumerate(([0.13], [0.13, 0.3])):
        loans = 400 // len(rhos)
        portfolio = pool(400, 0.02).append_column("AssetCorrelation", pa.array(np.repeat(rhos, loans)))
        measures = _measures([Sector(rho, [Group(0.02, 1, loans)]) for rho in rhos])
        for sampling in SAMPLINGS:
            scenarios = 50_000 if sampling == "plain" else 20_000
            run = simulate(portfolio, correlated(0.3), scenarios, 120 + number, sampling=sampling)
            figures += _compare(f"{sampling}, rho {' and '.join(map(str, rhos))}", run, measures)
    whole = simulate(pool(400, 0.02), correlated(0.3), 1, 120).loans.expected_loss()
    return [*figures, near("EL beside that of the segment's rho", run.loans.expected_loss().sum() / whole.sum(), 1, 0)]


def basel_correlations() -> list[Figure]:
    """Loans of three PDs in a segment of corporates with basel_correlation, each with R(PD) as CRE31.5 has it: their
    asset correlations beside the formula, and 3,000 loans against the exact distribution.
    """
    pds = (0.003, 0.02, 0.15)
    given = {"basel_correlation": True, "exposure_class": "corporate", "annual_sales": None}
    parameters = load({"global_factor_share": 1, "segments": {"personal": given}})
    rhos = [capital.correlation(pd, "corporate") for pd in pds]
    figures = []
    measures = _measures([Sector(rho, [Group(pd, 1, 1_000)]) for pd, rho in zip(pds, rhos, strict=True)])
    for sampling in SAMPLINGS:
        scenarios = 50_000 if sampling == "plain" else 20_000
        run = simulate(pool(3_000, np.repeat(pds, 1_000)), parameters, scenarios, 130, sampling=sampling)
        figures += _compare(f"{sampling}, 3,000 loans", run, measures)
    many = simulate(pool(30_000, np.repeat(pds, 10_000)), parameters, 1, 131)
    loading = many.tables.loading[many.loans.loading] / normal.ONE
    root = (loading / np.sqrt(1 + loading * loading)).reshape(3, -1).mean(axis=1)
    error = LATTICE_STEP / 2 / math.sqrt(10_000)
    return [
        *(
            simulated(f"PD {pd}: mean root of rho", x, math.sqrt(rho), error)
            for pd, rho, x in zip(pds, rhos, root, strict=True)
        ),
        *figures,
    ]


MATRIX = {"property": {"trade": 0.6, "shipping": -0.2}, "trade": {"shipping": 0.3}}


def _sectors() -> Parameters:
    rho = {"asset_correlation": 0.2}
    segments = {
        "personal": rho | {"sector": "property"},
        "auto": rho | {"sector": "trade"},
        "mortgage": rho | {"sector": "property"},
        "commercial": rho | {"sector": "shipping"},
    }
    return load({"segments": segments, "sector_correlations": MATRIX})


def sector_matrix() -> list[Figure]:
    """Segments on three sectors, two of them on one, whose factors have a matrix of correlations: the factors' own;
    joint defaults of two loans of two segments by the bivariate normal distribution, also where a loan names another
    Sector than its segment's; and the losses of 400 loans against as many scenarios of NumPy's normal random numbers.
    """
    parameters, figures, scenarios = _sectors(), [], 200_000
    names = parameters.sectors
    factors = draw(parameters, scenarios, 140).factors / normal.ONE
    expected = {("property", "trade"): 0.6, ("property", "shipping"): -0.2, ("trade", "shipping"): 0.3}
    expected |= {("property", "small_business"): parameters.global_factor_share}
    for (one, other), rho in expected.items():
        found = float(np.corrcoef(factors[names.index(one)], factors[names.index(other)])[0, 1])
        figures.append(simulated(f"factors of {one} and {other}", found, rho, (1 - rho**2) / math.sqrt(scenarios)))
    pd = 0.1
    for one, other, sector, rho in (
        ("personal", "mortgage", None, 1.0),
        ("personal", "auto", None, 0.6),
        ("personal", "commercial", None, -0.2),
        ("personal", "commercial", "trade", 0.6),
    ):
        portfolio = pool(2, pd, segment=[one, other]).append_column("Sector", pa.array([None, sector], pa.string()))
        run = simulate(portfolio, parameters, scenarios, 141)
        threshold, asset = exact.stats.norm.ppf(pd), 0.2 * rho
        joint = float(exact.stats.multivariate_normal.cdf([threshold] * 2, cov=[[1, asset], [asset, 1]]))
        both = float((run.losses[0] == 2 * UNIT).mean())
        of = f"{one} and {other}" + (f" of the sector {sector}" if sector else "")
        figures.append(simulated(f"{of}: both default", both, joint, math.sqrt(joint * (1 - joint) / scenarios)))

    segments, sectors = ["personal", "auto", "mortgage", "commercial"], ["property", "trade", "property", "shipping"]
    run = simulate(pool(400, 0.03, segment=np.repeat(segments, 100).tolist()), parameters, 50_000, 142)
    random = np.random.default_rng(143)
    order = ["property", "trade", "shipping"]
    matrix = np.array([[1, 0.6, -0.2], [0.6, 1, 0.3], [-0.2, 0.3, 1]])
    z = random.multivariate_normal(np.zeros(3), matrix, 50_000)[:, [order.index(sector) for sector in sectors]]
    losses = random.binomial(100, exact.conditional_pd(0.03, 0.2, z)).sum(axis=1)
    error = math.hypot(run.measures.ul.standard_error / UNIT, losses.std() * math.sqrt(2 / 50_000))
    figures.append(simulated("400 loans: UL, loans", run.measures.ul.value / UNIT, float(losses.std()), error))
    for level in (95, 99, 99.9):
        var = run.measures.var[level]
        theirs = float(np.quantile(losses, level / 100, method="inverted_cdf"))
        error = math.sqrt(2) * var.standard_error / UNIT
        figures.append(simulated(f"400 loans: VaR {level:g} %, loans", var.value / UNIT, theirs, error, 1))
    return figures
