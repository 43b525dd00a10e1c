"""Correlations and sectors of single loans: the same bits whatever the cut, and wrong ones refused with a reason."""

import io
from collections.abc import Sequence
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.model.parameters import load
from montecarlo.run import plausibility
from tests.memory_run import MemoryHost, figures, simulate

SECTORS = {
    "segments": {"auto": {"sector": "trade"}, "mortgage": {"basel_correlation": True}},
    "sector_correlations": {"trade": {"mortgage": 0.7}},
}
ROW = st.tuples(
    st.sampled_from(["auto", "mortgage", "personal"]),
    st.sampled_from(["", "0", "0.12", "0.95"]),
    st.sampled_from(["", "TRADE", "mortgage"]),
    st.sampled_from(["", "B"]),
)


Row = tuple[str, ...]


def run(files: Sequence[Sequence[tuple[int, Row]]], **request: Any) -> tuple[dict[str, Any], list[int]]:
    """result.json, and the base case's losses."""
    host = MemoryHost()
    for number, rows in enumerate(files):
        lines = [f"A{loan},{','.join(cells)},0.2,{1 + loan},0.5" for loan, cells in rows]
        text = ["AccountID,Segment,AssetCorrelation,Sector,ObligorID,PD,EAD,LGD", *lines, ""]
        host.s3.objects[f"portfolios/p/{number}.csv"] = "\n".join(text).encode()
    given = {"run": "r", "portfolio": "portfolios/p/", "scenarios": 100, "parameters": SECTORS, **request}
    result = simulate(host, **given)
    losses = pq.read_table(io.BytesIO(host.s3.objects["runs/r/losses.parquet"]))
    return result, losses["base_cents"].to_pylist()


@settings(max_examples=8)
@given(st.lists(ROW, min_size=2, max_size=8), st.randoms(use_true_random=False), st.integers(1, 8))
def test_nothing_depends_on_the_cut_the_order_or_the_cases(
    rows: list[tuple[str, ...]], shuffler: Any, chunk_loans: int
) -> None:
    expected, losses = run([list(enumerate(rows))], tail_sampling=False)
    other = list(enumerate(rows))
    shuffler.shuffle(other)
    found, others = run([other[:1], other[1:]], chunk_loans=chunk_loans, tail_sampling=False)
    assert others == losses
    assert figures(found)["cases"] == figures(expected)["cases"]
    _, alone = run([other], cases={"worse": {"probit_shift": {"auto": 0.5}}}, tail_sampling=False)
    assert alone == losses


def test_random_lgds_follow_the_factor_of_the_loans_sector() -> None:
    """Whatever the cut; and their expected loss, by quadrature at each loan's loading, is the simulated one."""
    drawn = {"lgd_volatility": 0.4, "lgd_correlation": 0.3}
    parameters = {**SECTORS, "segments": {"mortgage": {"basel_correlation": True, **drawn}, "auto": drawn}}
    rows = [
        (i, (("auto", "mortgage")[i % 2], ("", "0.3")[i % 3 == 0], ("", "trade")[i % 5 == 0], "")) for i in range(60)
    ]
    request: dict[str, Any] = {"parameters": parameters, "scenarios": 3_000, "tail_sampling": False}
    one, losses = run([rows], **request)
    _, same = run([rows[::-1]], chunk_loans=11, **request)
    assert one["cases"]["base"]["el_check"]["agrees"]
    assert same == losses


def test_the_segments_own_correlation_given_by_loan_is_near_and_none_is_the_same() -> None:
    plain, losses = run([[(i, ("auto", "", "", "")) for i in range(50)]], parameters=None)
    named, same = run([[(i, ("auto", "", "auto", "")) for i in range(50)]], parameters=None)
    assert same == losses  # a Sector is not read where the parameters name none
    own, _ = run([[(i, ("auto", "0.04", "", "")) for i in range(50)]], parameters=None)
    assert plain["cases"]["base"]["el"] == named["cases"]["base"]["el"] == own["cases"]["base"]["el"]


def test_loans_of_one_borrower_with_one_correlation_default_together() -> None:
    rows = [(i, ("auto", "0.12", "", "B")) for i in range(12)]
    _, losses = run([rows], chunk_loans=5, scenarios=400)
    assert len(set(losses)) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("auto", "1", "", ""), "AssetCorrelation must not be above 0.95"),
        (("auto", "-0.1", "", ""), "AssetCorrelation must not be negative"),
        (("auto", "x", "", ""), "AssetCorrelation is not a finite number"),
        (("auto", "", "shipping", ""), "Sector is none of personal, trade, mortgage"),
    ],
)
def test_wrong_cells_are_rejected(row: tuple[str, ...], reason: str) -> None:
    with pytest.raises(InvalidPortfolio, match=reason):
        run([[(0, row)]])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"auto": {"mortgage": 2}}, "sector_correlations.auto.mortgage must be a number from -1 to 1"),
        ({"auto": {"auto": 1}}, "give each pair of two sectors once"),
        ({"auto": {"mortgage": 0.1}, "mortgage": {"auto": 0.1}}, "give each pair of two sectors once"),
        ({"auto": {"?": 0.1}}, "'\\?' is no name for a sector"),
        ({"": {}}, "'' is no name for a sector"),
        ({"a": {"b": 0.9, "c": 0.9}, "b": {"c": -0.9}}, "positive semidefinite"),
        ({"a": {"b": -1}, "b": {"c": -1}, "c": {"a": -1}}, "positive semidefinite"),
        ([], "sector_correlations must be an object"),
        ({"Auto": {"b": 0.1}}, "the sector auto is there twice: capitals make no difference"),
    ],
)
def test_correlations_that_no_factors_have_are_refused(given: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load({"sector_correlations": given})


def test_sectors_that_move_as_one_are_accepted() -> None:
    parameters = load({"global_factor_share": 0.5, "sector_correlations": {"a": {"b": 1}}})
    assert load(parameters.to_json()) == parameters
    assert "sector_correlations" not in load().to_json()


@pytest.mark.parametrize("segment", [{"sector": 7}, {"sector": ""}, {"basel_correlation": 1}])
def test_wrong_sectors_are_refused(segment: Any) -> None:
    with pytest.raises(InvalidInput, match=r"segments\.auto\.(sector|basel_correlation) must be"):
        load({"segments": {"auto": segment}})


def test_a_sector_that_nothing_is_in_is_told() -> None:
    """In the result and in a check before; but not one that a loan names."""
    parameters = {"sector_correlations": {"auto": {"buisness": 0.5, "trade": 0.4, "mortgage": 0.3}}}
    host = MemoryHost()
    host.s3.objects["portfolios/p/0.csv"] = (
        b"AccountID,Segment,Sector,PD,EAD\nA,auto,,0.1,5\nB,auto,trade,0.1,5\nC,personal,,0.1,5\n"
    )
    result = simulate(host, run="r", portfolio="portfolios/p/", scenarios=5, parameters=parameters)
    told = [warning for warning in result["input"]["warnings"] if "sector_correlations" in warning]
    assert len(told) == 1
    assert "has the sector buisness, which no segment and no loan has" in told[0]
    assert plausibility.unused_sectors(load(), []) == []
