"""VaR and ES of a portfolio with one more loan, to the bit what `model.measures` gives for both, without sorting anew.

A loan defaults in a few scenarios only. VaR is an order statistic, so it can move only as far as those scenarios cross
it; ES sums the excess over it, and a sum that is rounded once does not depend on how it is taken. Imports NumPy and
`model.measures` only.

Source of the sum: Rump, Ogita and Oishi 2008 (AccSum): parts of equal exponents are cut off and add up exactly.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from montecarlo.model.measures import LossSample, independent_error

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FURTHER = 8  # losses that are looked at beyond what suffices unless the loan hit just those scenarios


@dataclass(frozen=True)
class TailFigures:
    """VaR, a loss that a scenario has, and ES, in cents."""

    var: int
    es: float


class Tail:
    """The tail of the losses int64 (S,), in cents, of a portfolio, at one level (0..1); weights: float64 (S,)."""

    def __init__(self, losses: Ints, weights: Floats, level: float) -> None:
        self.losses, self.weights, self.level = losses, weights, level
        self._order = np.argsort(losses, kind="stable")
        self._sorted = losses[self._order]
        most = (1 - level) * (1 + 1e-12) + 1e-15  # as `LossSample.quantile` has it
        if np.all(weights == weights[0]):
            # Which count of equal weights is within the level, its running sum says; counts are compared exactly.
            self._unit: Floats = np.ones(weights.size)
            self._most = float(np.count_nonzero(np.cumsum(weights) <= most))
            self._doubt = 0.0
        else:
            self._unit, self._most = weights, most
            self._doubt = 4 * weights.size * 2.0**-52 * max(most, 2.0**-20)  # what rounding may make of a running sum
        self._upper = np.append(np.cumsum(self._unit[self._order][::-1])[::-1], 0.0)
        var = LossSample(losses, weights, independent_error).quantile(level)
        self.figures = TailFigures(var, self._es(losses, var))

    def with_loan(self, scenario: npt.NDArray[np.intp], loss: Ints) -> tuple[TailFigures, float]:
        """The figures with a loan that loses `loss`, positive, int64 (n,), in the scenarios (n,), each named once.

        And what of that ES is the loan's, in cents: Euler's share, as `model.contributions` has it.
        """
        losses = self.losses.copy()
        losses[scenario] += loss
        var = self._var(losses, scenario)
        own = losses[scenario]
        at_var = exact_sum(self.weights[losses == var])
        part = (1 - self.level - exact_sum(self.weights[losses > var])) / at_var if at_var else 0.0
        in_tail = (own > var) + (own == var) * part
        share = exact_sum(self.weights[scenario] * in_tail / (1 - self.level) * loss)
        return TailFigures(var, self._es(losses, var)), share

    def _var(self, losses: Ints, scenario: npt.NDArray[np.intp]) -> int:
        """VaR of `losses`, which are above ours in these scenarios and ours elsewhere."""
        low = self.figures.var
        before, after, unit = self.losses[scenario], losses[scenario], self._unit[scenario]
        crossed = float(unit[(before <= low) & (after > low)].sum())
        # Where so little lies beyond that it is within the level even with all that may have crossed, VaR is at most
        # the next loss that is still there.
        first = int(np.searchsorted(self._sorted, low, side="left"))
        enough = self._upper[first + 1 :] + crossed <= self._most - self._doubt
        reached = first + (int(np.argmax(enough)) if enough.any() else enough.size)
        top = int(self._sorted[min(reached + _FURTHER, self._sorted.size - 1)])
        last = int(np.searchsorted(self._sorted, top, side="right"))
        here = np.concatenate([self._order[first:last], scenario[(before < low) & (after >= low)]])
        values = losses[here]
        kept = values <= top
        here, values = here[kept], values[kept]
        beyond_top = self._upper[last] + float(unit[(before <= top) & (after > top)].sum())
        if not here.size:
            return self._anew(losses)
        descending = np.argsort(-values, kind="stable")
        values, units = values[descending], self._unit[here[descending]]
        beyond = beyond_top + np.cumsum(units) - units  # weight of what comes before in this order
        ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # of each loss, all of its scenarios
        starts = np.append(0, ends[:-1] + 1)
        above, at_or_above = beyond[starts], beyond[ends] + units[ends]
        fits = np.flatnonzero(above <= self._most)
        found = int(fits[-1]) if fits.size else 0  # the smallest loss that fits
        if fits.size and above[found] <= self._most - self._doubt and at_or_above[found] > self._most + self._doubt:
            return int(values[starts[found]])
        return self._anew(losses)

    def _anew(self, losses: Ints) -> int:
        """VaR with all scenarios sorted anew: where rounding might decide, and where the steps above do not reach."""
        return LossSample(losses, self.weights, independent_error).quantile(self.level)

    def _es(self, losses: Ints, var: int) -> float:
        tail = np.flatnonzero(losses > var)
        excess = (losses[tail] - var) / (1 - self.level)
        return var + exact_sum(self.weights[tail] * excess)


def exact_sum(terms: Floats) -> float:
    """The sum of finite terms rounded once: `math.fsum`, ten times as fast."""
    if not terms.size:
        return 0.0
    parts = []
    carry = math.ceil(math.log2(terms.size + 2))
    while largest := float(np.abs(terms).max()):
        cut = 2.0 ** (math.frexp(largest)[1] + carry)
        upper = (cut + terms) - cut  # multiples of one power of two, whose sum needs no rounding
        parts.append(float(upper.sum()))
        terms = terms - upper
    return math.fsum(parts)
