"""What level payments do to a loan: growth, the payment, and what is still owed.

Multiplications, divisions and subtractions only, each its own NumPy operation, which IEEE 754 fixes to the bit; their
order decides cents and stays. Imports NumPy only.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LOW_RATE = 2e-3
"""A month. Below it growth - 1 has lost too many digits: rounding 1 + rate alone changes it by 1e-16 / rate of it."""


def growth(monthly: Floats, months: Ints) -> Floats:
    """(1 + monthly)**months by repeated squaring, shape (N,). months: int64 (N,), not negative."""
    result = np.ones_like(monthly)
    power = 1 + monthly
    left = months.astype(np.int64)
    while left.any():
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
