"""Plan: what a run shall be is written once; a run of the same name is refused where it would be another."""

from typing import Any

import pytest

from montecarlo.errors import InvalidInput, InvalidPortfolio, RunTaken
from montecarlo.run.plan import read
from montecarlo.steps import plan, record_failure
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, generate, simulate
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
        ({"seed": 7}, r"seed \(42, not 7\)"),
        ({"chunk_loans": 99}, r"chunk_loans \(100, not 99\)"),
        ({"fed_rate": 9}, "cases"),
        ({"as_of": "2025-12-31"}, r'as_of \("2026-01-01", not "2025-12-31"\)'),
    ],
)
def test_another_run_of_the_same_name_is_refused(finished: MemoryHost, change: dict[str, Any], message: str) -> None:
    with pytest.raises(RunTaken, match=f"run june exists already, and differs in .*{message}"):
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


NIGHT = "2026-02-03T02:05:59.123Z"


@pytest.mark.parametrize(
    ("run", "named"),
    [
        ("nightly-{date}", "nightly-2026-02-03"),
        ("{date}-{time}.{date}", "2026-02-03-0205.2026-02-03"),
        ("june", "june"),
    ],
)
def test_a_run_is_named_after_when_its_execution_was_started(portfolio: MemoryHost, run: str, named: str) -> None:
    event = {"request": {**REQUEST, "run": run}, "execution": "x", "started": NIGHT}
    assert plan.step(event, portfolio)["run"] == plan.step(event, portfolio)["run"] == named
    assert portfolio.json(keys.request(named))["run"] == named  # to be resumed on another day
    failure = {"Error": "InvalidInput", "Cause": "something"}
    failed = record_failure.step({**event, "failure": failure}, portfolio)
    assert failed["run"] == named


def test_an_execution_without_a_name_for_its_run_gives_its_own(portfolio: MemoryHost) -> None:
    request = {name: value for name, value in REQUEST.items() if name != "run"}
    assert plan.step({"request": request, "execution": "a-b", "started": NIGHT, "wave": 0}, portfolio)["run"] == "a-b"


@pytest.mark.parametrize("run", ["{Date}", "{date", "{date}/..", "{}", "a{time}b c"])
def test_other_words_in_braces_are_no_name(portfolio: MemoryHost, run: str) -> None:
    event = {"request": {**REQUEST, "run": run}, "execution": "x", "started": NIGHT, "wave": 0}
    with pytest.raises(InvalidInput, match="run must be 1 to 80 letters"):
        plan.step(event, portfolio)
    assert not [key for key in portfolio.s3.objects if key.startswith("runs/")]


def test_a_start_that_is_no_time_is_refused(portfolio: MemoryHost) -> None:
    with pytest.raises(InvalidInput, match="started must be a time"):
        plan.step({"request": REQUEST, "execution": "x", "started": "yesterday", "wave": 0}, portfolio)


def test_waves_that_no_execution_can_hold_are_told_by_what_asks_for_them() -> None:
    host = MemoryHost()
    manifest = generate(host, name="small", loans=100)
    with pytest.raises(InvalidInput, match=r"max_scenarios 200,000 would take 2,000 waves of 100 .* \(--scenarios\)"):
        simulate(host, run="r", portfolio=manifest, scenarios=100, target_error=0.01)
    result = simulate(host, run="r", portfolio=manifest, scenarios=100, target_error=0.9, max_scenarios=400)
    assert result["waves"]["count"] >= 1
