"""How loans repay: growth, the level payment, what is still owed, and schedules of other kinds.

Multiplications, divisions and subtractions only, each its own NumPy operation, which IEEE 754 fixes to the bit; their
order decides cents and stays. Imports NumPy only.
"""

from collections.abc import Iterator, Sequence
from copy import copy

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LOW_RATE = 2e-3
"""A month. Below it growth - 1 has lost too many digits: rounding 1 + rate alone changes it by 1e-16 / rate of it."""


NO_INTEREST = 1e-6
"""Interest over a loan's life, as a share of it, below which 1 - m / n is the better number."""


_ROOT_STEPS = 24
"""Far more than a root of any value here needs."""


def growth(monthly: Floats, months: Ints) -> Floats:
    """(1 + monthly)**months by repeated squaring, shape (N,). months: int64 (N,), not negative."""
    result = np.ones_like(monthly)
    power = 1 + monthly
    left = months.astype(np.int64)
    while left.any():
        with np.errstate(over="ignore"):  # of loans that need no more of it, beside longer ones
            result = np.where(left & 1, result * power, result)
            power = power * power
        left = left >> 1
    return result


def interest(monthly: Floats, months: Ints) -> Floats:
    """growth - 1 by repeated squaring, shape (N,), to the last few digits: only positive numbers are added."""
    result = np.zeros_like(monthly)
    power = monthly
    left = months.astype(np.int64)
    while left.any():
        result = np.where(left & 1, result + power + result * power, result)
        power = power * (2 + power)
        left = left >> 1
    return result


def root(value: Floats, degree: Ints) -> Floats:
    """value**(1 / degree), shape (N,), by Newton's method, which has the same bits everywhere. value: (N,), from 0.1 to
    3. degree: (N,), 1 to 12; the root of degree 1 is the value itself.
    """
    result = value.copy()
    rows = np.flatnonzero((degree != 1) & (value != 1))
    under, by = value[rows], degree[rows]
    found = 1 + (under - 1) / by
    for _ in range(_ROOT_STEPS if rows.size else 0):
        found = found - (found - under / growth(found - 1, by - 1)) / by
    result[rows] = found
    return result


def annuity(monthly: Floats, months: Ints) -> Floats:
    """The payment that repays 1 in `months` payments at the monthly rate, shape (N,). months: (N,), at least 1."""
    payment = 1.0 / months
    usual, low = np.flatnonzero(monthly >= _LOW_RATE), np.flatnonzero((monthly > 0) & (monthly < _LOW_RATE))
    repaid = growth(monthly[usual], months[usual])
    payment[usual] = monthly[usual] * repaid / (repaid - 1)
    few = monthly[low]
    payment[low] = few + few / interest(few, months[low])
    return payment


def owed_share(monthly: Floats, term: Ints, paid: Ints) -> Floats:
    """The share of the amount that is owed after `paid` of `term` level payments, shape (N,).

    ((1 + r)**n - (1 + r)**m) / ((1 + r)**n - 1) at the monthly rate r, 1 - m / n at r = 0. paid: (N,), at most `term`.
    """
    at_end, by_now = growth(monthly, term), growth(monthly, paid)
    interest_bearing = at_end > 1
    return np.where(
        interest_bearing,
        (at_end - by_now) / np.where(interest_bearing, at_end - 1, 1.0),
        1 - paid / np.maximum(term, 1),
    )


AMORTISATIONS = ("annuity", "linear", "bullet")
"""How a loan may repay: by level payments, by equal parts of the amount, or all at the end."""

FREQUENCIES = {"monthly": 1, "quarterly": 3, "semi-annual": 6, "annual": 12}
"""Months between payments."""


class Schedule:
    """How N loans repay that do not do so by level monthly payments alone. Months count from the origination.

    monthly: float64 (N,), the rate a month; interest is due with each payment, for whole periods. term: int64 (N,),
    months. bullet, linear: bool (N,). balloon: float64 (N,), the share of the amount that is due with the last payment.
    interest_only: int64 (N,), months in which payments repay nothing. period: int64 (N,), months between payments; the
    last one is due at the end of the term, even if that is sooner. All amounts are shares of the original one.
    """

    def __init__(
        self,
        monthly: Floats,
        term: Ints,
        bullet: npt.NDArray[np.bool_],
        linear: npt.NDArray[np.bool_],
        balloon: Floats,
        interest_only: Ints,
        period: Ints,
    ) -> None:
        self.monthly, self.term, self.linear, self.period = monthly, term, linear, period
        payments = -(-term // period)
        self._free = np.minimum(interest_only // period, payments)  # payments of interest alone
        bullet = bullet | (self._free == payments)
        self._free = np.where(bullet, 0, self._free)
        self._repaying = payments - self._free
        self._balloon = np.where(bullet, 1.0, balloon)
        self._rate = monthly * period

    def select(self, rows: npt.NDArray[np.intp]) -> "Schedule":
        """Of some of the loans."""
        part = copy(self)
        vars(part).update({name: values[rows] for name, values in vars(self).items()})
        return part

    def owed(self, month: Ints) -> Floats:
        """What is owed once `month` months are over, (N,): 1 at first, 0 at the end of the term."""
        paid = np.clip(month // self.period - self._free, 0, self._repaying)
        level = owed_share(self._rate, self._repaying, paid)
        share = np.where(self.linear, 1 - paid / np.maximum(self._repaying, 1), level)
        return np.where(month < self.term, self._balloon + (1 - self._balloon) * share, 0.0)

    def instalment(self, age: Ints, rise: Floats | float = 0.0) -> Floats:
        """What the next payment but the last asks for each month of its period, as a share of what is owed at `age`.

        rise: of the monthly rate. It is not less for a higher rate.
        """
        free, left, balloon = self._to_come(age)
        rate: Floats = np.maximum(self.monthly + rise, 0.0) * self.period
        part = np.where(self.linear, 1 / np.maximum(left, 1) + rate, annuity(rate, np.maximum(left, 1)))
        repays = (left > 0) & (free == 0)
        return np.asarray(np.where(repays, (1 - balloon) * part + balloon * rate, rate) / self.period)

    def path(self, age: Ints, going: Sequence[int]) -> Iterator[Floats]:
        """What is owed at `age` and in each month after it, as shares of what is owed at `age`: (going[m],) for month
        m, of the first so many loans. 1 in every month where the term is over.
        """
        due = np.minimum(age, np.maximum(self.term - 1, 0))
        paid = np.clip(due // self.period - self._free, 0, self._repaying)
        at_end = growth(self._rate, self._repaying)
        bearing = ~self.linear & (at_end - 1 > NO_INTEREST)
        # Of level payments (1 + r)**n - (1 + r)**m is left, of equal ones n - m: from a payment to the next, what has
        # been repaid grows by the same kind of step.
        top = np.where(bearing, at_end, self._repaying)
        done = np.where(bearing, growth(self._rate, paid), paid)
        factor, step = np.where(bearing, 1 + self._rate, 1.0), np.where(bearing, 0.0, 1.0)
        owed = self.owed(due)
        over = (age >= self.term) | (owed <= 0)
        whole = np.where(over, 1.0, owed)
        kept = np.where(over, 1.0, self._balloon / whole)
        part = np.where(over, 0.0, (1 - self._balloon) / np.where(bearing, at_end - 1, np.maximum(self._repaying, 1)))
        part = part / whole
        plain = bool((self.period == 1).all() and (self._free == 0).all())
        for month, count in enumerate(going):
            if month:
                now = done[:count] * factor[:count] + step[:count]
                if plain:
                    done = now
                else:
                    at = age[:count] + month
                    period = self.period[:count]
                    due_now = (at % period == 0) & (at > self._free[:count] * period)
                    done = np.where(due_now, now, done[:count])
            yield kept[:count] + part[:count] * (top[:count] - done[:count])

    def mean_months(self, age: Ints) -> Floats:
        """Sum of t * CF / sum of CF over the payments to come, interest included, (N,); t in months from `age`."""
        free, left, balloon = self._to_come(age)
        rate, n = self._rate, left.astype(np.float64)
        level = (1 - balloon) * annuity(rate, np.maximum(left, 1)) + balloon * rate
        # Of n linear payments, payment s brings a part, and interest on n - s + 1 parts and the balloon.
        part = (1 - balloon) / np.maximum(n, 1)
        paid = np.where(self.linear, n * (part + rate * balloon) + rate * part * (n * (n + 1) / 2), n * level)
        dated = np.where(
            self.linear,
            (part + rate * balloon) * (n * (n + 1) / 2) + rate * part * (n * (n + 1) * (n + 2) / 6),
            level * (n * (n + 1) / 2),
        )
        last = np.where(self.linear, part + rate * (balloon + part), level) + balloon
        total = rate * free + paid + balloon
        at = rate * (free * (free + 1) / 2) + free * paid + dated + balloon * (free + n)
        due = np.minimum(age, self.term)
        first = (due // self.period + 1) * self.period - due
        early = np.maximum(first + (free + left - 1) * self.period - (self.term - due), 0)  # the last payment
        mean = ((first - self.period) * total + self.period * at - early * last) / np.where(total > 0, total, 1.0)
        return np.where(age < self.term, mean, 0.0)

    def _to_come(self, age: Ints) -> tuple[Ints, Ints, Floats]:
        """Payments of interest alone and payments that repay, and the balloon as a share of what is owed at `age`."""
        due = np.minimum(age, np.maximum(self.term - 1, 0))
        paid = due // self.period
        free = np.maximum(self._free - paid, 0)
        left = np.clip(self._repaying + self._free - paid, 0, self._repaying)
        owed = self.owed(due)
        return free, left, self._balloon / np.where(owed > 0, owed, 1.0)
