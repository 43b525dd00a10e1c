"""Expected credit losses against examples worked by hand, the definition written out, and their properties."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from montecarlo.model.provisions import TermStructure, expected_credit_losses, monthly_credit_losses
from montecarlo.portfolio.amortisation import Schedule


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


def monthly(loans: list[dict[str, float]]) -> tuple[list[float], list[float]]:
    """The losses of some loans by months: over twelve and over their life. Each loses 1,000 if it defaults today."""

    def column(name: str, otherwise: float, kind: Any = float) -> Any:
        return np.array([loan.get(name, otherwise) for loan in loans], kind)

    schedule = Schedule(
        column("rate", 0) / 1200, column("term", 0, np.int64), column("bullet", 0, bool), column("linear", 0, bool),
        column("balloon", 0), column("free", 0, np.int64), column("period", 1, np.int64),
    )  # fmt: skip
    pd = column("pd", 0)
    table = np.array([np.ones(len(loans)), column("second", 1), column("third", 1)])
    structure = TermStructure(table, np.arange(len(loans)), np.ones(len(loans)))
    found = monthly_credit_losses(
        pd[None], pd[None] * 1000, schedule, column("age", 0, np.int64), column("effective", np.nan),
        column("early", 0), structure,
    )  # fmt: skip
    return found.twelve_month[0].tolist(), found.lifetime[0].tolist()


def test_two_months_by_hand() -> None:
    """PD 75 % a year, of which 1 - 0.25^(1/12) = 10.9101 % default in a month. 1,000 to lose at 12 % over two months;
    the payment of 507.51 leaves 502.49 after the first. Month 1: 109.101 / 1.01 = 108.021. Month 2: 89.0899 % of
    10.9101 % of 502.488 / 1.0201 = 47.878.
    """
    twelve_month, lifetime = monthly([{"pd": 0.75, "rate": 12, "term": 2}])
    assert twelve_month == lifetime == pytest.approx([108.021 + 47.878], abs=0.002)


MONTHLY = st.fixed_dictionaries(
    {
        "pd": st.sampled_from([0.0, 1e-9, 0.003, 0.4, 1 - 2.0**-32]),
        "rate": st.sampled_from([0.0, 1e-9, 4.5, 100.0]),
        "term": st.integers(0, 130),
        "age": st.integers(0, 140),
        "linear": st.booleans(),
        "bullet": st.booleans(),
        "free": st.integers(0, 40),
        "balloon": st.sampled_from([0.0, 0.4, 1.0]),
        "period": st.sampled_from([1, 3, 6, 12]),
        "effective": st.sampled_from([float("nan"), 0.0, 200.0]),
        "early": st.sampled_from([0.0, 0.1, 0.9]),
        "second": st.sampled_from([0.0, 1.0, 3.0, 100.0]),
        "third": st.sampled_from([0.0, 1.0, 100.0]),
    }
)


@settings(max_examples=30)
@given(st.lists(MONTHLY, min_size=1, max_size=8))
def test_by_months_a_loan_has_the_same_bits_in_any_company(loans: list[dict[str, float]]) -> None:
    together = monthly(loans)
    for place, loan in enumerate(loans):
        assert ([together[0][place]], [together[1][place]]) == monthly([loan])
        twelve_month, lifetime = together[0][place], together[1][place]
        assert 0 <= twelve_month <= lifetime <= 1000 * (1 + 1e-9)
        if loan["term"] - loan["age"] <= 12:
            assert twelve_month == lifetime


def test_a_years_defaults_are_its_pd() -> None:
    """Where nothing is repaid or discounted: a PD of 1,000, and with PDs of 10, 30 and 100 % all of it in the end."""
    loan = {"pd": 0.1, "term": 36, "bullet": True, "second": 3.0, "third": 10.0}
    twelve_month, lifetime = monthly([loan, {"pd": 0.1}, {"pd": 0.1, "term": 3, "bullet": True}])
    assert twelve_month == pytest.approx([100, 100, 1000 * (1 - 0.9**0.25)], rel=1e-12)
    assert lifetime[0] == pytest.approx(1000, rel=1e-12)


def test_by_months_the_bits_are_the_same_on_every_cpu() -> None:
    (twelve_month,), (lifetime,) = monthly(
        [{"pd": 0.013, "rate": 7.3, "term": 101, "age": 5, "early": 0.1, "second": 1.5}]
    )
    assert [twelve_month.hex(), lifetime.hex()] == ["0x1.6db85768f99d9p+3", "0x1.42369d1ab8700p+5"]


def test_by_months_no_loans() -> None:
    assert monthly([]) == ([], [])
