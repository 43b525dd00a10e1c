"""Random loss given default: which share of its exposure a loan loses when it defaults.

Imports NumPy and `normal` only.

A segment with an `lgd_volatility` v > 0 draws each default's LGD from the Beta distribution that has the loan's LGD as
its mean m and the standard deviation v * sqrt(m * (1 - m)). Where recoveries fall in bad years, `lgd_correlation` c
ties the draw to the segment's factor Z:
    Y = -sqrt(c) * Z + sqrt(1 - c) * xi,     LGD = the Beta distribution's quantile at Phi(Y).
The mean over all years stays m; the mean of the years in which loans default is higher, and so is the expected loss.

The planner tabulates quantiles; workers look them up with integers, so that a draw is a pure function of (seed, loan
key, scenario). Sources: Gupton et al. 1997 (CreditMetrics) for the Beta distribution; Frye 2000 for the link to the
factor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from montecarlo.model import normal

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MEANS = 64
"""Quantiles are tabulated for the means 0, 1/64 .. 1 and interpolated between them, which leaves every mean exact."""

CELLS = 1024
"""Equally likely values of each Beta distribution."""

RESIDUALS = 4096
"""Equally likely values of xi."""

NODES = 48
"""Of the quadrature over Z that gives the expected loss."""

_MEAN_SHIFT = normal.FRACTION_BITS - 6
_CELL_SHIFT = 32 - 10


@dataclass(frozen=True, eq=False)
class SeverityTable:
    """What workers need to draw LGDs in K sectors; fixed point Q24.

    drawn: bool (K,), false where a sector's LGDs are constants. quantiles: int32 (K, MEANS + 1, CELLS). loading,
    residual: int64 (K,), sqrt(c) and sqrt(1 - c). xi: int32 (RESIDUALS,). nodes: int32 (NODES,), values of Z with
    node_weights: int64 (NODES,). at_node: int32 (K, NODES, MEANS + 1), E[LGD | Z].
    """

    drawn: npt.NDArray[np.bool_]
    quantiles: npt.NDArray[np.int32]
    loading: Ints
    residual: Ints
    xi: npt.NDArray[np.int32]
    nodes: npt.NDArray[np.int32]
    node_weights: Ints
    at_node: npt.NDArray[np.int32]


def table(volatility: Sequence[float], correlation: Sequence[float]) -> SeverityTable:
    """The table of sectors with these LGD volatilities (0: constant) and correlations with the factor, each in [0,
    1).
    """
    inverse = NormalDist().inv_cdf
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / weights.sum()
    edges = np.array([-math.inf, *(inverse(j / CELLS) for j in range(1, CELLS)), math.inf])
    drawn = any(volatility)  # where nothing is drawn, the tables stay empty and the scenarios' file small
    quantiles = np.zeros((len(volatility), MEANS + 1, CELLS if drawn else 0))
    at_node = np.zeros((len(volatility), NODES if drawn else 0, MEANS + 1))
    for sector, (v, c) in enumerate(zip(volatility, correlation, strict=True)):
        if v:
            quantiles[sector] = [beta_cells(mean / MEANS, v) for mean in range(MEANS + 1)]
            for node, z in enumerate(nodes):
                below = [normal.cdf((edge + math.sqrt(c) * z) / math.sqrt(1 - c)) for edge in edges]
                at_node[sector, node] = quantiles[sector] @ np.diff(below)
    return SeverityTable(
        drawn=np.array([v > 0 for v in volatility]),
        quantiles=normal.to_fixed(quantiles).astype(np.int32),
        loading=normal.to_fixed(np.sqrt(correlation)),
        residual=normal.to_fixed(np.sqrt(1 - np.array(correlation))),
        xi=normal.to_fixed([inverse((j + 0.5) / RESIDUALS) for j in range(RESIDUALS)]).astype(np.int32),
        nodes=normal.to_fixed(nodes).astype(np.int32),
        node_weights=normal.to_fixed(weights),
        at_node=normal.to_fixed(at_node).astype(np.int32),
    )


def beta_cells(mean: float, volatility: float) -> Floats:
    """Means of the CELLS equally likely cells of a Beta distribution, shape (CELLS,), ascending; their mean is `mean`.

    Integrated on the logistic scale, x = 1 / (1 + exp(-t)), where the density has no singularity.
    """
    if mean in (0.0, 1.0):
        return np.full(CELLS, mean)
    concentration = 1 / volatility**2 - 1
    a, b = mean * concentration, (1 - mean) * concentration
    # Both tails fall off exponentially, with rates a and b: 40 of their lengths hold all but 4e-18 of the mass.
    left, right = 40 / a + 5, 40 / b + 5
    s = np.linspace(-1, 1, 40_001)
    t = np.where(s < 0, left, right) * np.sinh(8 * s) / np.sinh(8)
    log_density = a * t - (a + b) * np.logaddexp(0, t)
    density = np.exp(log_density - log_density.max())
    x = np.exp(-np.logaddexp(0, -t))
    mass = np.concatenate([[0], np.cumsum(_trapezoids(density, t))])
    partial_mean = np.concatenate([[0], np.cumsum(_trapezoids(density * x, t))])
    edges = np.linspace(0, 1, CELLS + 1)
    cells = np.diff(np.interp(edges, mass / mass[-1], partial_mean / partial_mean[-1])) * mean * CELLS
    return np.asarray(np.clip(cells, 0, 1))


def _trapezoids(y: Floats, x: Floats) -> Floats:
    return (y[1:] + y[:-1]) * np.diff(x) / 2


def losses(
    table: SeverityTable,
    sector: int,
    phi: npt.NDArray[np.uint32],
    z: npt.NDArray[np.int32],
    random: npt.NDArray[np.uint64],
    lgd: npt.NDArray[np.int32],
    exposure: Ints,
) -> Ints:
    """What n defaults of a sector lose, int64 (n,), in the unit of `exposure` (n,).

    z: the sector's factor in each default's scenario. random: uint64, one random word a default. lgd: each loan's mean.
    """
    xi = table.xi[(random >> np.uint64(52)).astype(np.int64)]
    y = (table.residual[sector] * xi - table.loading[sector] * z) >> normal.FRACTION_BITS
    cell = (normal.threshold(phi, y.astype(np.int32)) >> np.uint32(_CELL_SHIFT)).astype(np.int64)
    return portion(_between_means(table.quantiles[sector], lgd, cell), exposure)


def expected_share(
    table: SeverityTable,
    sector: int,
    phi: npt.NDArray[np.uint32],
    alpha: npt.NDArray[np.int32],
    loading: int,
    lgd: npt.NDArray[np.int32],
) -> Ints:
    """E[LGD; default] of n loans of a sector as fractions of 2**32, int64 (n,): the sum over Z of p(Z) * E[LGD | Z].

    alpha: (n,), and loading as in `scenarios`.
    """
    total = np.zeros(lgd.size, dtype=np.int64)
    for node, z in enumerate(table.nodes.tolist()):
        p = normal.threshold(phi, alpha - np.int32((loading * z) >> normal.FRACTION_BITS)).astype(np.int64)
        given = _between_means(table.at_node[sector, node][:, None], lgd, np.zeros(1, dtype=np.int64))
        total += ((p * given) >> normal.FRACTION_BITS) * table.node_weights[node]
    return total >> normal.FRACTION_BITS


def portion(share: Ints, amount: Ints) -> Ints:
    """share (Q24) * amount, to the nearest integer, without overflow for amounts below 2**50."""
    high, low = share >> 12, share & 0xFFF
    return np.asarray((amount * high + ((amount * low) >> 12) + (1 << 11)) >> 12)


def _between_means(by_mean: npt.NDArray[np.int32], lgd: npt.NDArray[np.int32], cell: Ints) -> Ints:
    """by_mean: int32 (MEANS + 1, cells), read at each lgd (n,) and cell (n,), linear between the tabulated means."""
    below = np.minimum(lgd >> _MEAN_SHIFT, MEANS - 1)
    within = lgd.astype(np.int64) - (below.astype(np.int64) << _MEAN_SHIFT)
    low, high = by_mean[below, cell].astype(np.int64), by_mean[below + 1, cell].astype(np.int64)
    return np.asarray(low + (((high - low) * within) >> _MEAN_SHIFT))
