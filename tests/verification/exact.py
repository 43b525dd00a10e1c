"""What the engine must give, by quadrature and closed forms, in floating point. Imports nothing of the engine.

Model (Vasicek 2002; Gupton, Finger and Bhatia 1997): a loan of sector k defaults where
sqrt(rho_k) * Z_k + sqrt(1 - rho_k) * eps < Phi^-1(PD), with Z_k = sqrt(w) * G + sqrt(1 - w) * eta_k.

Integrals over a standard-normal factor are sums over an even grid, which for such integrands converges faster than any
power of the step (Trefethen and Weideman 2014).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

special: Any = import_module("scipy.special")  # of the test extra, and untyped
stats: Any = import_module("scipy.stats")

Floats = npt.NDArray[np.float64]

STEP = 0.02
GRID = np.arange(-450, 451) * STEP
"""Standard-normal factor values from -9 to 9."""
WEIGHTS = np.exp(-GRID * GRID / 2) * (STEP / math.sqrt(2 * math.pi))


@dataclass(frozen=True)
class Group:
    """`count` equal loans that each lose `units` of the lattice at default."""

    pd: float
    units: int = 1
    count: int = 1


@dataclass(frozen=True)
class Sector:
    """Loans that share a sector factor."""

    rho: float
    groups: Sequence[Group]


def conditional_pd(pd: npt.ArrayLike, rho: float, factor: npt.ArrayLike) -> Any:
    """The probability of default given the sector's factor."""
    threshold = special.ndtri(np.asarray(pd, dtype=np.float64))
    return special.ndtr((threshold - math.sqrt(rho) * np.asarray(factor)) / math.sqrt(1 - rho))


def loss_distribution(sectors: Sequence[Sector], global_share: float = 1.0) -> Floats:
    """Probabilities of losing 0, 1, 2, ... units, shape (all units + 1,).

    Given the factors loans are independent, so a sector's loss is a convolution of binomials. It is taken on the
    Fourier side, where convolutions are products and mixtures over factors are sums; the error is that of rounding.
    """
    return np.maximum(_mixed_over_factors(sectors, global_share), 0.0)


def _mixed_over_factors(sectors: Sequence[Sector], global_share: float, weighed: int | None = None) -> Floats:
    """P(L = x) for each x, shape (all units + 1,); with `weighed`, the index of a sector, E[its loss; L = x]."""
    size = 1 + sum(group.units * group.count for sector in sectors for group in sector.groups)
    frequency = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    # Weights of Z given G, shape (G, Z).
    spread = math.sqrt(1 - global_share)
    if spread:
        away = (GRID - math.sqrt(global_share) * GRID[:, None]) / spread
        mixing = np.exp(-away * away / 2) * (STEP / (spread * math.sqrt(2 * math.pi)))
    given_global = np.ones((GRID.size, frequency.size), dtype=np.complex128)
    for number, sector in enumerate(sectors):
        given_sector = np.ones_like(given_global)
        mean = np.zeros_like(given_global)  # of the sector's loss, divided by what it multiplies
        for group in sector.groups:
            p = conditional_pd(group.pd, sector.rho, GRID)[:, None]
            one = 1 + p * (frequency**group.units - 1)
            given_sector *= one**group.count
            mean += group.count * group.units * p * frequency**group.units / one
        if number == weighed:
            given_sector *= mean
        given_global *= mixing @ given_sector if spread else given_sector
    return np.asarray(np.fft.irfft(WEIGHTS @ given_global, size))


@dataclass(frozen=True)
class ExactMeasures:
    """Of a distribution on the lattice, in units."""

    el: float
    ul: float
    probabilities: Floats

    @classmethod
    def of(cls, probabilities: Floats) -> "ExactMeasures":
        units = np.arange(probabilities.size)
        el = float(units @ probabilities)
        return cls(el, math.sqrt(float((units - el) ** 2 @ probabilities)), probabilities)

    def var(self, level: float) -> int:
        """inf{x : F(x) >= level}."""
        beyond = np.append(np.cumsum(self.probabilities[::-1])[::-1][1:], 0.0)
        return int(np.flatnonzero(beyond <= 1 - level)[0])

    def es(self, level: float) -> float:
        var = self.var(level)
        excess = np.maximum(np.arange(self.probabilities.size) - var, 0)
        return var + float(excess @ self.probabilities) / (1 - level)


def contributions(sectors: Sequence[Sector], level: float, global_share: float = 1.0) -> tuple[Floats, Floats]:
    """Each sector's Euler contribution to VaR, E[L_k | L = VaR], and to ES, both (sectors,), in units.

    Given the factors sectors are independent, so the mean of L_k and each L is a product on the Fourier side too: that
    of L_k's distribution weighed with its loss, and of the others'.
    """
    measures = ExactMeasures.of(loss_distribution(sectors, global_share))
    var = measures.var(level)
    at_var, in_tail = [], []
    for chosen in range(len(sectors)):
        weighed = _mixed_over_factors(sectors, global_share, chosen)
        own = float(weighed[var] / measures.probabilities[var])
        beyond = float(weighed[var + 1 :].sum())
        left = 1 - level - float(measures.probabilities[var + 1 :].sum())  # of VaR itself, to fill the tail
        at_var.append(own)
        in_tail.append((beyond + left * own) / (1 - level))
    return np.array(at_var), np.array(in_tail)


def joint_default(pd_a: float, pd_b: float, correlation: float) -> float:
    """Phi_2(Phi^-1(pd_a), Phi^-1(pd_b); correlation): both of two loans default. Correlation of their assets, >= 0."""
    both = conditional_pd(pd_a, correlation, GRID) * conditional_pd(pd_b, correlation, GRID)
    return float(WEIGHTS @ both)


def beta_moments(mean: float, volatility: float, correlation: float) -> tuple[Floats, Floats]:
    """First and second moment of an LGD given each factor value of GRID, each (GRID.size,).

    The LGD is the quantile at Phi(-sqrt(c) * Z + sqrt(1 - c) * xi) of the Beta distribution with this mean and the
    standard deviation volatility * sqrt(mean * (1 - mean)).
    """
    concentration = 1 / volatility**2 - 1
    place = np.linspace(-9, 9, 4_001)
    lgd = stats.beta.ppf(special.ndtr(place), mean * concentration, (1 - mean) * concentration)
    y = -math.sqrt(correlation) * GRID[:, None] + math.sqrt(1 - correlation) * GRID
    given = np.interp(y, place, lgd)
    return given @ WEIGHTS, given**2 @ WEIGHTS


def limit_var(pd: float, rho: float, level: float) -> float:
    """VaR of an infinitely fine pool, as a share of exposure (Vasicek 2002)."""
    return float(conditional_pd(pd, rho, special.ndtri(1 - level)))


def limit_es(pd: float, rho: float, level: float) -> float:
    """ES of an infinitely fine pool: Phi_2(Phi^-1(PD), Phi^-1(1 - level); sqrt(rho)) / (1 - level)."""
    return joint_default(pd, 1 - level, math.sqrt(rho)) / (1 - level)


def granularity(pd: float, rho: float, level: float, loans: int) -> tuple[float, float]:
    """What a pool of equal loans adds to the limit's VaR and ES, to first order in 1 / loans (Gordy 2003).

    With v the conditional variance and m the conditional mean of the loss at factor z:
    VaR: -(1 / 2 phi) d/dz [phi v / m'],    ES: -(phi v / m') / (2 (1 - level)).
    """

    def term(z: float) -> float:
        p = float(conditional_pd(pd, rho, z))
        inner = (special.ndtri(pd) - math.sqrt(rho) * z) / math.sqrt(1 - rho)
        slope = -math.sqrt(rho / (1 - rho)) * _density(float(inner))
        return _density(z) * p * (1 - p) / (loans * slope)

    z, step = float(special.ndtri(1 - level)), 1e-4
    derivative = (term(z + step) - term(z - step)) / (2 * step)
    return -derivative / (2 * _density(z)), -term(z) / (2 * (1 - level))


def chi_square(observed: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """p-value of Pearson's test of counts against expected counts of the same sum, both (cells,)."""
    statistic = float(((observed - expected) ** 2 / expected).sum())
    return float(stats.chi2.sf(statistic, observed.size - 1))


def pooled_cells(expected: Floats, least: float) -> npt.NDArray[np.int64]:
    """The cell of each lattice point, (points,): neighbours share one until at least `least` is expected in it."""
    cell = np.zeros(expected.size, dtype=np.int64)
    filled, number = 0.0, 0
    for point, more in enumerate(expected.tolist()):
        cell[point] = number
        filled += more
        if filled >= least:
            filled, number = 0.0, number + 1
    if filled < least:  # what is left at the end joins the last full cell
        cell[cell == number] = max(number - 1, 0)
    return cell


def annuity(amount: float, annual_rate: float, months: int) -> float:
    """The monthly payment that repays `amount`; annual_rate in %."""
    monthly = annual_rate / 1200
    return amount * monthly / -math.expm1(-months * math.log1p(monthly)) if monthly else amount / months


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
