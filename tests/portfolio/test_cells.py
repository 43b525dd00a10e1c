"""Cells of any type become the portfolio's own, exactly."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.portfolio.cells import numbers


@given(st.lists(st.text(st.sampled_from("0123456789+-.eEnaifxX _,٣"), max_size=6), min_size=1, max_size=8))
def test_whether_a_number_is_valid_does_not_depend_on_its_neighbours(cells: list[str]) -> None:
    together = numbers(pa.array(cells))
    apart = np.array([numbers(pa.array([cell]))[0] for cell in cells])
    assert np.array_equal(together[np.isfinite(together)], apart[np.isfinite(apart)])
    assert np.array_equal(np.isfinite(together), np.isfinite(apart))


@given(st.floats(min_value=0, max_value=1e12))
def test_numbers_are_correctly_rounded(value: float) -> None:
    assert numbers(pa.array([repr(value), "bad"]))[0] == value
    assert numbers(pa.array([f"{value:.2f}"]))[0] == float(f"{value:.2f}")
