"""Aggregate: complete or nothing."""

from typing import Any

import pytest

from montecarlo.errors import IncompleteRun, InvalidPortfolio
from montecarlo.report.headline import headline
from montecarlo.steps import aggregate
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, figures, simulate
from tests.steps.conftest import REQUEST

EVENT = {"run": "june", "wave": 0}


def test_it_publishes_and_says_where(finished: MemoryHost, outputs: list[dict[str, Any]]) -> None:
    result = finished.json(keys.result("june"))
    before = figures(result)
    output = aggregate.step(EVENT, finished)
    for each in (output, outputs[-1]):  # what the seconds cost is another each time
        each["headline"] = headline(result)
    assert outputs[-1] == output == {
        "run": "june", "wave": 0, "more": False, "result": keys.result("june"), "report": keys.report("june"),
        "headline": headline(result),
        "places": {
            "result": "s3://bucket/runs/june/result.json", "report": "s3://bucket/runs/june/report.html",
            "losses": "s3://bucket/runs/june/losses.parquet", "segments": "s3://bucket/runs/june/segments.parquet",
            "loans": "s3://bucket/runs/june/loans/",
        },
        "console": {"result": f"https://console/{keys.result('june')}", "report": f"https://console/{keys.report('june')}"},
    }  # fmt: skip
    assert figures(finished.json(keys.result("june"))) == before
    assert before["loans"] == {"read": 300, "simulated": 300, "rejected": 0, "not_sampled": 0}


@pytest.mark.parametrize("chunk_loans", [1, 60, 300])
def test_the_size_of_the_chunks_does_not_change_a_figure(finished: MemoryHost, chunk_loans: int) -> None:
    other = simulate(finished, **{**REQUEST, "run": "other", "chunk_loans": chunk_loans})
    assert figures(other) == figures(finished.json(keys.result("june")))


def test_a_group_that_lacks_a_chunk_is_found(finished: MemoryHost) -> None:
    objects = finished.s3.objects
    objects[keys.group_partial("june", 0)] = objects[keys.chunk_partial("june", 0, 1)]
    del objects[keys.result("june")]
    with pytest.raises(IncompleteRun, match="3 of 4 chunks of group 0 are missing"):
        aggregate.step(EVENT, finished)
    assert keys.result("june") not in objects


def test_too_many_rejects_fail_the_run(portfolio: MemoryHost) -> None:
    header = b"AccountID,PD,EAD\n"
    portfolio.s3.objects["portfolios/bad/a.csv"] = header + b"A,0.1,5\nB,0.1,bad\nC,0.1,worse\n"
    with pytest.raises(InvalidPortfolio, match=r"2 of 3 rows were rejected.*EAD is not a finite number"):
        simulate(portfolio, **{**REQUEST, "portfolio": "portfolios/bad/"})
    assert keys.result("june") not in portfolio.s3.objects


def test_a_portfolio_without_rows_is_told_from_one_whose_rows_are_all_rejected(portfolio: MemoryHost) -> None:
    header = b"AccountID,PD,EAD\n"
    request = {**REQUEST, "portfolio": "portfolios/bad/", "max_rejected_share": 1}
    portfolio.s3.objects["portfolios/bad/a.csv"] = header
    with pytest.raises(InvalidPortfolio, match=r"portfolio \S+ has no rows\.$"):
        simulate(portfolio, **request)
    portfolio.s3.objects["portfolios/bad/a.csv"] = header + b"A,0.1,bad\n"
    with pytest.raises(InvalidPortfolio, match="has no loan to simulate: 1 rows, 1 rejected"):
        simulate(portfolio, **{**request, "run": "july"})


def test_waves_are_added_until_the_target_is_met(portfolio: MemoryHost) -> None:
    request = {**REQUEST, "scenarios": 400, "target_error": 0.03, "target_measure": "ul", "max_scenarios": 4_000}
    result = simulate(portfolio, **request)
    assert result["waves"]["reached"]
    assert result["scenarios"] == 400 * result["waves"]["count"] > 400
