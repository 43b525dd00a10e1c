"""The normal distribution in integers: one table made where floating point is allowed, looked up where it is not.

The planner calls `table()`; it is the only place that evaluates erfc. Workers use `threshold` and `inverse`, which are
integer arithmetic, so that every CPU gives the same bits. Imports NumPy only.

Fixed point: a standard-normal value x is the int32 round(x * 2**24) ("Q24"); a probability p is the uint32 p * 2**32.
"""

import math

import numpy as np
import numpy.typing as npt

FRACTION_BITS = 24
ONE = 1 << FRACTION_BITS
LIMIT = 8
"""The table covers [-8, 8]; beyond it the probability is that of the end (6e-16 away from 0 or 1)."""

_CELL_BITS = 12
_CELLS = (2 * LIMIT * ONE) >> _CELL_BITS
_LOW = -LIMIT * ONE
_HIGH = LIMIT * ONE - 1


def cdf(x: float) -> float:
    """Phi(x), to double precision in both tails."""
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


def to_fixed(x: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """x as Q24 integers, rounded to nearest."""
    return np.rint(np.asarray(x, dtype=np.float64) * ONE).astype(np.int64)


def table() -> npt.NDArray[np.uint32]:
    """Phi at the 65,537 edges of cells of width 2**-12 over [-8, 8], as uint32 fractions of 2**32 (the last
    saturates).
    """
    width = (1 << _CELL_BITS) / ONE
    values = [cdf(-LIMIT + width * cell) * 2.0**32 for cell in range(_CELLS + 1)]
    return np.minimum(np.rint(values), 2.0**32 - 1).astype(np.uint32)


def threshold(phi: npt.NDArray[np.uint32], x: npt.NDArray[np.int32]) -> npt.NDArray[np.uint32]:
    """Phi(x) for Q24 values of any shape, linear within a cell; non-decreasing in x.

    The error of interpolation and rounding is below 2e-8, and below 1e-4 of p for p above 1e-6.
    """
    offset = np.clip(x, _LOW, _HIGH) - np.int32(_LOW)  # 0 .. 2**28 - 1 fits int32
    cell = (offset >> _CELL_BITS).astype(np.intp)  # once, as each `take` would otherwise convert it anew
    low = phi.take(cell)
    rise = phi[1:].take(cell) - low
    rise *= (offset & ((1 << _CELL_BITS) - 1)).astype(np.uint32)  # below 420,000 * 4,096, so it fits uint32
    rise >>= np.uint32(_CELL_BITS)
    low += rise
    return low


def inverse(
    phi: npt.NDArray[np.uint32], p: npt.NDArray[np.float64], near: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Phi^-1(p) as Q24 for probabilities in (0, 1), by the same table read backwards; non-decreasing in p.

    near: Q24, where the result is likely to lie: saves most of the search, and changes no bit. Doubles times 2**32 are
    exact, and everything after is integer, so the bits do not depend on the CPU.
    """
    target = np.rint(p * 2.0**32).astype(np.int64)
    edges = phi.astype(np.int64)
    if near is None:
        cell = _cell(edges, target)
    else:
        cell = (np.clip(near, _LOW, _HIGH) - _LOW) >> _CELL_BITS
        missed = np.flatnonzero((edges.take(cell) > target) | (edges[1:].take(cell) <= target))
        cell[missed] = _cell(edges, target[missed])
    low = edges[cell]
    width = np.maximum(edges[cell + 1] - low, 1)
    within = ((target - low) << _CELL_BITS) // width
    return np.asarray(_LOW + (cell << _CELL_BITS) + np.minimum(within, 1 << _CELL_BITS))


def _cell(edges: npt.NDArray[np.int64], target: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The last cell that begins at or below each target."""
    return np.clip(np.searchsorted(edges, target, side="right") - 1, 0, _CELLS - 1).astype(np.int64)
