"""What level payments do to a loan: growth, the payment, and what is still owed.

Multiplications, divisions and subtractions only, each its own NumPy operation, which IEEE 754 fixes to the bit; their
order decides cents and stays. Imports NumPy only.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CANCELLED = 1e-6
"""Interest over a loan's life, as a share of it, from which growth - 1 has enough digits left to divide by."""


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


def annuity(monthly: Floats, months: Ints) -> Floats:
    """The payment that repays 1 in `months` payments at the monthly rate, shape (N,). months: (N,), at least 1."""
    repaid = growth(monthly, months)
    interest_bearing = repaid > 1 + _CANCELLED
    hardly_any = (1 + monthly * (months + 1) / 2) / months  # the same to second order
    return np.where(interest_bearing, monthly * repaid / np.where(interest_bearing, repaid - 1, 1.0), hardly_any)


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
