"""One more loan's VaR, ES and share are those of a sample that is sorted anew, to the bit."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from additive.margin import Floats, Tail, exact_sum
from montecarlo.model import contributions
from montecarlo.model.measures import LossSample, independent_error

LEVELS = (0.5, 0.9, 0.95, 0.99, 0.999)


def weights(kind: str, count: int, rng: np.random.Generator) -> Floats:
    """Equal ones, any, or those of scenarios aimed at the tail."""
    if kind == "equal":
        return np.full(count, 1 / count)
    if kind == "any":
        return np.asarray(rng.random(count) / count + 1e-12)
    return np.asarray(1 / (0.5 + 0.5 * np.exp(rng.normal(0, 3, count))) / count)


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    count=st.sampled_from([1, 2, 7, 100, 1_000]),
    kind=st.sampled_from(["equal", "any", "aimed"]),
    spread=st.sampled_from([2, 100, 10**9]),
    size=st.sampled_from([1, 50, 10**9]),
    often=st.sampled_from([0.0, 0.02, 0.2, 1.0]),
    level=st.sampled_from(LEVELS),
)
def test_figures_with_one_more_loan(
    seed: int, count: int, kind: str, spread: int, size: int, often: float, level: float
) -> None:
    rng = np.random.default_rng(seed)
    weight = weights(kind, count, rng)
    losses = rng.integers(0, spread, count)
    scenario = np.flatnonzero(rng.random(count) < often)
    loss = rng.integers(1, size + 1, scenario.size)
    both = losses.copy()
    both[scenario] += loss

    found, share = Tail(losses, weight, level).with_loan(scenario, loss)

    sample = LossSample(both, weight, independent_error)
    assert found.var == sample.quantile(level)
    assert found.es == sample._es(level).value
    part = both - losses
    tail = contributions._tail(sample, level, found.var)
    assert share == contributions._in_tail(sample, part, tail, sample.var(level), level).value


def test_most_loans_need_no_sorting() -> None:
    rng = np.random.default_rng(1)
    count = 10_000
    for kind in ("equal", "aimed"):
        tail = Tail(rng.integers(10**9, 3 * 10**10, count), weights(kind, count, rng), 0.999)
        tail._anew = None  # type: ignore[assignment, method-assign]
        for _ in range(50):
            scenario = np.flatnonzero(rng.random(count) < 0.05)
            tail.with_loan(scenario, np.full(scenario.size, 2_000_000))


@given(st.lists(st.floats(min_value=0, max_value=1e30, allow_subnormal=False), max_size=200))
def test_sum_is_rounded_once(terms: list[float]) -> None:
    assert exact_sum(np.array(terms)) == math.fsum(terms)
