"""Risk measures of a simulated loss distribution, with standard errors and 95 % intervals. Imports NumPy only.

Definitions (McNeil, Frey and Embrechts 2015): VaR at level a is inf{x : F(x) >= a}, never interpolated; ES at level a
is VaR + E[(L - VaR)+] / (1 - a); UL is the standard deviation of losses; economic capital is VaR - EL.

Sums are taken with `math.fsum`, which rounds once, so that the CPU's vector width cannot show in the last digit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ErrorOfSum = Callable[[Floats], float]
"""Estimates the standard error of the sum of centred terms, one a scenario, in the order of the scenarios."""

VAR_LEVELS = (95.0, 99.0, 99.9)
ES_LEVELS = (97.5, 99.0, 99.9)
CAPITAL_LEVELS = (99.9,)

Z_95 = 1.959963984540054
"""Half width of a 95 % normal interval in standard errors."""

UNSEEN = 2
"""How many more terms like its largest a sample is taken to have missed. Where an error rests on few scenarios, most
samples hold too few of them and know nothing of it; Agresti and Coull 1998 add two successes to a proportion for the
same reason. Among many terms of one size it does not show.
"""


@dataclass(frozen=True)
class Estimate:
    """A figure in cents with its standard error and 95 % interval. The error is NaN where the sample cannot tell."""

    value: float
    standard_error: float
    low: float
    high: float

    @classmethod
    def normal(cls, value: float, error: float) -> "Estimate":
        """With the interval of a normal distribution. value, error: cents."""
        return cls(value, error, value - Z_95 * error, value + Z_95 * error)

    def widened(self, relative_error: float) -> "Estimate":
        """With a further error, relative to the value, that is independent of its own."""
        more = abs(self.value) * relative_error
        return Estimate(
            self.value,
            math.hypot(self.standard_error, more),
            self.value - math.hypot(self.value - self.low, Z_95 * more),
            self.value + math.hypot(self.high - self.value, Z_95 * more),
        )


@dataclass(frozen=True)
class Measures:
    """All estimates of one case, in cents. Keys of the mappings are levels in percent."""

    el: Estimate
    ul: Estimate
    var: dict[float, Estimate]
    es: dict[float, Estimate]
    economic_capital: dict[float, Estimate]
    worst: float


class LossSample:
    """Losses int64 (S,) in cents with the weights (S,) of their scenarios.

    `error_of_sum` estimates the standard error of a sum of terms that the scenarios contribute; it knows how the
    scenarios were drawn. `relative_error`: standard error, relative to the value, that every estimate has besides,
    because only a sample of the loans was simulated.
    """

    def __init__(self, losses: Ints, weights: Floats, error_of_sum: ErrorOfSum, relative_error: float = 0.0) -> None:
        self.losses = losses
        self.weights = weights
        self.error_of_sum = error_of_sum
        self.relative_error = relative_error
        order = np.argsort(losses, kind="stable")
        self._sorted = losses[order]
        # Weight at or above each sorted loss, summed from the far tail, where precision matters.
        self._upper = np.cumsum(weights[order][::-1])[::-1]

    def quantile(self, level: float) -> int:
        """inf{x : F(x) >= level}, level in 0..1: the smallest loss that at most 1 - level of the weight exceeds."""
        beyond = np.append(self._upper[1:], 0.0)
        # Rounding of the running sum must not push the quantile one order statistic up.
        reached = np.flatnonzero(beyond <= (1 - level) * (1 + 1e-12) + 1e-15)
        return int(self._sorted[reached[0]])

    def effective_size(self, level: float = 0.0) -> float:
        """Kish's effective number of scenarios among those with a loss at or above VaR at `level` (0: all)."""
        weights = self.weights[self.losses >= self.quantile(level)] if level else self.weights
        return math.fsum(weights) ** 2 / math.fsum(weights * weights)

    def mean(self) -> float:
        """Weighted mean of the losses, in cents."""
        return math.fsum(self.weights * self.losses)

    def simulated_el(self) -> Estimate:
        """The mean loss, in cents, with the error of drawing scenarios alone."""
        mean = self.mean()
        return Estimate.normal(mean, self.error_of_sum(self.weights * (self.losses - mean)))

    def measures(self, expected: float | None = None, further: Sequence[float] = ()) -> Measures:
        """All measures, in cents, each with its error and interval.

        expected: the expected loss, where it is known without simulation; the sample's mean is taken otherwise.
        further: levels in percent of VaR, ES and economic capital, beside the usual ones.
        """
        simulated = self.simulated_el()
        el = simulated if expected is None else Estimate.normal(expected, 0.0)
        var = {level: self.var(level / 100) for level in sorted({*VAR_LEVELS, *further})}
        capital = {level: _difference(var[level], el) for level in sorted({*CAPITAL_LEVELS, *further})}
        return Measures(
            el=el.widened(self.relative_error),
            ul=self._ul(simulated.value).widened(self.relative_error),
            var={level: estimate.widened(self.relative_error) for level, estimate in var.items()},
            es={level: self._es(level / 100).widened(self.relative_error) for level in sorted({*ES_LEVELS, *further})},
            economic_capital={level: estimate.widened(self.relative_error) for level, estimate in capital.items()},
            worst=float(self._sorted[-1]),
        )

    def change_from(self, other: "LossSample", expected: float, further: Sequence[float] = ()) -> Measures:
        """How the measures differ from those of another case under the same scenarios, in cents.

        expected: the difference of the expected losses, known without simulation. Chance moves both cases alike: the
        error is that of the sum of what each scenario does to the one estimate, less what it does to the other.
        """
        now, before = self.measures(0.0, further), other.measures(0.0, further)

        def differ(one: Estimate, another: Estimate, mine: Floats, theirs: Floats) -> Estimate:
            error = self.error_of_sum(mine - theirs)
            known = not (math.isnan(one.standard_error) or math.isnan(another.standard_error))
            return Estimate.normal(one.value - another.value, error if known else math.nan).widened(self.relative_error)

        def at(level: float) -> tuple[Floats, Floats]:
            return self._moves_var(level / 100), other._moves_var(level / 100)

        var = {level: differ(now.var[level], before.var[level], *at(level)) for level in now.var}
        return Measures(
            el=Estimate.normal(expected, 0.0).widened(self.relative_error),
            ul=differ(now.ul, before.ul, self._moves_ul(), other._moves_ul()),
            var=var,
            es={
                level: differ(
                    now.es[level], before.es[level], self._moves_es(level / 100), other._moves_es(level / 100)
                )
                for level in now.es
            },
            economic_capital={
                level: _difference(var[level], Estimate.normal(expected, 0.0)) for level in now.economic_capital
            },
            worst=now.worst - before.worst,
        )

    def _moves_ul(self) -> Floats:
        """What each scenario adds to the error of UL, (S,): its influence in a large sample."""
        squares = (self.losses - self.mean()) ** 2
        variance = math.fsum(self.weights * squares)
        terms: Floats = self.weights * (squares - variance)
        return terms / (2 * math.sqrt(variance)) if variance else terms

    def _moves_var(self, level: float) -> Floats:
        """The same of VaR: a scenario moves it by lying beyond it or not, as much as its own error tells."""
        estimate = self.var(level)
        terms: Floats = self.weights * ((self.losses > estimate.value) - (1 - level))
        moved = self.error_of_sum(terms)
        return terms * (estimate.standard_error / moved if moved else 0.0)

    def _moves_es(self, level: float) -> Floats:
        """The same of ES."""
        excess = np.maximum(self.losses - self.quantile(level), 0) / (1 - level)
        terms: Floats = self.weights * (excess - math.fsum(self.weights * excess))
        return terms

    def thinned(self, factor: int, strata: Sequence[int]) -> "LossSample":
        """What one in `factor` of the scenarios would have told: the first, or of stratified ones a scenario from each
        `factor` neighbouring strata.

        strata: sizes of the stratified runs, as `scenarios.Design.strata` gives them.
        """
        if factor == 1:
            return self
        if not strata:
            first = self.losses.size // factor
            return LossSample(
                self.losses[:first], self.weights[:first] * factor, self.error_of_sum, self.relative_error
            )
        groups = [size // factor for size in strata]
        starts = np.cumsum([0, *strata[:-1]])
        # Going through the places in a group by turns keeps them equally frequent; 7 is coprime to every power of two.
        chosen = np.concatenate(
            [
                start + np.arange(count) * factor + np.arange(count) * 7 % factor
                for start, count in zip(starts, groups, strict=True)
            ]
        )
        share = self.losses.size / chosen.size
        return LossSample(
            self.losses[chosen], self.weights[chosen] * share, stratified_error(groups), self.relative_error
        )

    def _ul(self, mean: float) -> Estimate:
        squares = (self.losses - mean) ** 2
        variance = math.fsum(self.weights * squares)
        deviation = math.sqrt(variance)
        error = self.error_of_sum(self.weights * (squares - variance))
        return Estimate.normal(deviation, error / (2 * deviation) if deviation else error)

    def var(self, level: float) -> Estimate:
        """VaR at `level` (0..1).

        Its interval is where F plus or minus 1.96 of its standard errors at VaR crosses the level.

        Without an error where that lies beyond the largest loss: the sample cannot tell where the interval ends.
        """
        value = self.quantile(level)
        half = Z_95 * self._error_at(value, level)
        if not level + half < 1:
            return Estimate.normal(value, math.nan)
        low, high = self.quantile(max(level - half, 0.0)), self.quantile(level + half)
        return Estimate(value, (high - low) / (2 * Z_95), low, high)

    def _error_at(self, value: int, level: float) -> float:
        """Standard error of F at VaR: that of the weight beyond it, or if larger, that of the weight from VaR on.

        The former is nil where no scenario lies beyond. The latter may be much more than 1 - level, where many
        scenarios lose just VaR; a weight's variance is about proportional to it, so it is scaled down to 1 - level.
        """
        beyond, reached = self.losses > value, self.losses >= value
        weight = math.fsum(self.weights * reached)
        return max(
            self.error_of_sum(self.weights * (beyond - (1 - level))),
            self.error_of_sum(self.weights * (reached - weight)) * math.sqrt((1 - level) / weight),
        )

    def _es(self, level: float) -> Estimate:
        """ES; without an error where VaR has none."""
        var = self.var(level)
        excess = np.maximum(self.losses - var.value, 0) / (1 - level)
        mean_excess = math.fsum(self.weights * excess)
        error = self.error_of_sum(self.weights * (excess - mean_excess))
        return Estimate.normal(var.value + mean_excess, math.nan if math.isnan(var.standard_error) else error)


def _difference(one: Estimate, other: Estimate) -> Estimate:
    """VaR - EL and the like: positively correlated, so that adding their variances errs on the safe side."""
    value = one.value - other.value
    return Estimate(
        value,
        math.hypot(one.standard_error, other.standard_error),
        value - math.hypot(one.value - one.low, other.high - other.value),
        value + math.hypot(one.high - one.value, other.value - other.low),
    )


def independent_error(terms: Floats) -> float:
    """Standard error of the sum of independent, centred terms, one a scenario. NaN for a single scenario."""
    if terms.size < 2:
        return math.nan
    return _root_of_sum((terms * terms * (terms.size / (terms.size - 1))).tolist())


def stratified_error(sizes: Sequence[int]) -> ErrorOfSum:
    """The error of a sum whose terms come in consecutive runs of `sizes`, one term from each stratum.

    Neighbouring strata are collapsed in pairs (Cochran 1977, 5A.12): what they differ by anyway is counted as error
    too, so the estimate errs on the safe side.
    """

    def error(terms: Floats) -> float:
        if terms.size < 2:
            return math.nan
        squares: list[float] = []
        start = 0
        for size in sizes:
            run = terms[start : start + size]
            start += size
            odd = size % 2
            if size >= 3 and odd:  # the last three make one group
                last = run[-3:]
                squares += (1.5 * (last - math.fsum(last) / 3) ** 2).tolist()
                run = run[:-3]
            elif odd:
                squares += (run * run).tolist()
                run = run[:-1]
            squares += ((run[0::2] - run[1::2]) ** 2).tolist()
        return _root_of_sum(squares)

    return error


def _root_of_sum(squares: Sequence[float]) -> float:
    """The error of a sum from the variances of its terms, and of UNSEEN more."""
    return math.sqrt(math.fsum(squares) + UNSEEN * max(squares))
