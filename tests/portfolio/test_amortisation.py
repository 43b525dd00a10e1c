"""Level payments and other schedules, payment by payment."""

from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.portfolio.amortisation import Schedule, annuity, growth, owed_share, root


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


def schedule(**columns: Any) -> Schedule:
    """One loan's: 1 % a month over 24 months, but for `columns`."""
    usual: dict[str, Any] = {"monthly": 0.01, "term": 24, "bullet": False, "linear": False, "balloon": 0.0}
    usual |= {"interest_only": 0, "period": 1}
    return Schedule(**{name: np.array([value]) for name, value in (usual | columns).items()})


@given(
    st.sampled_from(("annuity", "linear", "bullet")), st.just(0.0) | st.floats(1e-4, 0.05), st.integers(1, 120),
    st.integers(0, 130), st.sampled_from([1, 3, 6, 12]), st.floats(0, 1), st.integers(0, 130),
)  # fmt: skip
def test_a_schedule_is_what_its_payments_leave(
    kind: str, monthly: float, term: int, free: int, period: int, balloon: float, age: int
) -> None:
    """Payment by payment: interest for the period first, the rest repays, and what is left is due at the end."""
    one_loan = schedule(monthly=monthly, term=term, bullet=kind == "bullet", linear=kind == "linear",
                        balloon=balloon, interest_only=free, period=period)  # fmt: skip
    rate, payments = monthly * period, -(-term // period)
    frozen = min(free // period, payments)
    kept = 1.0 if kind == "bullet" or frozen == payments else balloon
    left = payments - frozen
    if kept == 1:
        level = rate
    elif kind == "annuity":
        level = (1 - kept) * (rate / (1 - (1 + rate) ** -left) if rate else 1 / left) + kept * rate
    owed, flows = [1.0], []
    for number in range(payments):
        interest = owed[-1] * rate
        repaid = (1 - kept) / left if kind == "linear" and kept < 1 else level - interest
        repaid = 0.0 if number < frozen or kept == 1 else repaid
        repaid = owed[-1] if number == payments - 1 else repaid
        flows.append((min((number + 1) * period, term), interest + repaid))
        owed.append(owed[-1] - repaid)
    expected = owed[age // period] if age < term else 0.0
    assert one_loan.owed(np.array([age]))[0] == pytest.approx(expected, rel=1e-7, abs=1e-7)
    if age < term:
        to_come = [(month - age, flow) for month, flow in flows if month > age]
        mean = sum(month * flow for month, flow in to_come) / sum(flow for _, flow in to_come)
        assert one_loan.mean_months(np.array([age]))[0] == pytest.approx(mean, rel=1e-6, abs=1e-6)
        if age // period < payments - 1:
            asked = one_loan.instalment(np.array([age]))[0] * expected * period
            assert asked == pytest.approx(to_come[0][1], rel=1e-6, abs=1e-7)


@given(st.floats(0, 0.05), st.integers(1, 120), st.integers(0, 120), st.integers(0, 119))
def test_what_a_plain_schedule_owes_is_owed_to_the_bit(monthly: float, term: int, age: int, free: int) -> None:
    age = min(age, term)
    plain = owed_share(one(monthly), one(term, int), one(age, int))[0]
    assert schedule(monthly=monthly, term=term).owed(one(age, int))[0] == plain


@given(st.booleans(), st.floats(0, 0.05), st.floats(0, 0.01), st.integers(0, 30), st.integers(0, 30), st.floats(0, 1))
def test_a_higher_rate_asks_no_less(
    linear: bool, monthly: float, rise: float, age: int, free: int, balloon: float
) -> None:
    loan = schedule(monthly=monthly, linear=linear, interest_only=free, balloon=balloon)
    assert loan.instalment(one(age, int), rise)[0] >= loan.instalment(one(age, int))[0] * (1 - 1e-12)


@given(st.floats(0.1, 3), st.sampled_from([1, 3, 6, 12]))
def test_roots_are_roots(value: float, degree: int) -> None:
    assert root(one(value), one(degree, int))[0] == pytest.approx(value ** (1 / degree), rel=1e-12)
