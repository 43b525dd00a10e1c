"""What is known of a portfolio's objects."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.errors import InvalidPortfolio
from montecarlo.source.objects import SAMPLED_OBJECTS, Census, InputObject, Slice


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


def test_an_object_of_another_kind_is_named() -> None:
    with pytest.raises(InvalidPortfolio, match=r"notes\.txt: the name must end in \.csv, \.csv\.gz or \.parquet"):
        _ = InputObject("notes.txt", 1).format


def test_slices_survive_json() -> None:
    piece = Slice("a b+ü.csv", 10, "csv", rows=(5, 9), bytes=(100, 200), header=(0, 20))
    assert Slice.from_json(piece.to_json()) == piece
