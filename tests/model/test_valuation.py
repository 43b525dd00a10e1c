"""What the supervisor and the accounts ask of one loan, in numbers one can follow."""

import pytest

from montecarlo.model.credit import FRACTION_BITS, loan_risks
from montecarlo.model.parameters import load
from montecarlo.model.valuation import value
from tests.pools import BASE, STRESSED, loans, tables_of

PARAMETERS = load()
TABLES = tables_of(PARAMETERS, BASE, STRESSED)
UNIT = 100 << FRACTION_BITS
"""One unit of currency."""


def test_capital_and_provisions_of_one_loan() -> None:
    """A personal loan (other retail) with PD 1 % and LGD 45 %: Basel's Annex 5 prints a risk weight of 45.77 %."""
    some = loans(pd=0.01, lgd=0.45, ead=1_000_000.0, term=0, age=0)
    risks = loan_risks(some, PARAMETERS, (BASE, STRESSED), TABLES)
    found = value(some, risks, TABLES)
    assert found.capital[0, 0] / UNIT * 12.5 / 1e6 == pytest.approx(0.4577, abs=1e-4)
    assert found.capital[1, 0] > found.capital[0, 0]
    assert not found.has_lifetime.any(), "no term is known"
    # half a year at 12 %: 4,500 / 1.01**6
    assert found.twelve_month[0, 0] / UNIT == pytest.approx(4_500 / 1.01**6, rel=1e-4)
    certain = loans(pd=1.0, lgd=0.45, ead=1_000_000.0)
    assert value(certain, loan_risks(certain, PARAMETERS, (BASE, STRESSED), TABLES), TABLES).capital.sum() == 0
