"""Loans of one borrower default together, wherever they lie; a portfolio that names no borrowers is as before."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montecarlo.errors import InvalidPortfolio
from tests.memory_run import MemoryHost, figures, simulate

HEADER = "AccountID,ObligorID,PD,EAD,LGD,Segment"
Row = tuple[str, str, float, float, float, str]


def rows_of(*obligors: str, pd: float = 0.3, segment: str = "personal") -> list[Row]:
    """A loan for each, of sizes that tell which loans defaulted: loan i loses 2**i."""
    return [(f"A{i}", obligor, pd, float(2**i), 1.0, segment) for i, obligor in enumerate(obligors)]


def run(files: list[list[Row]], **request: Any) -> tuple[dict[str, Any], list[int]]:
    """result.json, and the base case's losses in currency units."""
    host = MemoryHost()
    for number, rows in enumerate(files):
        lines = [HEADER, *(",".join(map(str, row)) for row in rows), ""]
        host.s3.objects[f"portfolios/p/{number}.csv"] = "\n".join(lines).encode()
    request = {"run": "r", "portfolio": "portfolios/p/", "scenarios": 400, "tail_sampling": False, **request}
    result = simulate(host, **request)
    losses = pq.read_table(io.BytesIO(host.s3.objects[f"runs/{request['run']}/losses.parquet"]))
    return result, [cents // 100 for cents in losses["base_cents"].to_pylist()]


def defaulted(loss: int, loan: int) -> bool:
    return bool(loss >> loan & 1)


def test_loans_of_one_borrower_default_together_and_others_do_not() -> None:
    _, losses = run([rows_of("B", "C", "B", "", "B", "")])
    for pair, together in (((0, 2), True), ((2, 4), True), ((0, 1), False), ((3, 5), False), ((0, 3), False)):
        assert all(defaulted(loss, pair[0]) == defaulted(loss, pair[1]) for loss in losses) == together, pair


def test_the_riskier_loan_of_a_borrower_defaults_first() -> None:
    rows = rows_of("B", "B")
    rows[1] = (*rows[1][:2], 0.5, *rows[1][3:])
    _, losses = run([rows])
    assert set(losses) == {0, 2, 3}


def test_a_borrower_and_an_account_of_the_same_name_are_strangers() -> None:
    """The first loan's borrower is called like the second loan, which names no borrower."""
    _, losses = run([rows_of("A1", "")])
    assert set(losses) == {0, 1, 2, 3}


def test_the_largest_borrowers_are_told_apart_where_an_account_is_called_like_one() -> None:
    rows = [("X", "", 0.01, 100.0, 1.0, "auto"), ("l2", "X", 0.01, 200.0, 1.0, "auto")]
    result, _ = run([[*rows, ("l3", "Y", 0.01, 250.0, 1.0, "auto")]])
    borrowers = result["portfolio"]["borrowers"]
    assert [(one["borrower"], one["exposure"]) for one in borrowers["largest"]] == [("Y", 250), ("X", 200), ("X", 100)]
    assert borrowers["number"] == 3


OBLIGORS = st.lists(st.sampled_from(["", "B", "C", "D"]), min_size=2, max_size=7)


@settings(max_examples=25)
@given(OBLIGORS, st.randoms(use_true_random=False), st.integers(1, 7), st.booleans())
def test_nothing_depends_on_where_a_borrowers_loans_lie(
    obligors: list[str], shuffler: Any, chunk_loans: int, two_files: bool
) -> None:
    rows = rows_of(*obligors)
    expected, losses = run([rows], chunk_loans=100)
    other = list(rows)
    shuffler.shuffle(other)
    files = [other[: len(other) // 2], other[len(other) // 2 :]] if two_files and len(other) > 3 else [other]
    found, others = run(files, chunk_loans=chunk_loans)
    assert others == losses
    same = [{key: value for key, value in figures(one).items() if key != "portfolio"} for one in (expected, found)]
    assert same[0] == same[1]
    for part in ("concentration", "borrowers"):
        assert expected["portfolio"].get(part) == found["portfolio"].get(part)


def test_a_sample_takes_borrowers_whole() -> None:
    obligors = [f"B{i // 4}" for i in range(40)]
    result, losses = run([rows_of(*obligors)], sample=2)
    taken = {i for loss in losses for i in range(40) if defaulted(loss // 2, i)}
    assert {i // 4 for i in taken} == {i // 4 for i in range(40) if i in taken}
    assert result["loans"]["simulated"] % 4 == 0
    assert 0 < result["loans"]["simulated"] < 40


def test_each_loan_of_its_own_borrower_is_a_portfolio_without_borrowers() -> None:
    named, losses = run([rows_of("", "", "")])
    host = MemoryHost()
    lines = ["AccountID,PD,EAD,LGD", *(f"{row[0]},{row[2]},{row[3]},{row[4]}" for row in rows_of("", "", "")), ""]
    host.s3.objects["portfolios/p/0.csv"] = "\n".join(lines).encode()
    plain = simulate(host, run="r", portfolio="portfolios/p/", scenarios=400, tail_sampling=False)
    assert figures(plain)["cases"] == figures(named)["cases"]
    assert len(set(losses)) == 8


def test_floating_point_borrowers_are_refused() -> None:
    table = pa.table({"AccountID": ["A"], "ObligorID": [1e15], "PD": [0.1], "EAD": [100.0]})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    host = MemoryHost()
    host.s3.objects["portfolios/p/0.parquet"] = buffer.getvalue()
    with pytest.raises(InvalidPortfolio, match="floating-point numbers as ObligorID, which lose digits"):
        simulate(host, run="r", portfolio="portfolios/p/", scenarios=10)


# ---------------------------------------------------------------------------------------------------------------------
# Concentration


def owing(owed: dict[str, list[float]]) -> list[Row]:
    """Loans of these exposures to each borrower; the loans of "" are borrowers of their own."""
    rows = [(obligor, exposure) for obligor, exposures in owed.items() for exposure in exposures]
    return [(f"A{i}", obligor, 0.02, exposure, 1.0, "personal") for i, (obligor, exposure) in enumerate(rows)]


@settings(max_examples=25)
@given(
    st.dictionaries(st.sampled_from(["", *"BCDEFGHIJKLMN"]), st.lists(st.integers(1, 500), min_size=1, max_size=4)),
    st.integers(1, 9),
)
def test_borrowers_are_added_up_over_chunks(owed: dict[str, list[float]], chunk_loans: int) -> None:
    owed = {"B": [1.0], **owed}
    rows = owing(owed)
    result, _ = run([rows[::-1]], scenarios=5, chunk_loans=chunk_loans)
    totals = {name: (sum(exposures), len(exposures)) for name, exposures in owed.items() if name}
    totals |= {row[0]: (row[3], 1) for row in rows if not row[1]}
    found, whole = result["portfolio"]["borrowers"], sum(total for total, _ in totals.values())
    assert found["number"] == len(totals)
    assert found["hhi"] == pytest.approx(sum(total**2 for total, _ in totals.values()) / whole**2)
    assert found["effective"] == round(1 / found["hhi"])
    assert len(found["largest"]) == min(10, len(totals))
    largest = [(one["exposure"], one["loans"]) for one in found["largest"]]
    assert [total for total, _ in largest] == sorted((total for total, _ in totals.values()), reverse=True)[:10]
    assert all(totals[one["borrower"]] == (one["exposure"], one["loans"]) for one in found["largest"])
    assert [one["share"] for one in found["largest"]] == pytest.approx([total / whole for total, _ in largest])


def test_a_sample_estimates_the_borrowers_and_names_none() -> None:
    rows = owing({f"B{i}": [100.0] * 4 for i in range(200)})
    result, _ = run([rows], sample=2, scenarios=5)
    found, simulated = result["portfolio"]["borrowers"], result["loans"]["simulated"]
    assert found["number"] == simulated // 4 * 2
    assert found["hhi"] == pytest.approx(1 / found["number"])
    assert (found["one_in"], found["largest"]) == (2, [])
    # Equal borrowers, half of them simulated: the root of 1 / 2 over their number, not over that of the loans.
    assert result["sampling"]["relative_error"] == pytest.approx((0.5 / (simulated // 4)) ** 0.5)


def test_borrowers_that_only_later_files_name_are_not_missed() -> None:
    """The planner looks at 32 files: here every second of 64, and one between them alone has the column."""
    host = MemoryHost()
    for number in range(64):
        named = number == 33
        text = f"AccountID,{'ObligorID,' * named}PD,EAD\nA{number},{'B,' * named}0.1,100\n"
        host.s3.objects[f"portfolios/p/{number:02}.csv"] = text.encode()
    with pytest.raises(InvalidPortfolio, match="ObligorID, but not the first ones"):
        simulate(host, run="r", portfolio="portfolios/p/", scenarios=10)
    assert "runs/r/result.json" not in host.s3.objects


def test_no_borrowers_no_word_of_them() -> None:
    host = MemoryHost()
    host.s3.objects["portfolios/p/0.csv"] = b"AccountID,PD,EAD\nA,0.1,100\n"
    result = simulate(host, run="r", portfolio="portfolios/p/", scenarios=10)
    assert "borrowers" not in result["portfolio"]
    assert not [key for key in host.s3.objects if "obligors" in key]
