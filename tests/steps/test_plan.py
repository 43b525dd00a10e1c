"""Plan: what a run shall be is written once; a run of the same name is refused where it would be another."""

from typing import Any

import pytest

from montecarlo.errors import InvalidInput, InvalidPortfolio, RunTaken
from montecarlo.run.plan import read
from montecarlo.steps import plan
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, simulate
from tests.steps.conftest import REQUEST


def plan_run(host: MemoryHost, wave: int = 0, **changes: Any) -> dict[str, Any]:
    return plan.step({"request": {**REQUEST, **changes}, "execution": "execution", "wave": wave}, host)


def test_it_returns_the_groups_and_their_pace(portfolio: MemoryHost) -> None:
    planned = plan_run(portfolio, max_concurrency=7)
    plan = read(portfolio.store, "june").digest
    assert planned == {
        "run": "june", "plan": plan, "wave": 0, "max_groups": 1,
        "groups": [{"run": "june", "plan": plan, "group": 0, "max_concurrency": 7}],
    }  # fmt: skip


def test_the_execution_names_a_run_that_has_no_name(portfolio: MemoryHost) -> None:
    assert plan_run(portfolio, run=None)["run"] == "execution"


def test_a_second_wave_has_its_own_plan_and_scenarios_and_the_same_chunks(finished: MemoryHost) -> None:
    planned = plan_run(finished, wave=1)
    assert [group["run"] for group in planned["groups"]] == [keys.wave("june", 1)]
    first, second = (finished.json(keys.plan(keys.wave("june", wave))) for wave in (0, 1))
    assert {name for name in first if first[name] != second[name]} == {"run", "wave", "scenarios_digest", "sha256"}
    chunks = [finished.json(keys.group_chunks(keys.wave("june", wave), 0)) for wave in (0, 1)]
    assert [chunk["slices"] for chunk in chunks[0]] == [chunk["slices"] for chunk in chunks[1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 7}, r"another seed \(42, not 7\)"),
        ({"chunk_loans": 99}, r"another chunk_loans \(100, not 99\)"),
        ({"fed_rate": 9}, "another cases"),
        ({"as_of": "2025-12-31"}, r'another as_of \("2026-01-01", not "2025-12-31"\)'),
    ],
)
def test_another_run_of_the_same_name_is_refused(finished: MemoryHost, change: dict[str, Any], message: str) -> None:
    with pytest.raises(RunTaken, match=f"run june exists already, with {message}"):
        plan_run(finished, **change)


def test_how_fast_and_whether_it_is_published_may_change(finished: MemoryHost) -> None:
    before = finished.json(keys.result("june"))
    again = simulate(finished, **REQUEST, max_concurrency=1, max_rejected_share=0.5)
    assert again["cases"] == before["cases"]
    assert finished.json(keys.plan("june"))["max_rejected_share"] == 0.5


def test_a_portfolio_that_is_not_there_is_refused_and_leaves_the_name_free(portfolio: MemoryHost) -> None:
    with pytest.raises(InvalidPortfolio, match="portfolios/none/ holds no object"):
        plan_run(portfolio, portfolio="portfolios/none/")
    assert plan_run(portfolio)["run"] == "june"


def test_sums_that_would_not_fit_are_refused_before_anything_is_written(portfolio: MemoryHost) -> None:
    cases = {f"rate-{rate}": {"fed_rate": rate} for rate in range(16)}
    with pytest.raises(InvalidInput, match=r"take [\d,]+ MB where they are added up, and there are 1,769: ask for"):
        plan_run(portfolio, scenarios=1_000_000, cases=cases)
    with pytest.raises(InvalidInput, match=r"200 waves.* or for a lower max_scenarios"):
        plan_run(portfolio, scenarios=10_000, target_error=0.01, max_scenarios=2_000_000)
    assert keys.plan("june") not in portfolio.s3.objects
