"""Sums beyond 64 bits, against Python's integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.model import sums

PARTS = 3
LARGEST = 2**63 - 1
VALUES = st.sampled_from([0, 1, 2**32 - 1, 2**32, LARGEST]) | st.integers(0, LARGEST)
PAIRS = st.lists(st.tuples(VALUES, st.integers(0, PARTS - 1)), max_size=50)
KINDS = pytest.mark.parametrize(("kind", "power"), [(sums.total, 1), (sums.squares, 2)], ids=["total", "squares"])


def columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    values, part = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return values, part


def expected(pairs: list[tuple[int, int]], power: int) -> list[int]:
    return [sum(value**power for value, part in pairs if part == p) for p in range(PARTS)]


@KINDS
@given(pairs=PAIRS)
def test_sums_are_exact(kind: sums.Sum, power: int, pairs: list[tuple[int, int]]) -> None:
    assert sums.exact(kind(*columns(pairs), PARTS)).tolist() == expected(pairs, power)


@KINDS
@given(one=PAIRS, other=PAIRS)
def test_chunks_add_up_to_the_whole(
    kind: sums.Sum, power: int, one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    added = kind(*columns(one), PARTS) + kind(*columns(other), PARTS)
    assert sums.exact(added).tolist() == expected(one + other, power)


@KINDS
def test_the_largest_chunk_of_the_largest_values(kind: sums.Sum, power: int) -> None:
    """Twice as many values as go into a double at once, and some."""
    loans = (1 << 21) + 3
    found = kind(np.full(loans, LARGEST), np.zeros(loans, dtype=np.int16), 1)
    assert sums.exact(found).tolist() == [loans * LARGEST**power]


@KINDS
def test_words_leave_room_for_adding(kind: sums.Sum, power: int) -> None:
    """Every word of a chunk but the highest is below 2**32, so that 2**31 chunks fit int64."""
    words = kind(np.full(50, LARGEST), np.zeros(50, dtype=np.int16), 1)
    assert words[:, :-1].max() < 2**32
    assert words[:, -1].max() <= 50 * 2**31
    assert words.dtype == np.int64


def test_exact_keeps_the_shape() -> None:
    words = np.arange(2 * 3 * 4, dtype=np.int64).reshape(2, 3, 4)
    found = sums.exact(words)
    assert found.shape == (2, 3)
    assert found[1, 2] == 20 + (21 << 32) + (22 << 64) + (23 << 96)
