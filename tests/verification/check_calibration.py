"""What a history tells of known parameters, and the same estimates by other ways."""

import math
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np

from calibration import rates, scorecard
from montecarlo.model.parameters import load
from tests.calibration.histories import TRUTH, history, loans, outcomes, write
from tests.verification import exact
from tests.verification.figures import Figure, at_most, near, simulated

KNOWN = {**TRUTH["scorecard"], "auto": -4.0, "personal": -3.2}


def calibration() -> list[Figure]:
    """Coefficients of 20,000 loans drawn by the scorecard's formula against it, and against SciPy's search; asset
    correlations of Vasicek's density against the truth, and against pyassetcorr's estimate from numbers of defaults.
    """
    optimize = import_module("scipy.optimize")
    with tempfile.TemporaryDirectory() as folder:
        read = history(write(Path(folder) / "h.csv", outcomes(loans(5, 20_000), 5)))
    fit = scorecard.fit(read.loans, read.defaulted, load())
    found = {**fit.coefficients, **fit.intercepts}
    figures = [simulated(f"{name}", found[name].value, KNOWN[name], found[name].standard_error) for name in KNOWN]
    y = read.defaulted.astype(float)
    features = scorecard.features(read.loans, load().scorecard)
    x = np.column_stack([features, *(read.loans.segment == place for place in (1, 0))])
    best = optimize.minimize(
        lambda b: float((np.logaddexp(0, x @ b) - y * (x @ b)).sum()),
        np.zeros(len(KNOWN)),
        jac=lambda b: x.T @ (exact.special.expit(x @ b) - y),
        method="BFGS",
        options={"gtol": 1e-6},
    ).x
    apart = [abs(found[name].value - value) for name, value in zip(KNOWN, best, strict=True)]
    figures.append(at_most("coefficients: largest difference to SciPy's search", max(apart), 1e-4))
    draw, estimate = np.random.default_rng(8), import_module("pyassetcorr").intra_mle
    for pd, rho in ((0.02, 0.1), (0.1, 0.25)):
        of, years, many = f"PD {pd}, rho {rho}", 400, 100_000
        z = draw.standard_normal(years)
        seen = exact.special.ndtr((exact.special.ndtri(pd) - math.sqrt(rho) * z) / math.sqrt(1 - rho))
        told = rates.correlation(seen.tolist())
        figures.append(simulated(f"{of}, 400 years: rho", told.rho, rho, told.standard_error))
        figures.append(simulated(f"{of}, 400 years: PD", told.pd, pd, told.pd_standard_error))
        defaults = draw.binomial(many, seen)
        theirs = estimate(defaults, np.full(years, many), pd="joint").params
        ours = rates.correlation((defaults / many).tolist())
        figures.append(near(f"{of}, 100,000 loans a year: rho, by pyassetcorr", ours.rho, theirs["rho"], 0.02 * rho))
        figures.append(near(f"{of}, 100,000 loans a year: PD, by pyassetcorr", ours.pd, theirs["pd"], 0.01 * pd))
    return figures
