"""From columns to thresholds: amortisation, the rate shock, the scorecard, in numbers one can follow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidPortfolio
from montecarlo.model import credit, normal
from montecarlo.model.parameters import load
from montecarlo.model.tables import model_tables, pd_of_bands
from tests.pools import BASE, STRESSED, loans

PARAMETERS = load()
TABLES = model_tables(PARAMETERS, (BASE, STRESSED))


def test_balance_by_amortisation() -> None:
    """10,000 at 1 % a month is repaid by 12 times 888.49; 10,000 * 1.01**3 - 888.49 * 3.0301 = 7,610.80."""
    assert loans().owed()[0] == pytest.approx(7_610.80, abs=0.02)
    assert loans(rate=0.0).owed()[0] == pytest.approx(7_500)
    assert loans(age=0).owed()[0] == 10_000
    assert loans(age=40).owed()[0] == 0
    assert loans(balance=123.45).owed()[0] == 123.45


def test_a_floating_payment_follows_the_rate_and_a_fixed_one_does_not() -> None:
    """The annuity on 7,610.80 over 9 months is 888.49 at 12 % and 904.98 at 16.37 % (nine payments discounted)."""
    rate = 16.37 / 1200
    expected = 7_610.80 * rate / (1 - (1 + rate) ** -9)
    assert credit.shocked_payment(loans(), np.array([4.37]))[0] == pytest.approx(expected, rel=1e-4)
    assert credit.shocked_payment(loans(), np.array([0.0]))[0] == 888.49


@given(st.floats(0, 40), st.integers(1, 400), st.integers(0, 400), st.floats(0, 20), st.floats(0, 20))
def test_a_higher_rise_never_lowers_a_payment(rate: float, term: int, age: int, rise: float, more: float) -> None:
    some = loans(rate=rate, term=term, age=age)
    low, high = (credit.shocked_payment(some, np.array([r]))[0] for r in (rise, rise + more))
    assert 888.49 <= low <= high * (1 + 1e-12)


def test_the_score_is_the_sum_that_the_document_gives() -> None:
    card = PARAMETERS.scorecard
    found = credit.score(loans(), np.array([1_000.0]), card)[0]
    expected = 1.8 * 12_000 / 60_000 + 0.09 * (12 - 8) + 0.03 * (12 - 60) / 12 - 0.08 * 3 / 12 + 0
    assert found == pytest.approx(expected)


def test_doublings_is_exact_at_powers_of_two_and_never_falls() -> None:
    assert credit.doublings(np.array([0.25, 0.5, 1.0, 2.0, 1024.0])).tolist() == [-2, -1, 0, 1, 10]
    grid = np.linspace(0.01, 50, 10_000)
    assert (np.diff(credit.doublings(grid)) > 0).all()
    gap = np.log2(grid) - credit.doublings(grid)
    assert gap.min() >= 0
    assert gap.max() < 0.0861


def test_bands_keep_the_mean_pd() -> None:
    """Scores spread evenly over a band have exactly the band's PD on average."""
    logits = np.linspace(-8, 2, 100_001)[:-1]
    by_band = pd_of_bands()[credit.band(logits)]
    assert by_band.mean() == pytest.approx((1 / (1 + np.exp(-logits))).mean(), rel=1e-4)
    assert (np.diff(pd_of_bands()) > 0).all()


def test_own_pd_lgd_and_ead_count_before_the_model() -> None:
    risks = credit.loan_risks(loans(pd=0.0123, lgd=0.37, ead=5_000.0), PARAMETERS, (BASE, STRESSED), TABLES)
    assert risks.pd[0, 0] / 2**32 == pytest.approx(0.0123, rel=1e-6)
    assert risks.exposure[0] == 500_000
    assert risks.loss[0] == 185_000
    shift = PARAMETERS.segments["personal"].rate_sensitivity * (8 - 3.63)
    probit = normal.inverse(TABLES.phi, np.array([0.0123]))[0] / normal.ONE + shift
    assert risks.pd[1, 0] / 2**32 == pytest.approx(normal.cdf(probit), rel=1e-5)


def test_certain_and_impossible_defaults_are_told_apart() -> None:
    assert credit.loan_risks(loans(pd=1.0), PARAMETERS, (BASE, STRESSED), TABLES).certain.all()
    assert credit.loan_risks(loans(pd=0.0), PARAMETERS, (BASE, STRESSED), TABLES).impossible.all()


def test_expected_loss_is_pd_times_loss() -> None:
    risks = credit.loan_risks(loans(count=3, pd=0.02, ead=1e9), PARAMETERS, (BASE, STRESSED), TABLES)
    assert risks.expected_loss()[0] / 2**16 == pytest.approx(np.full(3, 0.02 * 0.65 * 1e11), rel=1e-6)


def test_amounts_in_the_wrong_unit_are_noticed() -> None:
    with pytest.raises(InvalidPortfolio, match=r"owe 50,000,000,000,000,000 in all.*a larger unit.*\"scale\": 0\.001"):
        credit.loan_risks(loans(count=50_000, pd=0.02, ead=1e12), PARAMETERS, (BASE, STRESSED), TABLES)
