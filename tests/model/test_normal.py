"""The normal distribution in integers, against the standard library's."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.model import normal

PHI = normal.table()


@pytest.mark.parametrize("pd", [1e-6, 1e-5, 1e-4, 0.0003, 0.01, 0.25, 0.5, 0.9, 0.9999])
def test_inverse_agrees_with_the_standard_library(pd: float) -> None:
    found = normal.inverse(PHI, np.array([pd]))[0] / normal.ONE
    assert found == pytest.approx(NormalDist().inv_cdf(pd), abs=2e-5)


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_threshold_never_falls(a: float, b: float) -> None:
    low, high = normal.threshold(PHI, normal.to_fixed(sorted([a, b])).astype(np.int32)).tolist()
    assert low <= high


@given(st.floats(-6, 6))
def test_threshold_is_the_distribution_function(x: float) -> None:
    found = int(normal.threshold(PHI, normal.to_fixed([x]).astype(np.int32))[0]) / 2**32
    assert found == pytest.approx(NormalDist().cdf(x), abs=2e-8)


@given(st.floats(1e-7, 1 - 1e-7))
def test_inverse_and_threshold_undo_each_other(pd: float) -> None:
    x = normal.inverse(PHI, np.array([pd])).astype(np.int32)
    assert int(normal.threshold(PHI, x)[0]) / 2**32 == pytest.approx(pd, abs=5e-8)


def test_cdf_keeps_its_precision_in_the_far_tail() -> None:
    assert normal.cdf(-8) == pytest.approx(6.22096057427178e-16, rel=1e-12)


@given(st.lists(st.tuples(st.floats(2.0**-32, 1 - 2.0**-32), st.integers(-(2**31), 2**31)), min_size=1, max_size=50))
def test_a_guess_changes_no_bit_of_the_inverse(pairs: list[tuple[float, int]]) -> None:
    p, near = np.array([p for p, _ in pairs]), np.array([near for _, near in pairs])
    found = normal.inverse(PHI, p)
    assert np.array_equal(normal.inverse(PHI, p, near), found)
    assert np.array_equal(normal.inverse(PHI, p, found), found)
