"""Groups share the functions so that they end together, and the durations are those of a simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.schedule import HARD, measure
from montecarlo.cost import schedule
from montecarlo.cost.estimate import Setup, Speed, Work, best_groups
from montecarlo.cost.schedule import Rates
from montecarlo.limits import MAX_GROUPS

sizes = st.lists(st.integers(0, 5_000), min_size=1, max_size=40)


def rounds(chunks: list[int], given_places: list[int]) -> int:
    return max(-(-max(1, number) // share) for number, share in zip(chunks, given_places, strict=True))


@given(sizes, st.integers(0, 1_000), st.integers(1, 10_000))
def test_shares_keep_to_both_limits_and_need_the_fewest_rounds(chunks: list[int], more: int, each: int) -> None:
    at_once = len(chunks) + more
    shares = schedule.shares(chunks, at_once, each)
    assert min(shares) >= 1
    assert sum(shares) <= at_once
    assert max(shares) <= each
    if each >= at_once:
        needed = rounds(chunks, shares)
        fewer = needed - 1  # no deal at all needs fewer: the places for these rounds are not there
        assert not fewer or sum(-(-max(1, number) // fewer) for number in chunks) > at_once


def test_more_groups_than_places_are_refused() -> None:
    with pytest.raises(ValueError, match="3 groups cannot share 2 places"):
        schedule.shares([1, 1, 1], 2, 10)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300), st.integers(1, 40))
def test_a_deal_takes_every_object_once_and_no_group_is_empty(chunks: list[float], groups: int) -> None:
    cuts = schedule.deal(np.array(chunks), groups)
    assert cuts[-1] == len(chunks)
    assert all(before < after for before, after in zip([0, *cuts], cuts, strict=False))
    assert len(cuts) <= groups


@given(st.lists(st.floats(0.1, 10), min_size=40, max_size=300), st.integers(1, 40))
def test_a_group_is_no_larger_than_an_equal_part_and_an_object(chunks: list[float], groups: int) -> None:
    before = np.concatenate([[0.0], np.cumsum(chunks)])
    parts = np.diff(before[[0, *schedule.deal(np.array(chunks), groups)]])
    assert parts.max() <= sum(chunks) / groups + max(chunks) + 1e-9


def test_equal_objects_make_equal_groups_of_any_number() -> None:
    for objects in (1, 39, 40, 41, 79, 80, 10_500):
        parts = np.diff([0, *schedule.deal(np.ones(objects), 40)])
        assert parts.max() - parts.min() <= 1


@pytest.mark.parametrize(
    ("chunks", "shares", "rates", "expected"),
    [
        ([10], [10], Rates(math.inf), 2.0),  # all at once
        ([10], [5], Rates(math.inf), 4.0),  # in two rounds
        ([11], [5], Rates(math.inf), 6.0),  # one more
        ([101], [200], Rates(10.0), 12.0),  # the last starts after 10 s
        (
            [50, 51],
            [200, 200],
            Rates(1e9, 10.1),
            11.8,
        ),  # the account's rate binds, not the Map Run's: 50 starts at 5.05/s
        ([0], [1], Rates(1.0), 0.0),
    ],
)
def test_durations_by_hand(chunks: list[int], shares: list[int], rates: Rates, expected: float) -> None:
    assert schedule.duration(chunks, shares, 2.0, rates) == pytest.approx(expected, abs=0.05)


def test_what_s3_serves_bounds_the_schedule_and_the_simulation_agrees() -> None:
    work = Work(20_000_000, chunk_loans=2_000, objects=10_000, scenarios=1_000)  # half a second for a chunk
    setup = Setup(max_concurrency=3_000)
    row = measure(work, setup, Speed())
    assert row["simulated"] > 10_000 * work.chunk_puts / 3_500
    assert row["estimated_by_simulated"] == pytest.approx(1, abs=0.1), row
    assert row["simulated_by_ideal"] < 1.2, row


def test_lambda_makes_a_thousand_environments_at_once_and_a_hundred_a_second_more() -> None:
    # 3,000 chunks of 100 s: the last environment is made after 20 s, when none is free again
    assert schedule.scaled_end(3_000, 3_000, 100.0, 4.0) == pytest.approx(124, abs=0.1)
    # of 1 s: the first thousand are free again after 5 s; the last chunk to get a new environment gets it after 6 s
    assert schedule.scaled_end(3_000, 3_000, 1.0, 4.0) == pytest.approx(11.0, abs=0.2)
    # with no more than a thousand, the first do all the rest
    assert schedule.scaled_end(3_000, 1_000, 1.0, 4.0) == pytest.approx(7.0, abs=0.01)


@pytest.mark.parametrize("at_once", [59, 500, 3_000])
def test_estimates_and_plans_hold_against_the_simulation(at_once: int) -> None:
    for chunks in HARD[:-4]:
        work = Work(chunks * 50_000, objects=chunks, size=chunks * 50_000 * 45)
        row = measure(work, Setup(max_concurrency=at_once), Speed())
        assert row["estimated_by_simulated"] == pytest.approx(1, abs=0.1), row
        assert row["simulated_by_ideal"] < 1.2, row


@given(st.integers(1, 3_000), st.integers(1, 3_000), st.integers(1, 40))
def test_groups_all_run_at_once_while_the_sums_allow(objects: int, at_once: int, most: int) -> None:
    setup = Setup(max_concurrency=at_once, max_groups=most)
    groups = best_groups([1.0] * objects, Work(50_000 * objects, objects=objects), setup)
    assert 1 <= groups <= min(most, at_once, objects)


def test_groups_are_more_where_one_would_add_up_too_many_partials() -> None:
    many = Work(50_000 * 100_000, scenarios=100_000, cases=8, objects=25_000)
    each = np.full(25_000, 4.0)
    groups = np.diff([0, *schedule.deal(each, best_groups(each, many, Setup()))]) * 4
    assert len(groups) % 40 == 0
    assert groups.max() * 8e-6 * 17 * 8 * 100_000 / Speed().reduce_mb_per_second <= 330


def test_more_groups_than_a_run_may_have_are_not_dealt_out() -> None:
    """One more is enough for the plan to refuse them."""
    more = Work(50_000 * 400_000, scenarios=100_000, cases=8, objects=100_000)
    assert best_groups(np.full(100_000, 4.0), more, Setup()) == MAX_GROUPS + 1


def test_groups_are_more_where_one_would_name_too_many_objects() -> None:
    tiny = Work(10**7, objects=10**7)
    assert best_groups(np.full(1_000, 5.0), tiny, Setup()) == 120
