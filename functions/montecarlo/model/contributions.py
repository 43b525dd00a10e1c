"""What the parts of a portfolio contribute to its VaR and ES, with their errors (Euler allocation).

    to ES:  E[L_p | the tail], the scenarios at VaR itself taken at the share that makes the tail weigh exactly 1 - a
    to VaR: E[L_p | L = VaR], from the scenarios around VaR, scaled to add up to it

The contributions of parts that make up the portfolio add up to its ES and VaR (Tasche 1999). Errors are those of their
influence functions, with the loss at VaR in them: the threshold of the tail is estimated too. Imports NumPy and
`measures` only.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from montecarlo.model.measures import Estimate, LossSample

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BAND = 0.25
"""Scenarios count as those around VaR where the weight beyond them is 1 - a, less or more by this share of it."""


@dataclass(frozen=True)
class Contributions:
    """Of P parts, in their order and in the unit of the losses."""

    var: list[Estimate]
    es: list[Estimate]


def contributions(sample: LossSample, parts: Ints, level: float) -> Contributions:
    """The contributions of P parts at `level` (0..1).

    sample: the portfolio's losses. parts: int64 (P, S), the parts' losses, adding up to them. An error is NaN where
    that of the portfolio's VaR is. The error of sampling loans is not in them.
    """
    var = sample.var(level)
    around = _around(sample, level)
    at_var = [_at_var(sample, part, around, var) for part in parts]
    tail = _tail(sample, level, int(var.value))
    es = [_in_tail(sample, part, tail, estimate, level) for part, estimate in zip(parts, at_var, strict=True)]
    return Contributions(at_var, es)


def weights(sample: LossSample, level: float) -> Floats:
    """What each scenario weighs in a loan's contributions to VaR and ES at `level`, (2, S): these are the weighted sums
    of the loan's losses.
    """
    var = int(sample.var(level).value)
    around = _around(sample, level)
    whole = math.fsum(sample.weights[around] * sample.losses[around])
    of_var = np.zeros(sample.losses.size)
    if whole:
        of_var[around] = sample.weights[around] * (var / whole)
    return np.array([of_var, sample.weights * _tail(sample, level, var) / (1 - level)])


def _around(sample: LossSample, level: float) -> npt.NDArray[np.intp]:
    """The scenarios around VaR, with all that lose as much as the first and the last of them."""
    low, high = (sample.quantile(1 - (1 - level) * (1 + side * BAND)) for side in (1, -1))
    return np.flatnonzero((sample.losses >= low) & (sample.losses <= high))


def _at_var(sample: LossSample, part: Ints, around: npt.NDArray[np.intp], var: Estimate) -> Estimate:
    weights, losses = sample.weights[around], sample.losses[around]
    whole = math.fsum(weights * losses)
    if not whole:
        return Estimate.normal(0.0, var.standard_error)
    share = math.fsum(weights * part[around]) / whole
    terms = np.zeros(sample.losses.size)
    terms[around] = weights * (part[around] - share * losses) / whole
    error = math.hypot(var.value * sample.error_of_sum(terms), share * var.standard_error)
    return Estimate.normal(share * var.value, error)


def _tail(sample: LossSample, level: float, var: int) -> Floats:
    """How much of each scenario belongs to the tail, (S,)."""
    beyond, at_var = sample.losses > var, sample.losses == var
    at_weight = math.fsum(sample.weights[at_var])
    share = (1 - level - math.fsum(sample.weights[beyond])) / at_weight if at_weight else 0.0
    return np.asarray(beyond + at_var * share)


def es_terms(sample: LossSample, parts: Ints, level: float) -> list[tuple[float, Floats]]:
    """Each part's contribution to ES, and what each scenario adds to its error, (S,)."""
    var = sample.var(level)
    around = _around(sample, level)
    tail = _tail(sample, level, int(var.value))
    return [_tail_terms(sample, part, tail, _at_var(sample, part, around, var), level) for part in parts]


def _in_tail(sample: LossSample, part: Ints, tail: Floats, at_var: Estimate, level: float) -> Estimate:
    value, terms = _tail_terms(sample, part, tail, at_var, level)
    error = sample.error_of_sum(terms)
    return Estimate.normal(value, math.nan if math.isnan(at_var.standard_error) else error)


def _tail_terms(sample: LossSample, part: Ints, tail: Floats, at_var: Estimate, level: float) -> tuple[float, Floats]:
    used = np.flatnonzero(tail)
    weights = sample.weights[used] * tail[used] / (1 - level)
    value = math.fsum(weights * part[used])
    terms = -sample.weights * (value - at_var.value)
    terms[used] += weights * (part[used] - at_var.value)
    return value, terms
