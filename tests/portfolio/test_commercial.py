"""The made-up commercial book: the same loans whatever the cut, and what a commercial lender's book looks like."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput
from montecarlo.model.parameters import load
from montecarlo.portfolio import commercial, synthetic
from montecarlo.run.request import datagen_request
from tests.memory_run import MemoryHost, generate, simulate

COMMERCIAL = Path(__file__).resolve().parents[2] / "examples" / "commercial" / "request.json"
"""What `montecarlo run --book commercial` asks for."""

AS_OF = date(2026, 1, 1)
BOOK = commercial.generate(0, 20_000, 42, AS_OF)


@settings(max_examples=10)
@given(st.integers(0, 19_000), st.integers(0, 900))
def test_any_cut_gives_the_same_loans(first: int, count: int) -> None:
    assert commercial.generate(first, count, 42, AS_OF) == BOOK.slice(first, count).combine_chunks()


def test_borrowers_have_several_loans_and_one_rating_sector_branch_and_pd() -> None:
    assert 2.2 < len(BOOK) / pc.count_distinct(BOOK["ObligorID"]).as_py() < 2.6
    for name in ("Rating", "Sector", "Branch", "PD", "ZipCode"):
        by_borrower = BOOK.group_by("ObligorID").aggregate([(name, "count_distinct")])
        assert pc.max(by_borrower[f"{name}_count_distinct"]).as_py() == 1, name
    assert pc.count_distinct(BOOK["AccountID"]).as_py() == len(BOOK)


def test_shares_are_those_of_the_table() -> None:
    for name, shares in (("Branch", commercial.BRANCHES), ("Sector", commercial.SECTORS)):
        found = {row["values"]: row["counts"] / len(BOOK) for row in BOOK[name].value_counts().to_pylist()}
        assert found == pytest.approx(shares, abs=0.02)
    ratings = np.array(BOOK["PD"])
    assert set(ratings) == {pd for _, pd in commercial.RATINGS.values()}
    assert 0.01 < ratings.mean() < 0.03


def test_lines_bullets_and_collateral() -> None:
    kinds = {row["values"]: row["counts"] / len(BOOK) for row in BOOK["Amortisation"].value_counts().to_pylist()}
    assert kinds == pytest.approx({"annuity": 0.45, "linear": 0.2, "bullet": 0.35}, abs=0.02)
    assert 1 - BOOK["Limit"].null_count / len(BOOK) == pytest.approx(commercial.REPAYMENT["line"], abs=0.01)
    assert pc.all(pc.less_equal(BOOK["Balance"], BOOK["LoanAmount"])).as_py()
    bullets = BOOK.filter(pc.and_(pc.equal(BOOK["Amortisation"], "bullet"), pc.is_null(BOOK["Limit"])))
    terms = pc.greater(bullets["LoanTerm"], 96)  # none of these has come to its end
    assert bullets.filter(terms)["Balance"] == bullets.filter(terms)["LoanAmount"]
    assert pc.all(pc.xor(pc.is_null(BOOK["LGD"]), pc.is_null(BOOK["CollateralValue"]))).as_py()
    assert BOOK["LGD"].null_count / len(BOOK) == pytest.approx(commercial.SECURED, abs=0.02)


def test_a_csv_keeps_the_pds() -> None:
    lines = synthetic.to_csv(BOOK.slice(0, 50)).decode().split("\n")
    place = lines[0].split(",").index('"PD"') if '"' in lines[0] else lines[0].split(",").index("PD")
    assert [float(line.split(",")[place]) for line in lines[1:51]] == BOOK["PD"].to_pylist()[:50]


def test_the_book_is_simulated_as_the_command_asks_for_it() -> None:
    host = MemoryHost()
    portfolio = generate(host, name="book", loans=3_000, book="commercial", part_loans=1_300)
    request: dict[str, Any] = json.loads(COMMERCIAL.read_text(encoding="utf-8"))
    result = simulate(host, run="r", portfolio=portfolio, scenarios=400, **request)
    assert result["loans"]["rejected"] == 0
    assert result["cases"]["property"]["el"] > result["cases"]["base"]["el"]
    ecl = result["cases"]["base"]["ecl"]
    assert ecl["twelve_month"] < ecl["allowance"] < ecl["lifetime"]
    assert set(result["portfolio"]["dimensions"]["Stage"]["values"]) == {"1", "2"}
    assert set(result["portfolio"]["dimensions"]) == set(request["dimensions"])
    assert set(result["portfolio"]["dimensions"]["Rating"]["values"]) == set(commercial.RATINGS)
    assert result["portfolio"]["borrowers"]["number"] < 2_000
    assert set(commercial.SECTORS) <= set(load(request["parameters"]).named_sectors)
    assert pa.types.is_string(BOOK.schema.field("Sector").type)


def test_other_books_are_refused() -> None:
    with pytest.raises(InvalidInput, match="book must be retail or commercial, not 'wholesale'"):
        datagen_request({"book": "wholesale"}, {})
