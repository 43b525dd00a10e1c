"""Contributions: they add up, they merge, and in numbers one can follow. Their errors: tests/verification."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.model.contributions import Contributions, contributions
from montecarlo.model.measures import ES_LEVELS, Estimate
from tests.model.test_measures import WEIGHED, sample, weighed


def values(estimates: list[Estimate]) -> list[float]:
    return [estimate.value for estimate in estimates]


def split(data: st.DataObject, losses: np.ndarray) -> np.ndarray:
    """Three parts that add up to the losses."""
    first = np.array([data.draw(st.integers(0, loss)) for loss in losses.tolist()])
    second = np.array([data.draw(st.integers(0, loss)) for loss in (losses - first).tolist()])
    return np.array([first, second, losses - first - second])


@given(WEIGHED, st.data(), st.sampled_from(ES_LEVELS))
def test_they_add_up_and_merge(pairs: list[tuple[int, int]], data: st.DataObject, level: float) -> None:
    losses, weights = weighed(pairs)
    parts = split(data, losses)
    of = sample(losses, weights)
    found = contributions(of, parts, level / 100)
    assert sum(values(found.es)) == pytest.approx(of.measures().es[level].value, rel=1e-12, abs=1e-12)
    assert sum(values(found.var)) == pytest.approx(of.quantile(level / 100), rel=1e-12, abs=1e-12)
    merged = contributions(of, np.array([parts[0] + parts[1], parts[2]]), level / 100)
    for some, one in ((found.es, merged.es), (found.var, merged.var)):
        expected = [some[0].value + some[1].value, some[2].value]
        assert values(one) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(WEIGHED, st.sampled_from([95.0, 99.0]))
def test_the_whole_portfolio_contributes_all_with_the_errors_of_all(pairs: list[tuple[int, int]], level: float) -> None:
    losses, weights = weighed(pairs)
    of = sample(losses, weights)
    found = contributions(of, losses[None], level / 100)
    var, es = found.var[0], found.es[0]
    assert var.value == pytest.approx(of.var(level / 100).value)
    assert es.value == pytest.approx(of.measures(further=[level]).es[level].value)
    for one, all_of_it in ((var, of.var(level / 100)), (es, of.measures(further=[level]).es[level])):
        expected = all_of_it.standard_error
        assert math.isnan(one.standard_error) == math.isnan(expected)
        if not math.isnan(expected):
            assert one.standard_error == pytest.approx(expected, rel=1e-6, abs=1e-9)


def of_three(level: float) -> Contributions:
    losses = np.array([0] * 97 + [10, 10, 10])
    return contributions(sample(losses), np.array([[0] * 97 + [10, 4, 1], [0] * 97 + [0, 6, 9]]), level)


def test_scenarios_at_var_contribute_the_share_that_fills_the_tail() -> None:
    """VaR is 10, and a third of each of the three makes 1 %."""
    assert values(of_three(0.99).es) == pytest.approx([5, 5])
    assert values(of_three(0.99).var) == pytest.approx([5, 5])


def test_the_scenarios_around_var_are_a_quarter_of_the_tail_to_each_side() -> None:
    """Of 1,000 losses 1 .. 1,000, VaR 90 % is 900: those from 875 to 925. The first part loses 100 in each of them."""
    losses = np.arange(1, 1001)
    first = np.where((losses >= 875) & (losses <= 925), 100, 0)
    found = contributions(sample(losses), np.array([first, losses - first]), 0.9)
    assert found.var[0].value == pytest.approx(100 * 900 / losses[874:925].mean())


def test_a_part_that_is_constant_has_next_to_no_error() -> None:
    """It is its loss whatever the tail; only VaR's own error, in proportion, is in its share of VaR."""
    losses = np.random.default_rng(1).integers(1_000, 5_000, 10_000)
    part = np.full(losses.size, 500)
    found = contributions(sample(losses), np.array([part, losses - part]), 0.99)
    assert found.es[0].value == pytest.approx(500)
    assert found.es[0].standard_error < 0.1


def test_nothing_lost_is_nothing_contributed() -> None:
    found = contributions(sample(np.zeros(100)), np.zeros((2, 100), dtype=np.int64), 0.99)
    assert values(found.var) == values(found.es) == [0, 0]
