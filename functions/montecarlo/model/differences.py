"""By how much measures differ between two portfolios, or two cases, under the same scenarios, with the error of that.

Common random numbers: most of the chance in the one measure is in the other too and falls out of their difference. So
its error comes from what each scenario adds to both, and is not the two errors put together. EL is known without
simulation and has none. Where a sample of the loans was simulated, each difference has that error, too.

Where a difference of VaR is small, few scenarios change places, and it is the difference in one scenario or a few, out
of many that could have been the ones. So its error is the larger of two: that of the influence functions, which is
right where many scenarios change places, and how far the difference of the two quantile functions varies within VaR's
own margin, which is right where few do. Where neither sees any, the sample cannot tell.

Imports NumPy and the room's measures only.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from montecarlo.model.contributions import es_terms
from montecarlo.model.measures import Estimate, Ints, LossSample, Measures

_STEPS = 400
"""Levels within VaR's margin at which the quantile functions are compared."""

_NORMAL = np.array([NormalDist().inv_cdf((step + 0.5) / _STEPS) for step in range(_STEPS)])


@dataclass(frozen=True, eq=False)
class Pair:
    """The same scenarios over two portfolios: what each loses, and the measures of both."""

    before: LossSample
    after: LossSample

    def measures(self, before: Measures, after: Measures) -> Measures:
        """The difference of each measure, after - before, in cents. before, after: the measures of the two samples."""
        var = {level: self._var(level / 100) for level in after.var}
        es = {level: self._es(level / 100, after.es[level].value - before.es[level].value) for level in after.es}
        expected, more = after.el.value - before.el.value, self.after.relative_error
        capital = {
            level: Estimate.normal(var[level].value - expected, var[level].standard_error)
            for level in after.economic_capital
        }
        return Measures(
            el=Estimate.normal(expected, 0.0).widened(more),
            ul=self._ul(after.ul.value - before.ul.value).widened(more),
            var={level: estimate.widened(more) for level, estimate in var.items()},
            es={level: estimate.widened(more) for level, estimate in es.items()},
            economic_capital={level: estimate.widened(more) for level, estimate in capital.items()},
            worst=after.worst - before.worst,
        )

    def contributions(self, before: Ints, after: Ints, level: float) -> list[Estimate]:
        """The difference of each part's contribution to ES at `level` (0..1). before, after: int64 (P, S)."""
        unknown = any(math.isnan(sample.var(level).standard_error) for sample in (self.before, self.after))
        pairs = zip(es_terms(self.before, before, level), es_terms(self.after, after, level), strict=True)
        return [self._paired(new - old, terms - earlier, unknown) for (old, earlier), (new, terms) in pairs]

    def _ul(self, difference: float) -> Estimate:
        terms = []
        for sample in (self.before, self.after):
            variance, each = sample.variance(sample.mean())
            terms.append(each / (2 * math.sqrt(variance)) if variance else np.zeros(each.size))
        return self._paired(difference, terms[1] - terms[0])

    def _es(self, level: float, difference: float) -> Estimate:
        var = [sample.var(level) for sample in (self.before, self.after)]
        old, new = (
            sample.excess(each.value, level)[1] for sample, each in zip((self.before, self.after), var, strict=True)
        )
        return self._paired(difference, new - old, any(math.isnan(each.standard_error) for each in var))

    def _var(self, level: float) -> Estimate:
        var = [sample.var(level) for sample in (self.before, self.after)]
        difference = var[1].value - var[0].value
        if any(math.isnan(each.standard_error) for each in var):
            return Estimate.normal(difference, math.nan)
        margins, terms = [], []
        for sample, each in zip((self.before, self.after), var, strict=True):
            margin = sample.error_at(int(each.value), level)
            margins.append(margin)
            sharpness = each.standard_error / margin if margin else 0.0  # one over the density of losses at VaR
            terms.append(sample.weights * ((sample.losses > each.value) - (1 - level)) * sharpness)
        levels = np.clip(level + max(margins) * _NORMAL, 0.0, 1.0)
        apart = self.after.quantiles(levels) - self.before.quantiles(levels) - difference
        around = math.sqrt(math.fsum((apart.astype(np.float64) ** 2).tolist()) / _STEPS)
        error = max(self.after.error_of_sum(terms[1] - terms[0]), around)
        if not error and np.ptp(self.after.losses - self.before.losses):
            error = math.nan  # what was changed loses something at times, but in none of the scenarios near VaR
        return Estimate.normal(difference, error)

    def _paired(self, difference: float, terms: npt.NDArray[np.float64], unknown: bool = False) -> Estimate:
        return Estimate.normal(difference, math.nan if unknown else self.after.error_of_sum(terms))
