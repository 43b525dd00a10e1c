"""Risk measures, their errors and intervals: by definition, by brute force, and in closed form."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.model.measures import (
    UNSEEN,
    VAR_LEVELS,
    Estimate,
    LossSample,
    Measures,
    independent_error,
    stratified_error,
)

LEVELS = st.sampled_from([0.5, 0.9, 0.95, 0.975, 0.99, 0.999])
WEIGHED = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 50)), min_size=1, max_size=60)
"""(loss, share) of each scenario: few different losses, so that many tie."""


def sample(losses: Any, weights: Any = None, relative_error: float = 0.0) -> LossSample:
    losses = np.asarray(losses, dtype=np.int64)
    weights = np.full(losses.size, 1 / losses.size) if weights is None else np.asarray(weights, dtype=np.float64)
    return LossSample(losses, weights, independent_error, relative_error)


def weighed(pairs: list[tuple[int, int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Losses and weights that add up to 1."""
    losses, shares = np.array(pairs).T
    return losses, shares / shares.sum()


def estimates(measures: Measures) -> list[Estimate]:
    by_level = (measures.var, measures.es, measures.economic_capital)
    return [measures.el, measures.ul, *(estimate for levels in by_level for estimate in levels.values())]


# ---------------------------------------------------------------------------------------------------------------------
# Quantiles


@given(WEIGHED, LEVELS)
def test_a_quantile_is_the_smallest_loss_whose_distribution_reaches_the_level(
    pairs: list[tuple[int, int]], level: float
) -> None:
    whole, exact = sum(share for _, share in pairs), Fraction(str(level))
    reached = [
        loss for loss, _ in pairs if Fraction(sum(share for other, share in pairs if other <= loss), whole) >= exact
    ]
    assert sample(*weighed(pairs)).quantile(level) == min(reached)


@pytest.mark.parametrize(
    ("level", "of_1000"), [(0.95, 950), (0.975, 975), (0.99, 990), (0.999, 999), (1.0, 1000), (0.0, 1), (0.9501, 951)]
)
def test_rounding_does_not_move_a_quantile(level: float, of_1000: int) -> None:
    assert sample(np.arange(1_000, 0, -1)).quantile(level) == of_1000


@given(WEIGHED, LEVELS)
def test_effective_size_is_kishs(pairs: list[tuple[int, int]], level: float) -> None:
    losses, weights = weighed(pairs)
    of = sample(losses, weights)
    tail = weights[losses >= of.quantile(level)]
    assert of.effective_size(level) == pytest.approx(tail.sum() ** 2 / (tail @ tail))
    assert 1 - 1e-9 <= of.effective_size(level) <= len(tail) + 1e-9


def test_equal_scenarios_are_all_effective() -> None:
    of = sample(range(1_000))
    assert of.effective_size() == pytest.approx(1_000)
    assert of.effective_size(0.99) == pytest.approx(11)  # ten beyond VaR, and VaR


# ---------------------------------------------------------------------------------------------------------------------
# Errors of a sum


def test_the_error_of_independent_terms_is_that_of_a_mean() -> None:
    """But for what is added for two unseen scenarios."""
    losses = np.random.default_rng(1).gamma(2, 100, 5_000)
    terms = (losses - losses.mean()) / losses.size
    plain = losses.std(ddof=1) / math.sqrt(losses.size)
    unseen = UNSEEN * (terms * terms).max() * losses.size / (losses.size - 1)
    assert independent_error(terms) == pytest.approx(math.sqrt(plain**2 + unseen))
    assert independent_error(terms) == pytest.approx(plain, rel=0.02)


def test_the_error_of_one_rare_term_counts_those_unseen() -> None:
    terms = np.zeros(10_000)
    terms[17] = 2.0
    assert independent_error(terms) == pytest.approx(2 * math.sqrt(1 + UNSEEN), rel=1e-4)
    assert stratified_error([5_000, 5_000])(terms) == pytest.approx(2 * math.sqrt(1 + UNSEEN))


@pytest.mark.parametrize(
    ("sizes", "terms", "squares"),
    [
        ([2], [1, 4], [9]),
        ([4], [1, 4, 2, 2], [9, 0]),
        ([2, 2], [1, 4, 5, 3], [9, 4]),
        ([3], [1, 2, 6], [1.5 * 4, 1.5 * 1, 1.5 * 9]),
        ([5], [0, 7, 1, 2, 6], [49, 1.5 * 4, 1.5 * 1, 1.5 * 9]),
        ([3, 4], [1, 2, 6, 0, 1, 5, 5], [1.5 * 4, 1.5 * 1, 1.5 * 9, 1, 0]),
        ([1, 1], [2, -3], [4, 9]),
        ([1, 2], [2, 1, 4], [4, 9]),
    ],
)
def test_the_error_of_strata_is_that_of_their_pairs(sizes: list[int], terms: list[float], squares: list[float]) -> None:
    expected = math.sqrt(sum(squares) + UNSEEN * max(squares))
    assert stratified_error(sizes)(np.array(terms, dtype=float)) == pytest.approx(expected)


def test_one_scenario_has_no_error() -> None:
    assert math.isnan(independent_error(np.array([0.0])))
    assert math.isnan(stratified_error([0, 1])(np.array([0.0])))


def test_alike_strata_have_the_error_of_independent_terms() -> None:
    terms = np.random.default_rng(2).normal(size=20_000) / 20_000
    assert stratified_error([10_000, 10_000])(terms) == pytest.approx(independent_error(terms), rel=0.03)


def test_strata_that_differ_err_on_the_safe_side() -> None:
    """The mean of one uniform from each of n equal intervals has the variance 1 / (12 n**3). Two neighbours, collapsed,
    differ by 1 / n besides, which makes it seven times as much.
    """
    size, runs = 1_000, 200
    uniforms = np.random.default_rng(3).random((runs, size))
    terms = ((np.arange(size) + uniforms) / size - 0.5) / size
    told = np.mean([stratified_error([size])(row) ** 2 for row in terms])
    true = 1 / (12 * size**3)
    assert terms.sum(axis=1).var() == pytest.approx(true, rel=4 * math.sqrt(2 / runs))
    assert told == pytest.approx(7 * true, rel=0.05)


# ---------------------------------------------------------------------------------------------------------------------
# Measures and their intervals


def test_measures_by_definition() -> None:
    losses = np.arange(1, 100_001)
    found = sample(losses).measures()
    assert found.el.value == pytest.approx(50_000.5)
    assert found.ul.value == pytest.approx(losses.std())
    assert {level: e.value for level, e in found.var.items()} == {95.0: 95_000, 99.0: 99_000, 99.9: 99_900}
    assert found.es[99.0].value == pytest.approx(99_500.5)
    assert found.economic_capital[99.9].value == pytest.approx(99_900 - 50_000.5)
    assert found.worst == 100_000
    assert found.el.standard_error == pytest.approx(losses.std() / math.sqrt(losses.size), rel=1e-3)
    # The delta method: UL's error is that of the variance, from the fourth moment, over 2 UL.
    fourth = ((losses - losses.mean()) ** 4.0).mean()
    delta = math.sqrt((fourth - losses.var() ** 2) / losses.size) / (2 * losses.std())
    assert found.ul.standard_error == pytest.approx(delta, rel=1e-3)


def test_the_interval_of_var_is_between_the_order_statistics_of_its_distribution() -> None:
    size = 100_000
    found = sample(range(1, size + 1)).measures().var[99.0]
    half = 1.96 * math.sqrt(0.99 * 0.01 * size)
    assert (found.value - found.low, found.high - found.value) == pytest.approx((half, half), abs=1)


def test_the_error_of_es_is_that_of_the_mean_excess() -> None:
    losses = np.random.default_rng(4).exponential(1e6, 200_000).astype(np.int64)
    found = sample(losses).measures().es[99.0]
    # Exponential excess X over VaR: (X with probability p) / p has the variance (2 / p - 1) E[X]**2.
    assert found.standard_error == pytest.approx(1e6 * math.sqrt((2 / 0.01 - 1) / losses.size), rel=0.1)
    assert found.value == pytest.approx(1e6 * (1 + math.log(100)), abs=4 * found.standard_error)


@pytest.mark.parametrize("scenarios", [1, 2, 3, 10, 99, 100, 1_000, 5_000, 20_000])
def test_a_tail_of_too_few_scenarios_has_no_error(scenarios: int) -> None:
    """Where more than one in 40 samples would hold no loss as large as VaR, none may claim to know where it ends."""
    measures = sample(np.random.default_rng(5).integers(0, 10**9, scenarios)).measures()
    for levels in (measures.var, measures.es, measures.economic_capital):
        for level, estimate in levels.items():
            missed = (level / 100) ** scenarios
            if missed > 0.025:
                assert math.isnan(estimate.standard_error)
                assert math.isnan(estimate.high)
            if missed < 0.001:
                assert estimate.standard_error > 0


@given(
    st.lists(st.integers(0, 10**12), min_size=1, max_size=300),
    st.integers(0, 2**32),
    st.booleans(),
    st.sampled_from([0.0, 0.1]),
)
def test_intervals_hold_their_estimates(losses: list[int], seed: int, stratified: bool, relative: float) -> None:
    size = len(losses)
    weights = np.random.default_rng(seed).uniform(0.1, 1.9, size) / size
    error = stratified_error([size // 2, size - size // 2]) if stratified else independent_error
    for estimate in estimates(LossSample(np.array(losses), weights, error, relative).measures()):
        if math.isnan(estimate.standard_error):
            assert math.isnan(estimate.low)
            assert math.isnan(estimate.high)
        else:
            assert estimate.low <= estimate.value <= estimate.high
            assert estimate.standard_error >= 0


@pytest.mark.parametrize("loss", [0, 123])
def test_losses_that_are_all_the_same_are_known(loss: int) -> None:
    for estimate in estimates(sample([loss] * 1_000).measures()):
        assert estimate.standard_error == 0
        assert estimate.low == estimate.value == estimate.high


def test_a_var_at_which_much_of_the_weight_lies_is_known() -> None:
    """One loan of PD 2 %: it loses 99.9 % VaR in 200 of 10,000 scenarios, and nothing beyond."""
    var = sample([0] * 9_800 + [100] * 200).measures().var
    assert [(e.low, e.value, e.high) for e in var.values()] == [(0, 0, 0), (100, 100, 100), (100, 100, 100)]


def test_a_var_at_the_edge_of_a_step_is_not() -> None:
    """As before, but a PD of about 5 %: whether 95 % VaR is nil, the sample cannot tell."""
    for lost in (495, 505):
        var = sample([0] * (10_000 - lost) + [100] * lost).measures().var[95.0]
        assert (var.low, var.high) == (0, 100)


def test_the_error_of_sampled_loans_widens_every_interval() -> None:
    losses = np.random.default_rng(6).integers(0, 10**9, 20_000)
    for narrow, wide in zip(
        estimates(sample(losses).measures()), estimates(sample(losses, None, 0.03).measures()), strict=True
    ):
        more = 0.03 * narrow.value
        assert wide.value == narrow.value
        assert wide.standard_error == pytest.approx(math.hypot(narrow.standard_error, more))
        assert wide.high - wide.value == pytest.approx(math.hypot(narrow.high - narrow.value, 1.96 * more), rel=1e-4)
        assert wide.value - wide.low == pytest.approx(math.hypot(narrow.value - narrow.low, 1.96 * more), rel=1e-4)


# ---------------------------------------------------------------------------------------------------------------------
# Thinning


def test_thinned_plain_scenarios_are_the_first() -> None:
    losses = np.arange(1_000)
    part = sample(losses).thinned(4, [])
    assert part.losses.tolist() == list(range(250))
    assert part.weights == pytest.approx(np.full(250, 1 / 250))
    assert part.error_of_sum is independent_error


@pytest.mark.parametrize("strata", [[500, 500], [500, 501], [512, 512]])
@pytest.mark.parametrize("factor", [2, 4, 8, 16])
def test_thinned_strata_are_one_of_each_group_of_neighbours(strata: list[int], factor: int) -> None:
    size = sum(strata)
    whole = LossSample(np.arange(size), np.full(size, 1 / size), stratified_error(strata))
    part = whole.thinned(factor, strata)
    groups = [run // factor for run in strata]
    first, second = part.losses[: groups[0]], part.losses[groups[0] :] - strata[0]
    assert (first // factor).tolist() == list(range(groups[0]))
    assert (second // factor).tolist() == list(range(groups[1]))
    places = np.bincount(first % factor, minlength=factor)
    assert places.max() - places.min() <= 1
    assert part.weights.sum() == pytest.approx(1)
    assert part.error_of_sum(part.weights * part.losses) > 0


def test_a_sample_thinned_by_one_is_itself() -> None:
    whole = sample(range(10))
    assert whole.thinned(1, [5, 5]) is whole


@pytest.mark.parametrize("level", VAR_LEVELS)
def test_thinning_makes_the_error_larger(level: float) -> None:
    losses = np.random.default_rng(7).exponential(1e9, 200_000).astype(np.int64)
    whole = sample(losses)
    errors = [whole.thinned(factor, []).measures().var[level].standard_error for factor in (1, 4, 16)]
    assert errors[1] == pytest.approx(2 * errors[0], rel=0.4)
    assert errors[2] == pytest.approx(4 * errors[0], rel=0.6)


def test_the_error_of_a_change_is_honest() -> None:
    """Two cases under the same scenarios: the error told is that of the difference, over seeds, and far below that of
    either case. Within a fourth, of 100 samples of 2,000 scenarios.
    """
    told: dict[str, list[float]] = {}
    found: dict[str, list[float]] = {}
    for seed in range(100):
        losses = np.random.Generator(np.random.Philox(seed)).gamma(2.0, 1e6, 2_000).astype(np.int64)
        base, stressed = sample(losses), sample(losses * 3 // 2 + losses.mean() / 10)
        change = stressed.change_from(base, 1e6)
        for name, estimate in {"ul": change.ul, "var": change.var[99.0], "es": change.es[97.5]}.items():
            told.setdefault(name, []).append(estimate.standard_error)
            found.setdefault(name, []).append(estimate.value)
        assert change.el == Estimate(1e6, 0.0, 1e6, 1e6)
        assert change.var[99.0].standard_error < stressed.var(0.99).standard_error
    for name in told:
        assert np.mean(told[name]) == pytest.approx(np.std(found[name]), rel=0.25), name


def test_a_case_that_does_not_differ_does_not_change() -> None:
    one = sample(np.arange(1, 50_001))
    assert all(estimate.value == estimate.standard_error == 0 for estimate in estimates(one.change_from(one, 0.0)))


def test_a_change_of_what_the_sample_cannot_tell_has_no_error() -> None:
    one = sample(np.arange(1, 101))
    change = sample(np.arange(2, 102)).change_from(one, 1.0)
    assert change.var[99.9].value == 1
    assert math.isnan(change.var[99.9].standard_error)
    assert math.isnan(change.economic_capital[99.9].standard_error)
    assert math.isnan(change.es[99.9].standard_error)
