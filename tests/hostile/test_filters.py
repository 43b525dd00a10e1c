"""Filters that would lie, steal or break: values that look like markup, rows that come late, and no loan at all."""

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from montecarlo.errors import InvalidInput, InvalidPortfolio, RunTaken
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, dataproc, simulate

PLACE = "portfolios/mine/loans.parquet"
REQUEST: dict[str, Any] = {"run": "r", "portfolio": PLACE, "scenarios": 200, "as_of": "2026-01-01"}


@pytest.fixture
def host() -> MemoryHost:
    """1,500 loans of which the last 300 are in the town, with borrowers; the others have none."""
    table = pa.table(
        {
            "AccountID": [str(loan) for loan in range(1_500)],
            "PD": [0.05] * 1_500,
            "EAD": [1_000.0] * 1_500,
            "town": ["elsewhere"] * 1_200 + ["<b>here</b>"] * 300,
            "ObligorID": pa.array([None] * 10 + ["x"] * 990 + [None] * 200 + ["y"] * 300, pa.string()),
        }
    )
    made, buffer = MemoryHost(), io.BytesIO()
    pq.write_table(table, buffer)
    made.s3.objects[PLACE] = buffer.getvalue()
    return made


def test_loans_that_come_late_are_aimed_at_and_their_borrowers_known(host: MemoryHost) -> None:
    result = simulate(host, **REQUEST, filter=[["town", "==", "<b>here</b>"]])
    assert result["loans"]["simulated"] == 300
    assert result["loans"]["filtered"] == 1_200
    assert result["portfolio"]["borrowers"]["number"] == 1
    assert result["sampling"]["method"] == "mixture"


def test_a_filter_is_no_markup_in_the_report(host: MemoryHost) -> None:
    simulate(host, **REQUEST, filter=[["town", "==", "<b>here</b>"]])
    page = host.s3.objects[keys.report("r")].decode()
    assert "<b>here" not in page
    assert "&lt;b&gt;here&lt;/b&gt;" in page


def test_no_loan_at_all_is_said_and_publishes_nothing(host: MemoryHost) -> None:
    with pytest.raises(InvalidPortfolio, match="no loan to simulate: 1,500 rows, 0 rejected and 1,500 left out by the"):
        simulate(host, **REQUEST, filter=[["town", "==", "nowhere"]])
    assert keys.result("r") not in host.s3.objects


def test_a_run_that_goes_on_keeps_its_filter(host: MemoryHost) -> None:
    chosen = [["town", "==", "elsewhere"]]
    first = simulate(host, **REQUEST, filter=chosen)
    before = dict(host.s3.objects)
    others: list[dict[str, Any]] = [{}, {"filter": [["town", "!=", "elsewhere"]]}, {"filter": [chosen]}]
    for other in others:
        with pytest.raises(RunTaken, match=r"differs in .*filter"):
            dataproc(host, **REQUEST, **other)
    assert host.s3.objects == before
    request = json.loads(host.s3.objects[keys.request("r")])
    assert request["filter"] == chosen
    assert simulate(host, **request)["cases"] == first["cases"]


@pytest.mark.parametrize(
    "given", [[[[["a", "==", 1]]]], [[["a", "==", [[1]]]]], {"a": 1}, [["a\u0000", "==", "\ud800"]]]
)
def test_what_is_no_filter_is_refused_before_anything_is_written(host: MemoryHost, given: Any) -> None:
    before = dict(host.s3.objects)
    with pytest.raises(InvalidInput, match="filter"):
        dataproc(host, **REQUEST, filter=given)
    assert host.s3.objects == before


def test_no_cell_of_a_row_is_in_an_error(host: MemoryHost) -> None:
    with pytest.raises(InvalidPortfolio) as raised:
        simulate(host, **REQUEST, filter=[["town", ">", 3]])
    assert "elsewhere" not in str(raised.value)
    assert "not a finite number, which the filter compares" in str(raised.value)
