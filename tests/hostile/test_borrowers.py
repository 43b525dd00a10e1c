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
    assert expected["portfolio"]["concentration"] == found["portfolio"]["concentration"]


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
