"""RecordFailure: the error of the chunk that failed, in words, where the user looks."""

import json
import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from montecarlo.steps import record_failure
from montecarlo.storage import keys
from tests.memory_run import MemoryHost


def record(host: MemoryHost, error: str, cause: str, request: Any = None) -> dict[str, Any]:
    failure = {"Error": error, "Cause": cause}
    return record_failure.step({"request": request or {}, "execution": "june", "failure": failure}, host)


def test_a_functions_error_is_taken_from_its_cause(portfolio: MemoryHost) -> None:
    cause = json.dumps({"errorMessage": "portfolios/none/ holds no object.", "errorType": "InvalidPortfolio"})
    recorded = record(portfolio, "InvalidPortfolio", cause)
    assert recorded == {"run": "june", "error": "InvalidPortfolio", "cause": "portfolios/none/ holds no object."}
    assert portfolio.json(keys.failure("june")) == recorded
    page = portfolio.s3.objects[keys.failure_page("june")].decode()
    assert all(text in page for text in ("june", "InvalidPortfolio", "portfolios/none/ holds no object.", "What to do"))
    assert keys.report("june") not in portfolio.s3.objects  # which an earlier execution may have left


def test_a_cause_of_half_characters_and_markup_makes_a_page_too(portfolio: MemoryHost) -> None:
    recorded = record(portfolio, "<b>Error", '\ud800 <script>alert(1)</script> "quoted"')
    assert portfolio.json(keys.failure("june")) == recorded
    page = portfolio.s3.objects[keys.failure_page("june")].decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_the_first_failed_chunk_is_named(portfolio: MemoryHost) -> None:
    chunk = {"run": "june", "group": 0, "chunk": 2, "slices": [{"key": "a.csv", "size": 1, "format": "csv"}]}
    cause = json.dumps({"errorMessage": "the roof is on fire", "errorType": "RuntimeError"})
    children = [
        {"Status": "ABORTED", "Input": json.dumps({**chunk, "chunk": 1})},
        {"Status": "FAILED", "Input": json.dumps(chunk), "Error": "RuntimeError", "Cause": cause},
    ]
    portfolio.s3.objects[f"{keys.map_results('june', 0)}/run/FAILED_0.json"] = json.dumps(children).encode()
    recorded = record(portfolio, "States.ExceedToleratedFailureThreshold", "too many failed")
    assert recorded["error"] == "RuntimeError"
    assert recorded["cause"] == "group 0, chunk 2 (a.csv): the roof is on fire"


CHILD = st.fixed_dictionaries({"Status": st.sampled_from(["ABORTED", "SUCCEEDED"]), "Input": st.text()})


@given(st.lists(CHILD, max_size=8), st.integers(1, 40), st.sampled_from([None, 0, 2]))
def test_children_are_read_one_by_one_wherever_the_blocks_end(
    children: list[dict[str, str]], block: int, indent: int | None
) -> None:
    data = json.dumps(children, ensure_ascii=False, indent=indent).encode()
    blocks = [data[start : start + block] for start in range(0, len(data), block)]
    assert list(record_failure._elements(blocks)) == children


def test_a_large_record_of_children_is_not_held_as_a_whole(portfolio: MemoryHost) -> None:
    """64 MB of aborted children before the one that timed out."""
    aborted = json.dumps({"Status": "ABORTED", "Input": "x" * 1_000_000})
    timed_out = json.dumps({"Status": "TIMED_OUT", "Error": "States.Timeout", "Cause": ""})
    large = f"[{','.join([aborted] * 64)},{timed_out},{aborted}]".encode()
    portfolio.s3.objects[f"{keys.map_results('june', 0)}/run/FAILED_0.json"] = large
    tracemalloc.start()
    recorded = record(portfolio, "States.ExceedToleratedFailureThreshold", "too many failed")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert recorded["error"] == "States.Timeout"
    assert peak < len(large) + 20_000_000  # the memory bucket hands out one copy of the object
