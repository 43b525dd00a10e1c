"""Sums over the parts of a portfolio: segments, regions, or the values of a dimension. Knows numbers only."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from montecarlo.model import sums
from montecarlo.model.credit import LoanRisks, check_exposure
from montecarlo.model.valuation import Valuation

Ints = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


@dataclass(eq=False)
class Breakdown:
    """Sums over the loans of each of B parts (segments or regions), in C cases and S scenarios.

    losses: int64 (C, B, S), cents; never above the exposure, which `credit.MAX_EXPOSURE` bounds. loans: int64 (B,).
    without_lifetime: int64 (B,), loans that `lifetime` leaves out. The others are exact sums as `sums` keeps them:
    exposure: (B, 2), cents. squares: (B, 4), of exposures in cents. expected_squares: (B, 4), of the first case's
    expected losses. expected_loss, capital, twelve_month, lifetime: (C, B, 2), in the unit of `valuation`.
    """

    losses: Ints
    loans: Ints
    without_lifetime: Ints
    exposure: Ints
    squares: Ints
    expected_squares: Ints
    expected_loss: Ints
    capital: Ints
    twelve_month: Ints
    lifetime: Ints

    def fits(self, cases: int, parts: int, scenarios: int) -> bool:
        """Whether these can be such sums: whole numbers so shaped, none below zero, no loss above the exposure."""
        counts, exposure, of_loans, by_case = (parts,), (parts, 2), (parts, 4), (cases, parts, 2)
        shapes = {
            "losses": (cases, parts, scenarios), "loans": counts, "without_lifetime": counts, "exposure": exposure,
            "squares": of_loans, "expected_squares": of_loans, "expected_loss": by_case, "capital": by_case,
            "twelve_month": by_case, "lifetime": by_case,
        }  # fmt: skip
        if any(each.dtype != np.int64 or each.shape != shapes[name] for name, each in vars(self).items()):
            return False
        words = (self.exposure, self.squares, self.expected_squares, self.expected_loss, self.capital)
        exact = [sums.exact(each) for each in (*words, self.twelve_month, self.lifetime)]
        plain = (self.losses, self.loans, self.without_lifetime)
        if any(each.min(initial=0) < 0 for each in plain) or any(
            min(map(int, each.flat), default=0) < 0 for each in exact
        ):
            return False
        most = self.losses.max(axis=(0, 2), initial=0).tolist()
        return all(loss <= owed for loss, owed in zip(most, sums.exact(self.exposure).tolist(), strict=True))

    @classmethod
    def of(
        cls, part: npt.NDArray[np.integer], parts: int, loans: LoanRisks, valuation: Valuation, losses: Ints
    ) -> Self:
        """Sums of `loans` by `part`, the index of each loan's part (N,)."""

        def by_case(values: Ints) -> Ints:
            return np.array([sums.total(case, part, parts) for case in values])

        def count(chosen: npt.NDArray[np.bool_]) -> Ints:
            return np.bincount(part[chosen], minlength=parts).astype(np.int64)

        return cls(
            losses=losses,
            loans=count(np.ones(part.size, dtype=bool)),
            without_lifetime=count(~valuation.has_lifetime),
            exposure=sums.total(loans.exposure, part, parts),
            squares=sums.squares(loans.exposure, part, parts),
            expected_squares=sums.squares(valuation.expected_loss[0], part, parts),
            expected_loss=by_case(valuation.expected_loss),
            capital=by_case(valuation.capital),
            twelve_month=by_case(valuation.twelve_month),
            lifetime=by_case(np.where(valuation.has_lifetime, valuation.lifetime, 0)),
        )

    def add(self, other: Self) -> None:
        """Add the sums over other loans in the same scenarios and cases.

        Raises InvalidPortfolio where losses can no longer be added up exactly.
        """
        check_exposure(_total(self.exposure) + _total(other.exposure))
        for name, array in vars(self).items():
            array += getattr(other, name)

    def take_out(self, other: Self) -> None:
        """Leave the sums without those over some of the loans. Raises ValueError where those are no part of these."""
        for name, array in vars(self).items():
            left = array - getattr(other, name)
            setattr(self, name, left)
            values = left if name in _PLAIN else sums.exact(left)
            if (values < 0).any():
                raise ValueError(_IN_WORDS.get(name, name))
        empty = self.loans == 0
        if sums.exact(self.exposure)[empty].any() or self.losses[:, empty].any():
            raise ValueError("another exposure or loss of the same loans")

    def placed(self, places: npt.NDArray[np.intp], parts: int) -> Self:
        """The same sums by so many other parts: each of ours at its place, those of one place added up."""

        def moved(array: Ints, axis: int) -> Ints:
            shape = list(array.shape)
            shape[axis] = parts
            result = np.zeros(shape, dtype=np.int64)
            np.add.at(np.moveaxis(result, axis, 0), places, np.moveaxis(array, axis, 0))
            return result

        return type(self)(**{name: moved(array, int(name in _BY_CASE)) for name, array in vars(self).items()})

    def totals(self, one_in: int = 1) -> "Totals":
        """The sums over the portfolio, estimated from these over a sample of one loan in so many.

        Raises InvalidPortfolio where losses cannot be added up exactly.
        """
        check_exposure(_total(self.exposure) * one_in)
        exact = {name: sums.exact(array) for name, array in vars(self).items() if name not in _PLAIN}
        return Totals(
            **{name: getattr(self, name) * one_in for name in _PLAIN},
            **{name: values * one_in ** (2 if name in _SQUARED else 1) for name, values in exact.items()},
        )


@dataclass(frozen=True, eq=False)
class Totals:
    """A `Breakdown`'s sums, for results to be made of: exact ones as Python's integers, object (B,) or (C, B)."""

    losses: Ints
    loans: Ints
    without_lifetime: Ints
    exposure: Objects
    squares: Objects
    expected_squares: Objects
    expected_loss: Objects
    capital: Objects
    twelve_month: Objects
    lifetime: Objects


_PLAIN = ("losses", "loans", "without_lifetime")
_IN_WORDS = {"losses": "a larger loss in some scenario", "loans": "more loans", "exposure": "more exposure"}
_BY_CASE = ("losses", "expected_loss", "capital", "twelve_month", "lifetime")
_SQUARED = ("squares", "expected_squares")


def _total(words: Ints) -> int:
    """The sum of all parts."""
    return int(sums.exact(words).sum())
