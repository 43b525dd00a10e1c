"""Expected credit losses against examples worked by hand, the definition written out, and their properties."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from montecarlo.model.provisions import expected_credit_losses


def of(pd: float, loss: float, rate: float, months: int) -> tuple[float, float]:
    """One loan's expected losses over twelve months and over its life."""
    both = expected_credit_losses(np.array([[pd]]), np.array([[pd * loss]]), np.array([rate]), np.array([months]))
    return float(both.twelve_month[0, 0]), float(both.lifetime[0, 0])


def by_definition(pd: float, loss: float, rate: float, months: int) -> tuple[float, float]:
    """The sum of the module's docstring, for a loan with payments to come that is not in default."""
    r = rate / 1200
    terms = []
    for year in range(-(-months // 12)):
        in_year = min(12, months - 12 * year)
        middle = 12 * year + in_year / 2
        owed = ((1 + r) ** months - (1 + r) ** middle) / ((1 + r) ** months - 1) if r else 1 - middle / months
        terms.append(pd * in_year / 12 * (1 - pd) ** year * loss * owed / (1 + r) ** middle)
    return terms[0], sum(terms)


def test_three_years_without_interest() -> None:
    """900 to lose today, repaid evenly over 36 months, PD 10 %.

    Year 1: 10.0 % default, at 5/6 of 900: 75.00.  Year 2: 9.0 %, at 1/2: 40.50.  Year 3: 8.1 %, at 1/6: 12.15.
    """
    assert of(0.10, 900, 0, 36) == pytest.approx((75.00, 75.00 + 40.50 + 12.15))


def test_three_years_at_one_percent_a_month() -> None:
    """100,000 owed over 36 months, LGD 60 %, PD 2 %. The payment is 100,000 * 0.01 / (1 - 1.01**-36) = 3,321.43.

    payments made   owed        lost at 60 %   today (/ 1.01**m)   defaults   expected loss
          6         85,718.52     51,431.11          48,450.43     2.0000 %          969.01
         18         54,465.72     32,679.43          27,320.57     1.9600 %          535.48
         30         19,249.28     11,549.57           8,568.89     1.9208 %          164.59
    """
    payment = 100_000 * 0.01 / (1 - 1.01**-36)
    assert payment == pytest.approx(3_321.43, abs=0.005)
    owed = [100_000.0]
    for _ in range(36):
        owed.append(owed[-1] * 1.01 - payment)
    assert [owed[6], owed[18], owed[30]] == pytest.approx([85_718.52, 54_465.72, 19_249.28], abs=0.005)
    assert of(0.02, 60_000, 12, 36) == pytest.approx((969.01, 969.01 + 535.48 + 164.59), abs=0.01)


def test_last_year_in_part() -> None:
    """1,800 to lose, repaid evenly over 18 months, PD 10 %.

    Year 1: 10 % default, on 12/18 of 1,800 after 6 payments: 120.  The last half year: 5 % of the 90 % alive, on 3/18
    of it after 15 payments: 13.50.
    """
    assert of(0.10, 1800, 0, 18) == pytest.approx((120.00, 133.50))


def test_less_than_a_year() -> None:
    """Half a year left: half the PD, on half the balance. Both losses are the same then."""
    assert of(0.10, 1000, 0, 6) == pytest.approx((25.00, 25.00))


def test_without_payments_to_come_all_is_owed_for_a_year() -> None:
    """1,000 on a credit card at 24 %: discounted over six months at 2 % each."""
    assert of(0.10, 1000, 24, 0) == pytest.approx((100 / 1.02**6, 100 / 1.02**6))


def test_a_rate_that_is_not_known_discounts_nothing() -> None:
    assert of(0.10, 1000, float("nan"), 0) == pytest.approx((100, 100))


@pytest.mark.parametrize("months", [0, 1, 12, 13, 360])
def test_loans_in_default_are_provided_for_in_full(months: int) -> None:
    assert of(1.0, 1234.0, 9.0, months) == (1234.0, 1234.0)


@pytest.mark.parametrize("months", [0, 1, 12, 13, 360])
def test_no_default_no_loss(months: int) -> None:
    assert of(0.0, 1234.0, 9.0, months) == (0.0, 0.0)


def test_the_bits_are_the_same_on_every_cpu() -> None:
    assert [loss.hex() for loss in of(0.013, 123456, 7.3, 101)] == ["0x1.71edaf99b7586p+10", "0x1.7079151a93f6ap+12"]


def test_no_loans() -> None:
    none = np.array([])
    both = expected_credit_losses(none[None], none[None], none, none.astype(np.int64))
    assert both.twelve_month.size == both.lifetime.size == 0


PDS = st.floats(0, 0.9999)
RATES = st.just(0.0) | st.floats(0.01, 100)
MONTHS = st.integers(1, 480)


@given(PDS, RATES, MONTHS)
def test_the_definition(pd: float, rate: float, months: int) -> None:
    assert of(pd, 1000, rate, months) == pytest.approx(by_definition(pd, 1000, rate, months), rel=1e-8, abs=1e-12)


@given(st.floats(1e-3, 0.5), st.floats(0, 1e-3), MONTHS)
def test_little_interest_is_nearly_none(pd: float, rate: float, months: int) -> None:
    """Neither the switch to the formula without interest nor cancellation before it can be seen in a cent of 1,000."""
    assert of(pd, 1000, rate, months) == pytest.approx(of(pd, 1000, 0, months), rel=months * rate / 1200 + 2e-6)


@given(st.lists(st.tuples(PDS, RATES, st.integers(0, 480)), min_size=2, max_size=30))
def test_a_loan_has_the_same_bits_in_any_company_and_case(loans: list[tuple[float, float, int]]) -> None:
    pd, rate, months = (np.array(column) for column in zip(*loans, strict=True))
    together = expected_credit_losses(np.array([pd, pd]), np.array([pd * 1000, pd * 500]), rate, months)
    alone = [of(*(loan[0], 1000, *loan[1:])) for loan in loans]
    assert list(zip(together.twelve_month[0].tolist(), together.lifetime[0].tolist(), strict=True)) == alone
    assert together.lifetime[1] == pytest.approx(together.lifetime[0] / 2, rel=1e-15, abs=1e-300)


@given(PDS, RATES, st.integers(0, 480))
def test_lifetime_is_never_below_twelve_months(pd: float, rate: float, months: int) -> None:
    twelve_month, lifetime = of(pd, 1000, rate, months)
    assert 0 <= twelve_month <= lifetime <= 1000
    if months <= 12:
        assert lifetime == twelve_month
    elif 1e-6 < pd < 0.99:
        assert lifetime > twelve_month


@given(PDS, PDS, RATES, st.integers(0, 480))
def test_more_defaults_more_loss(one: float, other: float, rate: float, months: int) -> None:
    low, high = of(min(one, other), 1000, rate, months), of(max(one, other), 1000, rate, months)
    assert low[0] <= high[0] * (1 + 1e-12)
    assert low[1] <= high[1] * (1 + 1e-12)


@given(PDS, st.integers(0, 10**14), st.integers(0, 10**14), RATES, st.integers(0, 480))
def test_loss_given_default_scales(pd: float, one: int, other: int, rate: float, months: int) -> None:
    assume(one <= other)
    low, high = of(pd, one, rate, months), of(pd, other, rate, months)
    assert low[0] <= high[0]
    assert low[1] <= high[1]


@given(PDS, RATES, MONTHS)
def test_a_longer_loan_loses_more(pd: float, rate: float, months: int) -> None:
    shorter, longer = of(pd, 1000, rate, months), of(pd, 1000, rate, months + 1)
    assert shorter[0] <= longer[0] * (1 + 1e-9)
    assert shorter[1] <= longer[1] * (1 + 1e-9)
