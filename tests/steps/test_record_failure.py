"""RecordFailure: the error of the chunk that failed, in words, where the user looks."""

import json
from typing import Any

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
