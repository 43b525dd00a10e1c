"""The index, against fractions and by hand."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.model.concentration import between, herfindahl


def test_equal_obligors_count_in_full() -> None:
    loans = 250
    assert herfindahl(loans * 700**2, loans * 700) == pytest.approx(1 / loans, rel=1e-15)


def test_index_by_hand() -> None:
    """Shares of 50, 30 and 20 %: 0.25 + 0.09 + 0.04."""
    assert between([500, 300, 200]) == pytest.approx(0.38, rel=1e-15)


@given(st.lists(st.integers(0, 10**18), min_size=1))
def test_index_is_the_fraction_correctly_rounded(exposures: list[int]) -> None:
    total = sum(exposures)
    expected = float(Fraction(sum(x * x for x in exposures), total * total)) if total else 0.0
    assert between(exposures) == expected


def test_nothing_owed_is_not_concentrated() -> None:
    assert between([]) == between([0, 0]) == 0.0
