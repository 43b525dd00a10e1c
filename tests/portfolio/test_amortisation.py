"""Level payments against schedules, month by month."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.portfolio.amortisation import annuity, growth, owed_share


def one(value: float, kind: type = float) -> np.ndarray:
    return np.array([value], dtype=kind)


@given(st.floats(0, 0.05), st.integers(0, 1200))
def test_growth_is_the_product(monthly: float, months: int) -> None:
    expected = 1.0
    for _ in range(months):
        expected *= 1 + monthly
    assert growth(one(monthly), one(months, int))[0] == pytest.approx(expected, rel=1e-12)


@given(st.just(0.0) | st.floats(1e-12, 0.05), st.integers(1, 480), st.data())
def test_payments_leave_what_is_owed(monthly: float, term: int, data: st.DataObject) -> None:
    """Against the schedule in 80 digits, as errors grow with the interest in one of floats."""
    paid = data.draw(st.integers(0, term))
    with localcontext(prec=80):
        rate, owed = Decimal(monthly), Decimal(1)
        grown = (1 + rate) ** term
        payment = rate * grown / (grown - 1) if rate else Decimal(1) / term
        for _ in range(paid):
            owed = owed * (1 + rate) - payment
    assert annuity(one(monthly), one(term, int))[0] == pytest.approx(float(payment), rel=1e-12)
    if monthly * term > 1e-9 or not monthly:  # below, the growth over a whole life has no digits
        assert owed_share(one(monthly), one(term, int), one(paid, int))[0] == pytest.approx(float(owed), abs=1e-6)


def test_a_loan_is_owed_in_full_at_first_and_not_at_all_at_last() -> None:
    rates, terms = np.array([0.0, 0.01]), np.array([12, 12])
    assert owed_share(rates, terms, np.array([0, 0])).tolist() == [1, 1]
    assert owed_share(rates, terms, terms).tolist() == [0, 0]
