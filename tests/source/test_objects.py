"""Groups, chunks and slices: no row lost, none twice, for any files."""

import io
import json
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.portfolio.loans import Mapping, read_rows
from montecarlo.source.objects import (
    MAX_CHUNK_BYTES,
    MAX_GROUPS,
    MAX_ROW_BYTES,
    OBJECTS_PER_GROUP,
    SAMPLED_OBJECTS,
    Census,
    InputObject,
    Slice,
    check_divisible,
    csv_slices,
    make_groups,
    pack,
    row_slices,
)

CELL = st.one_of(
    st.from_regex(r"[a-z 0-9.\"']{1,8}", fullmatch=True).filter(lambda text: not text.startswith('"')),
    st.from_regex(r'"([a-z,\n\r ]|""){0,8}"', fullmatch=True),
)
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


@given(st.lists(st.integers(0, 10**4), max_size=20), st.integers(1, 10**4))
def test_rows_are_cut_without_gap_or_overlap(row_groups: list[int], chunk_loans: int) -> None:
    ends = list(accumulate(row_groups))
    pieces = row_slices(InputObject("a.parquet", 1), ends, chunk_loans)
    edges = [piece.rows for piece in pieces if piece.rows]
    assert sum(stop - start for start, stop in edges) == sum(row_groups)
    assert not edges or (edges[0][0], edges[-1][1]) == (0, sum(row_groups))
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    assert all(0 < stop - start <= chunk_loans for start, stop in edges)


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(50, 120))
def test_chunks_take_every_slice_once_and_are_never_too_large(sizes: list[int], chunk_loans: int) -> None:
    slices = [Slice(f"{i}.parquet", 1, "parquet", rows=(0, rows)) for i, rows in enumerate(sizes)]
    chunks = list(pack(slices, chunk_loans))
    assert [piece for chunk in chunks for piece in chunk] == slices
    assert all(0 < sum(piece.estimated_rows for piece in chunk) <= chunk_loans for chunk in chunks)


@given(
    rows=st.lists(st.lists(CELL, min_size=2, max_size=2), max_size=12),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    blank=st.lists(st.integers(0, 12), max_size=3),
    trailing=st.booleans(),
    chunk_loans=st.integers(1, 5),
    block=st.integers(1, 200),
)
def test_csv_slices_hold_the_rows_that_the_reader_finds(
    rows: list[list[str]], line_end: str, blank: list[int], trailing: bool, chunk_loans: int, block: int
) -> None:
    lines = ["AccountID,PD,EAD", *(",".join(["x", *row]) for row in rows)]
    for place in blank:
        lines.insert(min(place, len(lines) - 1) + 1, "")
    data = (line_end.join(lines) + (line_end if trailing else "")).encode()
    item = InputObject("a.csv", len(data))
    pieces = csv_slices(item, [data[i : i + block] for i in range(0, len(data), block)], chunk_loans)

    def read(text: bytes, first: int = 0) -> list[tuple[int, dict[str, object]]]:
        raw = read_rows(io.BytesIO(text), "a.csv", "csv", Mapping(), rows_before=first)
        assert not raw.rejects
        return list(zip(raw.row.tolist(), raw.table.to_pylist(), strict=True))

    found = []
    for piece in pieces:
        assert piece.rows is not None
        assert piece.bytes is not None
        assert piece.header is not None
        part = read(data[slice(*piece.header)] + data[slice(*piece.bytes)], piece.rows[0])
        assert len(part) == piece.rows[1] - piece.rows[0] <= chunk_loans
        found += part
    assert found == read(data)


def test_cuts_fall_between_row_groups_where_these_are_small() -> None:
    ends = list(range(10_000, 100_001, 10_000))
    assert [piece.rows for piece in row_slices(InputObject("a.parquet", 1), ends, 35_000)] == [
        (0, 30_000),
        (30_000, 60_000),
        (60_000, 90_000),
        (90_000, 100_000),
    ]


def test_a_chunk_of_many_objects_fits_into_the_input_of_a_child() -> None:
    slices = [Slice(f"portfolios/ü {i:09}.csv", 150, "csv", etag="0" * 32) for i in range(10_000)]
    chunks = list(pack(slices, 50_000))
    assert [piece for chunk in chunks for piece in chunk] == slices
    for chunk in chunks:
        assert len(json.dumps([piece.to_json() for piece in chunk])) <= MAX_CHUNK_BYTES
    assert len(chunks) < 10


@given(st.integers(0, 1_000))
def test_a_census_counts_everything_and_samples_evenly(number: int) -> None:
    census = Census()
    items = [InputObject(f"{i}.csv", 6_000) for i in range(number)]
    assert list(census.count(items)) == items
    assert (census.objects, census.size, census.rows) == (number, 6_000 * number, 75 * number)
    assert min(number, SAMPLED_OBJECTS // 2) <= len(census.sample) <= SAMPLED_OBJECTS
    places = [items.index(item) for item in census.sample]
    assert len({after - before for before, after in pairwise(places)}) <= 1
    assert number == 0 or places[0] == 0


def test_the_digest_of_a_census_tells_every_change_apart() -> None:
    def digest(*items: InputObject) -> str:
        census = Census()
        list(census.count(items))
        return census.digest

    a, b = InputObject("a.csv", 1, etag="x"), InputObject("b.csv", 1)
    variants = [
        (),
        (a,),
        (a, b),
        (b, a),
        (InputObject("a.csv", 1, etag="y"), b),
        (InputObject("a.csv", 2, etag="x"), b),
    ]
    assert len({digest(*items) for items in variants}) == len(variants)


def test_a_file_with_a_header_only_has_no_slice() -> None:
    for data in (b"AccountID,PD\n", b"AccountID,PD", b""):
        assert csv_slices(InputObject("a.csv", len(data)), [data], 10) == []


def test_a_quote_that_is_never_closed_is_named_with_its_place() -> None:
    with pytest.raises(InvalidPortfolio, match=r"a\.csv: the double quote at byte 10 is never closed"):
        csv_slices(InputObject("a.csv", 1), [b'A,B\n1,2\n3,"4\n5,6\n'], 10)


def test_a_row_longer_than_the_reader_takes_is_refused() -> None:
    with pytest.raises(InvalidPortfolio, match="the row that begins at byte 4 is longer"):
        csv_slices(InputObject("a.csv", 1), [b"A,B\n", b'1,"' + b"x\n" * MAX_ROW_BYTES], 10)


def test_a_compressed_csv_that_cannot_be_read_in_parts_is_refused() -> None:
    check_divisible(InputObject("a.csv", 100 << 30))
    with pytest.raises(InvalidPortfolio, match=r"a\.csv\.gz is a compressed CSV of 3\.0 GiB.*bring it as Parquet"):
        check_divisible(InputObject("a.csv.gz", 3 << 30))


def test_an_object_of_another_kind_is_named() -> None:
    with pytest.raises(InvalidPortfolio, match=r"notes\.txt: the name must end in \.csv, \.csv\.gz or \.parquet"):
        _ = InputObject("notes.txt", 1).format


def test_slices_survive_json() -> None:
    piece = Slice("a b+ü.csv", 10, "csv", rows=(5, 9), bytes=(100, 200), header=(0, 20))
    assert Slice.from_json(piece.to_json()) == piece
