"""Breakdowns by named columns: the same figures whatever the cut and the order, and those of the whole added up."""

import io
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidInput, InvalidPortfolio, RunTaken
from montecarlo.run import dimensions
from tests.memory_run import MemoryHost, figures, simulate

Row = tuple[str, str, float]
"""Rating, branch and EAD of a loan."""


def run(files: list[list[tuple[int, Row]]], **request: Any) -> tuple[dict[str, Any], MemoryHost]:
    """result.json of loans that are numbered across the files, with their ratings and branches."""
    host = MemoryHost()
    for number, rows in enumerate(files):
        lines = ["AccountID,rtg,Branch,PD,EAD,LGD"]
        lines += [f'A{loan},"{rating}",{branch},0.2,{ead},1' for loan, (rating, branch, ead) in rows]
        host.s3.objects[f"portfolios/p/{number}.csv"] = "\n".join([*lines, ""]).encode()
    given = {
        "run": "r",
        "portfolio": "portfolios/p/",
        "scenarios": 60,
        "tail_sampling": False,
        "dimensions": ["Rating", "Branch"],
        "mapping": {"dimensions": {"Rating": "rtg"}},
        **request,
    }
    return simulate(host, **given), host


def numbered(rows: list[Row]) -> list[tuple[int, Row]]:
    return list(enumerate(rows))


ROWS = st.lists(
    st.tuples(st.sampled_from(["", "AAA", "B, C", "other", "=1", "é"]), st.sampled_from("XYZ"), st.just(100.0)),
    min_size=1,
    max_size=9,
)


@settings(max_examples=10)
@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 9), st.booleans())
def test_nothing_depends_on_the_cut_or_the_order(rows: list[Row], shuffler: Any, chunk_loans: int, cut: bool) -> None:
    expected, _ = run([numbered(rows)])
    other = numbered(rows)
    shuffler.shuffle(other)
    files = [other[: len(other) // 2], other[len(other) // 2 :]] if cut and len(other) > 1 else [other]
    found, _ = run(files, chunk_loans=chunk_loans)
    assert figures(found)["cases"] == figures(expected)["cases"]
    assert found["portfolio"]["dimensions"] == expected["portfolio"]["dimensions"]


@settings(max_examples=8)
@given(ROWS, st.integers(1, 3))
def test_each_dimension_adds_up_to_the_portfolio(rows: list[Row], sample: int) -> None:
    try:
        result, _ = run([numbered(rows)], sample=sample)
    except InvalidPortfolio:  # a sample of so few may be empty
        return
    for name in ("Rating", "Branch"):
        for case in result["cases"].values():
            parts = case["dimensions"][name].values()
            assert sum(part["el"] for part in parts) == pytest.approx(case["el"], abs=0.05)
            for key in ("var_99_contribution", "es_99_contribution"):
                total = case[key[:3].strip("_")]["99"]
                assert sum(part[key] for part in parts) == pytest.approx(total, abs=0.05), key
        held = result["portfolio"]["dimensions"][name]["values"].values()
        assert sum(part["exposure"] for part in held) == pytest.approx(result["exposure"])
        assert sum(part["loans"] for part in held) == result["loans"]["simulated"] * sample


def test_a_dimension_of_the_segments_has_the_segments_figures() -> None:
    host = MemoryHost()
    lines = [f"A{i},{('auto', 'mortgage', 'commercial')[i % 3]},0.1,{100 + i},0.5" for i in range(60)]
    host.s3.objects["portfolios/p/0.csv"] = "\n".join(["AccountID,Segment,PD,EAD,LGD", *lines, ""]).encode()
    parameters = {"segments": {"auto": {"lgd_volatility": 0.3, "lgd_correlation": 0.1}}}
    result = simulate(
        host, run="r", portfolio="portfolios/p/", scenarios=300, dimensions=["Segment"], parameters=parameters
    )
    assert result["portfolio"]["dimensions"]["Segment"] == {"told": "all", "values": result["portfolio"]["segments"]}
    for case in result["cases"].values():
        assert case["dimensions"]["Segment"] == case["segments"]
    table = pq.read_table(io.BytesIO(host.s3.objects["runs/r/segments.parquet"]))
    assert table["kind"].to_pylist().count("Segment") == table["kind"].to_pylist().count("segments")


def test_the_rest_of_a_run_is_that_of_one_without_dimensions() -> None:
    rows = numbered([("A", "X", 100.0), ("B", "Y", 50.0)])
    with_them, _ = run([rows])
    without, host = run([rows], dimensions=None, mapping=None)
    for result in (with_them["portfolio"], *with_them["cases"].values()):
        del result["dimensions"]
    assert figures(with_them) == figures(without)
    assert not any(b"dimension" in host.s3.objects[key] for key in host.s3.objects if key.endswith(".npz"))


@settings(max_examples=3, deadline=None)
@given(st.integers(5, 60), st.randoms(use_true_random=False))
def test_of_many_values_the_same_are_told_whatever_the_cut(chunk_loans: int, shuffler: Any) -> None:
    """Two dimensions: 256 values of each are told apart, and 64 named."""
    rows = numbered([(f"R{i}", f"B{i % 100}", float(1 + i % 100)) for i in range(300)])
    expected, _ = run([rows], scenarios=3, chunk_loans=1000)
    other = list(rows)
    shuffler.shuffle(other)
    found, _ = run([other], scenarios=3, chunk_loans=chunk_loans)
    assert found["portfolio"]["dimensions"] == expected["portfolio"]["dimensions"]
    assert found["cases"] == expected["cases"]
    rating, branch = expected["portfolio"]["dimensions"].values()
    assert (rating["told"], branch["told"]) == ("some", "largest")
    assert len(rating["values"]) == len(branch["values"]) == dimensions.NAMED + 1
    assert set(branch["values"]) == {f"B{i}" for i in range(36, 100)} | {dimensions.OTHER}
    assert branch["values"]["other"] == {"loans": 108, "exposure": 3 * sum(range(1, 37))}


def test_long_values_are_other_and_missing_ones_are_not_those_that_say_so() -> None:
    rows: list[Row] = [("x" * 81, "X", 1.0), ("other", "X", 2.0), ("not given", "X", 4.0), ("", "X", 8.0)]
    result, _ = run([numbered([*rows, ("x" * 80, "X", 16.0)])])
    held = result["portfolio"]["dimensions"]["Rating"]
    assert {name: part["exposure"] for name, part in held["values"].items()} == {
        "x" * 80: 16.0,
        "not given": 8.0,
        "not given (in the file)": 4.0,
        "other": 1.0,
        "other (in the file)": 2.0,
    }
    assert held["told"] == "all"


def test_waves_of_scenarios_are_appended() -> None:
    rows = numbered([(f"R{i % 3}", "X", 100.0) for i in range(30)])
    result, _ = run([rows], scenarios=100, target_error=0.0001, max_scenarios=300)
    assert result["scenarios"] == 300
    case = result["cases"]["base"]
    assert sum(part["es_99_contribution"] for part in case["dimensions"]["Rating"].values()) == pytest.approx(
        case["es"]["99"], abs=0.05
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dimensions": []}, "dimensions must be a list of 1 to 8 names of columns"),
        ({"dimensions": ["A"] * 9}, "dimensions must be a list of 1 to 8"),
        ({"dimensions": ["Branch", "branch"]}, "Branch is there twice"),
        ({"dimensions": ["segments"]}, "'segments' is no name for a dimension"),
        ({"dimensions": [7]}, "7 is no name for a dimension"),
        ({"dimensions": "Branch"}, "dimensions must be a list"),
        ({"mapping": {"dimensions": {"Rating": {"row_number": True}}}}, "for AccountID only"),
        ({"mapping": {"dimensions": ["Rating"]}}, "mapping dimensions must be a JSON object"),
    ],
)
def test_wrong_dimensions_are_refused_with_a_reason(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        run([numbered([("A", "X", 1.0)])], **wrong)


def test_a_file_without_the_column_is_refused() -> None:
    with pytest.raises(InvalidPortfolio, match="has no column 'Vintage' for the dimension Vintage"):
        run([numbered([("A", "X", 1.0)])], dimensions=["Vintage"])


def test_a_run_of_other_dimensions_is_another_run() -> None:
    _, host = run([numbered([("A", "X", 1.0)])])
    with pytest.raises(RunTaken, match="dimensions"):
        simulate(host, run="r", portfolio="portfolios/p/", scenarios=60, tail_sampling=False, dimensions=["Branch"],
                 mapping={"dimensions": {"Rating": "rtg"}})  # fmt: skip
