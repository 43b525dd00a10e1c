"""Default rates: of grades with their intervals, and the asset correlation that their ups and downs over time tell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo.errors import InvalidInput

Floats = npt.NDArray[np.float64]

SHORTEST = 5
"""Periods below which nothing is said of an asset correlation."""

FEW = 20
"""Periods below which the estimate is called rough."""

NOISE = 0.1
"""Share of the variance of rates that luck among loans may have, before it is told."""

MOST_NOISE = 0.5
"""Share beyond which the years of a history are not taken."""

_Z_95 = NormalDist().inv_cdf(0.975)
_NORMAL = NormalDist()


def jeffreys(defaults: int, loans: int) -> tuple[float, float]:
    """The 95 % interval of a default rate: Jeffreys' (Brown, Cai and DasGupta 2001), quantiles of Beta(d + 1/2, n - d +
    1/2), from 0 where none defaulted and to 1 where all did.
    """
    beta: Any = import_module("scipy.stats").beta(defaults + 0.5, loans - defaults + 0.5)
    low, high = beta.ppf([0.025, 0.975])
    return (0.0 if defaults == 0 else float(low)), (1.0 if defaults == loans else float(high))


def posterior_mean(defaults: int, loans: int) -> float:
    """The mean of the same Beta distribution: above zero, also where none has defaulted yet."""
    return (defaults + 0.5) / (loans + 1)


@dataclass(frozen=True)
class Correlation:
    """An asset correlation and the PD beside it, from `periods` default rates. interval: of 95 %. noise: the share of
    the variance of the rates' probits that luck among single loans explains, None where their number is not known.
    """

    rho: float
    standard_error: float
    interval: tuple[float, float]
    pd: float
    pd_standard_error: float
    periods: int
    noise: float | None

    @property
    def doubts(self) -> list[str]:
        """What makes it less sure than its standard error says."""
        told = []
        if self.periods < FEW:
            told.append(f"{self.periods} periods are few: the estimate is rough, and on average too low")
        if self.noise is not None and self.noise > NOISE:
            told.append(
                f"{100 * self.noise:.0f} % of the rates' ups and downs are luck among single loans, which the density "
                "takes for correlation: the estimate is too high. Take longer periods or larger groups"
            )
        return told


def correlation(rates: Sequence[float], loans: Sequence[int] | None = None, of: str = "the series") -> Correlation:
    """Maximum likelihood on Vasicek's density of default rates (Vasicek 2002), of periods that are independent.

    The probits of such rates are normal with the mean Phi^-1(PD) / sqrt(1 - rho) and the variance rho / (1 - rho), so
    the maximum is theirs. Standard errors are from the observed information there; the interval is made for log(rho /
    (1 - rho)), so that it stays within 0 and 1. loans: how many each rate is of. Raises InvalidInput where a rate is
    not between 0 and 1 or there are too few.
    """
    for number, rate in enumerate(rates, start=1):
        if not 0 <= rate <= 1:
            raise InvalidInput(f"{of}: rate {number} must lie between 0 and 1: a share, 0.02 for 2 %.")
        if rate in (0, 1):
            word = "no loan" if rate == 0 else "every loan"
            raise InvalidInput(
                f"{of}: in period {number} {word} defaulted, for which Vasicek's density has no place. Take longer "
                "periods or larger groups."
            )
    if len(rates) < SHORTEST:
        there = "is 1 period" if len(rates) == 1 else f"are {len(rates)} periods"
        raise InvalidInput(f"{of}: there {there}, but at least {SHORTEST} are needed; {FEW} are better.")
    probits = np.array([_NORMAL.inv_cdf(rate) for rate in rates])
    mean, variance, n = float(probits.mean()), float(probits.var()), len(rates)
    if variance <= 1e-12:
        raise InvalidInput(f"{of}: the rates are all the same, so that no correlation can be seen.")
    rho, deviation = variance / (1 + variance), math.sqrt(variance)
    root = math.sqrt(1 + variance)
    density = _NORMAL.pdf(mean / root)
    pd_error = density * math.sqrt(
        (1 / root) ** 2 * variance / n + (mean * deviation / root**3) ** 2 * variance / (2 * n)
    )
    odds = [variance * math.exp(side * _Z_95 * math.sqrt(2 / n)) for side in (-1, 1)]
    noise = None
    if loans is not None:
        own = [r * (1 - r) / many / _NORMAL.pdf(x) ** 2 for r, many, x in zip(rates, loans, probits, strict=True)]
        noise = float(np.mean(own)) / variance
    return Correlation(
        rho,
        math.sqrt(2 / n) * rho * (1 - rho),
        (odds[0] / (1 + odds[0]), odds[1] / (1 + odds[1])),
        _NORMAL.cdf(mean / root),
        pd_error,
        n,
        noise,
    )
