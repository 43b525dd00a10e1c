"""Tallies: sums by key, the same whatever is merged with what, in ranges that miss nothing."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.documents import Damaged
from montecarlo.run.tally import Tally

WORDS = st.integers(0, 2**64 - 1) | st.integers(0, 5) | st.integers(2**64 - 5, 2**64 - 1)


def pairs(tally: Tally) -> dict[int, int]:
    assert (np.diff(tally.key.astype(object)) > 0).all()
    return dict(zip(tally.key.tolist(), tally.amount.tolist(), strict=True))


def words(numbers: list[int]) -> np.ndarray:
    return np.array(numbers, np.uint64)


@given(st.lists(st.lists(WORDS)))
def test_merged_tallies_count_as_a_counter_does(lists: list[list[int]]) -> None:
    merged = Tally.merge(Tally.of(words(numbers)) for numbers in lists)
    assert pairs(merged) == Counter(number for numbers in lists for number in numbers)


@given(st.lists(st.tuples(WORDS, st.integers(-(2**40), 2**40))))
def test_amounts_are_summed_by_key(items: list[tuple[int, int]]) -> None:
    expected: dict[int, int] = {}
    for key, amount in items:
        expected[key] = expected.get(key, 0) + amount
    tally = Tally.of(words([key for key, _ in items]), np.array([amount for _, amount in items], np.int64))
    assert pairs(tally) == expected
    assert pairs(Tally.from_bytes(tally.to_bytes("a"), "a")) == expected


@settings(max_examples=200)
@given(st.lists(WORDS), st.integers(1, 1000), st.integers(1, 40))
def test_ranges_hold_each_key_of_the_slice_once(numbers: list[int], one_in: int, ranges: int) -> None:
    parts = list(Tally.of(words(numbers)).split(one_in, ranges))
    assert len(parts) == ranges
    together = [key for part in parts for key in part.key.tolist()]
    assert together == sorted({number for number in numbers if number * one_in < 2**64})
    for number, part in enumerate(parts):
        assert all(key * one_in * ranges // 2**64 == number for key in part.key.tolist())


@given(st.lists(WORDS), st.lists(WORDS))
def test_keys_are_found_where_they_are(numbers: list[int], wanted: list[int]) -> None:
    tally = Tally.of(words(numbers))
    for key, place in zip(wanted, tally.find(words(wanted)).tolist(), strict=True):
        assert (place >= 0) == (key in numbers)
        assert place < 0 or tally.key[place] == key


def test_another_tally_under_the_key_is_told() -> None:
    data = Tally.of(words([1, 2])).to_bytes("this")
    with pytest.raises(Damaged, match="something else"):
        Tally.from_bytes(data, "that")
