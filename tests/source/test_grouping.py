"""Groups and chunks: no object lost, none twice."""

import json

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput
from montecarlo.limits import CHUNK_BYTES, MAX_GROUPS
from montecarlo.source.grouping import BLOCK_OBJECTS, check_groups, deal, pack
from montecarlo.source.objects import InputObject, Slice

objects = st.lists(
    st.builds(
        InputObject,
        st.from_regex(r"[a-z]{1,5}\.csv", fullmatch=True),
        st.integers(1, 10**9),
        st.none() | st.integers(0, 10**7),
    ),
    min_size=1,
    max_size=60,
)


@given(objects, st.integers(1, 10**6), st.integers(1, 40))
def test_every_object_is_in_one_group_in_order(items: list[InputObject], chunk_loans: int, number: int) -> None:
    groups = [group for group, _ in deal(items, chunk_loans, lambda chunks: number)]
    assert [item for group in groups for item in group] == [item.to_json() for item in items]
    assert all(groups)
    assert len(groups) <= number


def test_objects_beyond_a_block_are_dealt_like_the_first() -> None:
    items = [InputObject(f"{i}.csv", 60_000, 1_000, etag=f"{i:032x}") for i in range(2 * BLOCK_OBJECTS + 7)]
    groups = [group for group, _ in deal(iter(items), 100, lambda chunks: 3)]
    assert [len(group) for group in groups] == [669, 669, 669]
    assert [entry["key"] for group in groups for entry in group] == [item.key for item in items]


def test_the_choice_sees_the_work_in_every_object() -> None:
    """In chunks: by rows, and by names where objects are so small that their names fill a chunk first."""
    seen: list[list[float]] = []

    def choose(chunks: npt.NDArray[np.float64]) -> int:
        seen.append(chunks.tolist())
        return 1

    tiny = InputObject("a" * 200 + ".csv", 60, 1)
    list(deal([InputObject("a.csv", 10**6, 150_000), tiny], 50_000, choose))
    assert seen == [[3.0, pytest.approx(len(json.dumps(tiny.to_json())) / CHUNK_BYTES)]]


def test_no_objects_make_no_group() -> None:
    assert list(deal([], 100, lambda chunks: 40)) == []


def test_more_groups_than_an_execution_can_record_are_refused() -> None:
    check_groups(MAX_GROUPS)
    with pytest.raises(InvalidInput, match="choose a larger chunk_loans"):
        check_groups(MAX_GROUPS + 1)


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(50, 120))
def test_chunks_take_every_slice_once_and_are_never_too_large(sizes: list[int], chunk_loans: int) -> None:
    slices = [Slice(f"{i}.parquet", 1, "parquet", rows=(0, rows)) for i, rows in enumerate(sizes)]
    chunks = list(pack(slices, chunk_loans))
    assert [piece for chunk in chunks for piece in chunk] == slices
    assert all(0 < sum(piece.estimated_rows for piece in chunk) <= chunk_loans for chunk in chunks)


def test_a_chunk_of_many_objects_fits_into_the_input_of_a_child() -> None:
    slices = [Slice(f"portfolios/ü {i:09}.csv", 150, "csv", etag="0" * 32) for i in range(10_000)]
    chunks = list(pack(slices, 50_000))
    assert [piece for chunk in chunks for piece in chunk] == slices
    for chunk in chunks:
        assert len(json.dumps([piece.to_json() for piece in chunk])) <= CHUNK_BYTES
    assert len(chunks) < 10
