"""Groups and chunks: no object lost, none twice."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput
from montecarlo.limits import CHUNK_BYTES, MAX_GROUPS, OBJECTS_PER_GROUP
from montecarlo.source.grouping import make_groups, pack
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


@given(objects, st.integers(1, 10**6))
def test_every_object_is_in_one_group_in_order(items: list[InputObject], chunk_loans: int) -> None:
    groups = list(make_groups(items, chunk_loans))
    assert [item for group in groups for item in group] == items
    assert all(groups)


def test_the_first_groups_are_equal_and_all_run_at_once_and_later_ones_grow() -> None:
    objects = [InputObject(f"{i}.csv", 60_000, 1_000) for i in range(1_500)]
    sizes = [len(group) for group in make_groups(objects, 100)]
    assert sizes == [25] * 40 + [50] * 10


def test_groups_of_many_small_objects_are_bounded_by_their_number() -> None:
    sizes = [len(group) for group in make_groups((InputObject("a.csv", 60, 1) for _ in range(250_000)), 50_000)]
    assert sizes == [OBJECTS_PER_GROUP, OBJECTS_PER_GROUP, 50_000]


def test_more_groups_than_an_execution_can_record_are_refused() -> None:
    objects = (InputObject("a.csv", 10**9, 10**9) for _ in range(MAX_GROUPS + 1))
    with pytest.raises(InvalidInput, match="choose a larger chunk_loans"):
        list(make_groups(objects, 1))


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
