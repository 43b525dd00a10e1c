"""Sums of squares beyond 64 bits, and the index made of them."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.model.concentration import between, exact, herfindahl, squares

PARTS = 3
LOANS = st.lists(st.tuples(st.integers(0, 2**60), st.integers(0, PARTS - 1)), max_size=50)


def squares_of(loans: list[tuple[int, int]]) -> np.ndarray:
    exposure, part = np.array(loans, dtype=np.int64).reshape(-1, 2).T
    return squares(exposure, part, PARTS)


@given(LOANS)
def test_squares_are_exact(loans: list[tuple[int, int]]) -> None:
    expected = [sum(exposure**2 for exposure, part in loans if part == p) for p in range(PARTS)]
    assert exact(squares_of(loans)) == expected


@given(LOANS, LOANS)
def test_chunks_add_up_to_the_whole(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    assert exact(squares_of(one) + squares_of(other)) == exact(squares_of(one + other))


def test_the_largest_loans_of_a_large_chunk_do_not_overflow() -> None:
    """A million loans of 1e14 cents, the largest amount that a portfolio may hold."""
    exposure = np.full(1_000_000, 10**14)
    assert exact(squares(exposure, np.zeros(exposure.size, dtype=np.int64), 1)) == [10**6 * 10**28]


def test_words_leave_room_for_adding() -> None:
    """Every chunk's words stay below 2**32 but for the highest, so that 2**31 chunks fit int64."""
    words = squares_of([(2**60, 0)] * 50)
    assert words[:, :2].max() < 2**32
    assert words.dtype == np.int64


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
