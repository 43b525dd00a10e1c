"""Where large losses come from: the shift of the factors under which the portfolio loses about its 99.9 % VaR.

Used by the planner only. The shift changes how precise an estimate is, never its expectation, so a rough picture of the
portfolio is enough: a pilot sample of its loans. Imports NumPy and the model only.

Source: Glasserman and Li 2005; the search is the HLRF iteration of structural reliability (Rackwitz and Fiessler 1978).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from montecarlo.model import normal
from montecarlo.model.credit import LoanRisks, in_case
from montecarlo.model.scenarios import independent_uniforms
from montecarlo.model.tables import ModelTables

Floats = npt.NDArray[np.float64]

LEVEL = 0.999
_DRAWS = 20_000
_ROUNDS = 20
_MAX_BUCKETS = 256
_MAX_SHIFT = 6.0


@dataclass(frozen=True, eq=False)
class LossProfile:
    """A portfolio as B buckets of equal threshold in the base case.

    sector: int64 (B,), index of the factor. loading: int64 (B,), index into `tables.loading`. alpha: float64 (B,),
    Phi^-1(PD) * scale. loss: float64 (B,), what the bucket loses if it
    defaults.
    """

    sector: npt.NDArray[np.int64]
    loading: npt.NDArray[np.int64]
    alpha: Floats
    loss: Floats

    @classmethod
    def of(cls, loans: LoanRisks) -> "LossProfile":
        """Loans of one sector, one loading and nearly one threshold become one bucket."""
        alpha = np.where(loans.certain, normal.LIMIT * normal.ONE, loans.alpha[0]).astype(np.int64)
        step = normal.ONE // 8
        of_factor = (loans.factor.astype(np.int64) << 16) + loans.loading
        cell = of_factor * (1 << 16) + (alpha // step + (1 << 15))
        cells, inverse = np.unique(cell[~loans.impossible], return_inverse=True)
        weights = in_case(loans.loss, 0)[~loans.impossible].astype(np.float64)
        loss = np.bincount(inverse, weights, minlength=len(cells)).astype(np.float64)
        kept = np.argsort(-loss, kind="stable")[:_MAX_BUCKETS]
        cells, loss = cells[kept], loss[kept]
        return cls(cells >> 32, (cells >> 16) & 0xFFFF, ((cells & 0xFFFF) - (1 << 15) + 0.5) / 8, loss)

    def expected_loss(self, factors: Floats, loading: Floats) -> Floats:
        """E[L | Z] of shape (S,) for sector factors (F, S)."""
        x = self.alpha[:, None] - loading[self.loading, None] * factors[self.sector]
        return np.asarray(self.loss @ _cdf(x))


def find_shift(profile: LossProfile, tables: ModelTables, mix: Floats, seed: int) -> tuple[float, ...] | None:
    """The shortest shift of (G, eta_1 .. eta_F) under which the profile's expected loss is its 99.9 % quantile.

    None where factors do not move losses: no loans, no correlation, or certain defaults only.
    """
    loading = tables.loading / normal.ONE
    uniforms = independent_uniforms(mix.shape[1], _DRAWS, seed, wave=(1 << 32))
    losses = np.sort(profile.expected_loss(mix @ _approximate_quantiles(uniforms), loading))
    goal = float(losses[math.ceil(LEVEL * _DRAWS) - 1]) if len(profile.loss) else 0.0
    if goal <= losses[0] * (1 + 1e-9):
        return None

    def loss_at(shift: Floats) -> float:
        return float(profile.expected_loss((mix @ shift)[:, None], loading)[0])

    def along(direction: Floats, length: float) -> float:
        return loss_at(length * direction)

    direction = -mix.sum(axis=0) / np.linalg.norm(mix.sum(axis=0))
    length = 0.0
    for _ in range(_ROUNDS):
        length = _solve(partial(along, direction), goal)
        gradient = _gradient(loss_at, length * direction)
        size = float(np.linalg.norm(gradient))
        if size == 0:
            break
        direction = gradient / size
    return tuple(float(x) for x in np.round(length * direction, 6))


def _solve(function: Callable[[float], float], goal: float) -> float:
    """t in [0, _MAX_SHIFT] where the rising function reaches the goal, to 1e-6."""
    low, high = 0.0, _MAX_SHIFT
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < goal else (low, middle)
    return high


def _gradient(function: Callable[[Floats], float], at: Floats) -> Floats:
    step = 1e-4
    return np.array([(function(at + step * e) - function(at - step * e)) / (2 * step) for e in np.eye(len(at))])


def _cdf(x: Floats) -> Floats:
    """Phi, from a table: precise to 1e-7, which is plenty for a shift."""
    return np.asarray(np.interp(x, _GRID, _PHI))


def _approximate_quantiles(uniforms: Floats) -> Floats:
    return np.asarray(np.interp(uniforms, _PHI, _GRID))


_GRID = np.linspace(-8, 8, 8_001)
_PHI = np.array([normal.cdf(float(x)) for x in _GRID])
