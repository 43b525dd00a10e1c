"""PDs by year of a migration matrix are those that the powers of the matrix give."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.model.migration import pds_by_year

CELLS = st.sampled_from([0.0, 0.0, 1e-6, 0.01, 0.3, 1.0])


@settings(max_examples=60)
@given(st.integers(1, 6).flatmap(lambda size: st.lists(st.lists(CELLS, min_size=size + 1, max_size=size + 1).filter(sum), min_size=size, max_size=size)))  # fmt: skip  # noqa: E501
def test_they_are_those_of_the_powers_of_the_matrix(cells: list[list[float]]) -> None:
    """As long as some are alive; and no more than 1 ever."""
    size, years = len(cells), 12
    full = np.array([*cells, [*[0.0] * size, 1.0]])
    full /= full.sum(axis=1, keepdims=True)
    found = np.array(pds_by_year(cells, years))
    assert found.shape == (size, years)
    assert ((found >= 0) & (found <= 1)).all()
    alive = np.ones(size)
    for year in range(years):
        now = np.linalg.matrix_power(full, year + 1)[:size, :size].sum(axis=1)
        told = alive > 1e-6
        assert found[told, year] == pytest.approx(1 - now[told] / alive[told], abs=1e-9)
        alive = now


def test_they_are_sums_in_a_fixed_order_to_the_bit() -> None:
    """As plain Python adds one after the other, so that no library's order of sums is in them."""
    rows = [[0.90, 0.07, 0.02, 0.01], [0.05, 0.85, 0.07, 0.03], [0.001, 0.09, 0.709, 0.2]]
    rows = [[each / math.fsum(row) for each in row] for row in rows]

    def reaches(shares: list[float], place: int) -> float:
        a, b, c = (share * row[place] for share, row in zip(shares, rows, strict=True))
        return a + b + c

    for grade, found in enumerate(pds_by_year(rows, 40)):
        shares = [float(grade == other) for other in range(3)]
        for pd in found:
            assert pd == reaches(shares, 3)
            moved = [reaches(shares, place) for place in range(3)]
            shares = [each / (moved[0] + moved[1] + moved[2]) for each in moved]


def test_a_grade_that_nobody_leaves_alive_has_a_pd_of_one() -> None:
    assert pds_by_year([[0.0, 1.0]], 3) == [(1.0, 1.0, 1.0)]
    assert pds_by_year([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], 3) == [(0.0, 1.0, 1.0), (1.0, 1.0, 1.0)]


def test_a_row_is_divided_by_its_sum() -> None:
    assert pds_by_year([[0.98, 0.02]], 2) == [(0.02, 0.02)]
    assert pds_by_year([[0.49, 0.01]], 2) == [(0.02, 0.02)]
