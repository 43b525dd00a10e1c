"""The scorecard's coefficients by logistic regression, with their standard errors.

The scorecard is linear in its coefficients: a segment's intercept, and one for debt to income, rate, term, age and size
each, which all segments share (`montecarlo.model.credit.score`). Maximum likelihood, by statsmodels.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.model.credit import band, score
from montecarlo.model.measures import Z_95
from montecarlo.model.parameters import Parameters, Scorecard
from montecarlo.model.tables import pd_of_bands
from montecarlo.portfolio.loans import Loans

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

COEFFICIENTS = ("debt_to_income", "rate", "term", "age", "size")

LARGEST_ERROR = 10.0
"""Of a coefficient of a feature with unit variance, or of an intercept. A standard error beyond it says that outcomes
are parted, or nearly so, and the likelihood has no maximum at a finite value."""

_SPREAD = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error."""

    value: float
    standard_error: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, by the normal distribution."""
        return self.value - Z_95 * self.standard_error, self.value + Z_95 * self.standard_error


@dataclass(frozen=True)
class Fit:
    """What was estimated. coefficients, intercepts: by name. kept: why a parameter stays as it was, by its path.

    at_zero: why a coefficient is zero, by its name. loans, defaults: that the estimate is from.
    """

    coefficients: Mapping[str, Estimate]
    intercepts: Mapping[str, Estimate]
    kept: Mapping[str, str]
    at_zero: Mapping[str, str]
    loans: int
    defaults: int


def statsmodels() -> Any:
    """The library. Raises InvalidInput where it is missing."""
    try:
        return import_module("statsmodels.api")
    except ImportError:
        raise InvalidInput("statsmodels is missing, which fits the scorecard: run `make setup`.") from None


def features(loans: Loans, card: Scorecard) -> Floats:
    """What each coefficient is multiplied by, (N, 5); NaN where a loan lacks a column for it."""
    nothing = dict.fromkeys(COEFFICIENTS, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack(
            [score(loans, loans.payment, replace(card, **{**nothing, name: 1.0})) for name in COEFFICIENTS], axis=1
        )


def usable(loans: Loans, card: Scorecard) -> Bools:
    """The loans that have all that the scorecard needs, (N,)."""
    return np.asarray(np.isfinite(features(loans, card)).all(axis=1))


def probabilities(loans: Loans, parameters: Parameters) -> Floats:
    """The PD of each loan as a run has it, in the base case, (N,): that of its score band."""
    intercept = np.array([segment.intercept for segment in parameters.segments.values()])[loans.segment]
    return np.asarray(pd_of_bands()[band(score(loans, loans.payment, parameters.scorecard) + intercept)])


def fit(loans: Loans, defaulted: Bools, base: Parameters) -> Fit:
    """Coefficients and intercepts that make the outcomes likeliest.

    base: gives the reference values, and what cannot be told from the history: a coefficient whose feature is constant
    within segments or follows from the others, and the intercept of a segment with one kind of outcome only; all of it
    stays as it was, and counts as known. A debt-to-income coefficient below zero is set to zero, which the model allows
    for, and the others fitted anew: the likelihood's maximum within the model's bounds. Raises InvalidPortfolio where
    no finite estimate exists.
    """
    library = statsmodels()
    names = list(base.segments)
    card, at_zero = base.scorecard, dict[str, str]()
    kept: dict[str, str] = {}
    rows = np.ones(len(loans), np.bool_)
    for place in np.unique(loans.segment).tolist():
        of = loans.segment == place
        if defaulted[of].all() or not defaulted[of].any():
            rows &= ~of
            word = "all" if defaulted[of].all() else "none"
            kept[f"segments.{names[place]}.intercept"] = f"{word} of its {int(of.sum()):,} loans defaulted"
    if not rows.any():
        word = "all" if defaulted.all() else "none"
        if defaulted.any() and not defaulted.all():
            raise InvalidPortfolio("in no segment are there loans that defaulted and loans that did not.")
        raise InvalidPortfolio(
            f"{word} of the {len(loans):,} loans to learn from defaulted: a fit needs some that did and some that did "
            "not. Take a longer history, or more loans."
        )
    chosen, y = loans.select(rows), defaulted[rows].astype(np.float64)
    x = features(chosen, card)
    places = np.unique(chosen.segment)
    dummies = (chosen.segment[:, None] == places).astype(np.float64)
    free = _identified(x, dummies, kept)
    found = _maximum(library, y, x, dummies, free, card)
    slope = dict(zip(free, found[0], strict=False)).get("debt_to_income", 0.0)
    if slope < 0:
        told = f"{slope:.3g}".replace("-", "\u2212")
        at_zero["debt_to_income"] = (
            f"the estimate of {told} is below zero, which would let a higher payment lower a PD: 0 is taken"
        )
        card, free = replace(card, debt_to_income=0.0), [name for name in free if name != "debt_to_income"]
        found = _maximum(library, y, x, dummies, free, card)
    values, errors = found
    return Fit(
        {name: Estimate(values[i], errors[i]) for i, name in enumerate(free)},
        {
            names[place]: Estimate(values[len(free) + i], errors[len(free) + i])
            for i, place in enumerate(places.tolist())
        },
        kept,
        at_zero,
        len(chosen),
        int(y.sum()),
    )


def _identified(x: Floats, dummies: Floats, kept: dict[str, str]) -> list[str]:
    """The coefficients that the history tells of; why not of the others is put into `kept`."""
    within = x - dummies @ ((dummies.T @ x) / dummies.sum(axis=0)[:, None])
    free: list[str] = []
    basis = np.empty((len(x), 0))
    for place, name in enumerate(COEFFICIENTS):
        column = within[:, place]
        size, whole = float(np.sqrt(np.mean(column**2))), float(np.sqrt(np.mean(x[:, place] ** 2)))
        if size <= _SPREAD * max(whole, 1.0):
            kept[f"scorecard.{name}"] = "it is the same for all loans of a segment, so that its effect cannot be seen"
            continue
        rest = column - basis @ (basis.T @ column)
        if float(np.sqrt(np.mean(rest**2))) <= 1e-6 * size:
            kept[f"scorecard.{name}"] = "it follows from the others, so that its own effect cannot be seen"
            continue
        basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
        free.append(name)
    return free


def _maximum(
    library: Any, y: Floats, x: Floats, dummies: Floats, free: Sequence[str], card: Scorecard
) -> tuple[list[float], list[float]]:
    """Values and standard errors, of the free coefficients and then of the intercepts. card: gives the others."""
    places = [COEFFICIENTS.index(name) for name in free]
    fixed = [place for place in range(len(COEFFICIENTS)) if place not in places]
    known = np.array([getattr(card, COEFFICIENTS[place]) for place in fixed])
    offset = x[:, fixed] @ known
    scale = x[:, places].std(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say is judged below
        with np.errstate(all="ignore"):
            try:
                design = np.hstack([x[:, places] / scale, dummies])
                model = library.Logit(y, design, offset=offset, check_rank=False)
                found = model.fit(method="newton", maxiter=100, disp=0)
                values, errors = np.asarray(found.params), np.asarray(found.bse)
                good = bool(found.mle_retvals["converged"])
            except (np.linalg.LinAlgError, ValueError):
                raise _no_estimate() from None
    centred = errors[: len(places)]
    if not good or not np.isfinite([*values, *errors]).all() or centred.max(initial=0.0) > LARGEST_ERROR:
        raise _no_estimate()
    if _intercepts_at_mean(found, x[:, places] / scale, dummies).max() > LARGEST_ERROR:
        raise _no_estimate()
    values[: len(places)] /= scale
    errors[: len(places)] /= scale
    return values.tolist(), errors.tolist()


def _intercepts_at_mean(found: Any, x: Floats, dummies: Floats) -> Floats:
    """Standard errors of each segment's score at the mean of its loans, where the reference values do not matter."""
    covariance = np.asarray(found.cov_params())
    means = (dummies.T @ x) / dummies.sum(axis=0)[:, None]
    at = np.hstack([means, np.eye(dummies.shape[1])])
    return np.asarray(np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", at, covariance, at), 0)))


def _no_estimate() -> InvalidPortfolio:
    return InvalidPortfolio(
        "the coefficients have no finite estimate: some column, or several together, part the loans that defaulted "
        "from those that did not, wholly or nearly. Is a column among them that was known only after the default? Else "
        "take more loans, or fewer segments."
    )


assert set(COEFFICIENTS) <= {field.name for field in fields(Scorecard)}
