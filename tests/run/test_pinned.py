"""A run that takes another's scenarios: the same ones to the bit, whatever becomes of the other run, or a refusal."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from montecarlo.errors import InvalidInput, MonteCarloError, RunTaken
from montecarlo.model import tail_shift
from montecarlo.run.plan import Plan, read
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.run.sums import RunSums
from montecarlo.steps import aggregate, plan
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, figures, generate, simulate
from tests.memory_s3 import MemoryS3


@pytest.fixture(scope="module", autouse=True)
def _rough_aim() -> Iterator[None]:
    """Where scenarios are aimed is found roughly, for it takes most of the time of such small runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail_shift, "_DRAWS", 1_000)
        yield


@pytest.fixture(scope="module")
def _runs() -> dict[str, bytes]:
    host = MemoryHost()
    generate(host, name="june", loans=900, part_loans=300)
    generate(host, name="july", loans=900, part_loans=300, seed=7)
    simulate(host, run="june", portfolio="portfolios/june/", scenarios=200, seed=5, fed_rate=6.0)
    simulate(host, run="waves", portfolio="portfolios/june/", scenarios=200, target_error=0.0001, max_scenarios=600)
    return host.s3.objects


@pytest.fixture
def host(_runs: dict[str, bytes]) -> MemoryHost:
    """With two portfolios, and two runs over the first, one of three waves."""
    return MemoryHost(MemoryS3(dict(_runs)))


def pinned(host: MemoryHost, **request: Any) -> dict[str, Any]:
    return simulate(host, **{"run": "pinned", "portfolio": "portfolios/july/", "scenarios_from": "june", **request})


def losses(host: MemoryHost, run: str) -> dict[str, np.ndarray[Any, Any]]:
    table = pq.read_table(host.store.open(keys.losses(run)))
    return {name: table[name].to_numpy() for name in table.column_names}


@pytest.mark.parametrize("place", ["june", "s3://bucket/runs/june/", "s3://bucket/runs/june"])
def test_the_same_portfolio_has_the_same_losses_to_the_bit(host: MemoryHost, place: str) -> None:
    result = pinned(host, portfolio="portfolios/june/", scenarios_from=place, chunk_loans=400)
    source = result.pop("scenarios_from")
    assert source["run"] == place
    assert source["waves"] == 1
    assert source["tail_sample_size"]["pinned"] == source["tail_sample_size"]["own"] > 0
    assert figures(result) == figures(host.json(keys.result("june")))
    assert host.s3.objects[keys.losses("pinned")] == host.s3.objects[keys.losses("june")]


def test_another_portfolio_has_the_scenarios_though_its_own_would_be_others(host: MemoryHost) -> None:
    own = simulate(host, run="own", portfolio="portfolios/july/", scenarios=200, seed=5, fed_rate=6.0)
    result = pinned(host)
    assert (
        own["sampling"]["shift"] != result["sampling"]["shift"] == host.json(keys.result("june"))["sampling"]["shift"]
    )
    assert (result["seed"], result["cases"]["stressed"]["fed_rate"]) == (5, 6.0)
    assert np.array_equal(losses(host, "pinned")["weight"], losses(host, "june")["weight"])


def test_all_waves_are_taken_and_no_more(host: MemoryHost) -> None:
    result = pinned(host, scenarios_from="waves")
    assert (result["scenarios"], result["scenarios_from"]["waves"]) == (600, 3)
    assert "waves" not in result
    assert np.array_equal(losses(host, "pinned")["weight"], losses(host, "waves")["weight"])
    for wave in range(3):
        files = [host.s3.objects[keys.scenarios(keys.wave(run, wave))] for run in ("waves", "pinned")]
        assert files[0] == files[1]
    with pytest.raises(InvalidInput, match="run pinned has 3 waves"):
        plan.make_wave("pinned", 3, host.store)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 42}, r"differs in .*seed \(5, not 42\)"),
        ({"scenarios": 100}, r"differs in .*scenarios \(200, not 100\)"),
        ({"fed_rate": 8}, r"differs in .*cases.stressed.fed_rate \(6.0, not 8.0\)"),
        ({"cases": {"worse": {"fed_rate": 6}}}, r"differs in .*cases.stressed"),
        ({"parameters": {"base_fed_rate": 1}}, r"differs in .*parameters.base_fed_rate \(3.63, not 1.0\)"),
        ({"sample": 2}, r"differs in .*sample \(1, not 2\)"),
        ({"tail_sampling": False}, r"differs in .*tail_sampling \(true, not false\)"),
        ({"target_error": 0.1}, "no more: leave target_error out"),
        ({"scenarios_from": "none"}, r"runs/none/sums.npz does not exist: there is no such run, it is not done"),
        ({"scenarios_from": "june/waves/001"}, "must be the name of a run"),
        ({"scenarios_from": "../june"}, "must be the name of a run"),
        ({"scenarios_from": "s3://bucket/elsewhere/june/"}, "must be the name of a run"),
        ({"scenarios_from": ["june"]}, "must be the name of a run"),
        ({"scenarios_from": "pinned"}, "runs/pinned/sums.npz does not exist"),
    ],
)
def test_what_cannot_be_had_with_them_is_refused_and_named(
    host: MemoryHost, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        pinned(host, **change)
    assert not [key for key in host.s3.objects if key.startswith("runs/pinned/")]


def test_the_same_may_be_asked_for_in_words(host: MemoryHost) -> None:
    asked = {"seed": 5, "scenarios": 200, "fed_rate": 6, "sample": 1, "tail_sampling": True, "parameters": {}}
    assert figures(pinned(host, run="asked", **asked)) == figures(pinned(host))


def test_cases_may_have_other_probabilities_as_no_loss_depends_on_them(host: MemoryHost) -> None:
    def ask(run: str, probability: float | None, source: str = "june", **more: Any) -> dict[str, Any]:
        case = {"fed_rate": 6.0, **({} if probability is None else {"probability": probability})}
        return pinned(
            host, run=run, portfolio="portfolios/june/", scenarios_from=source, cases={"stressed": case}, **more
        )

    june = host.json(keys.result("june"))
    assert "weighted_ecl" not in june
    result = ask("weighed", 0.25)
    assert host.s3.objects[keys.losses("weighed")] == host.s3.objects[keys.losses("june")]
    for name, weighted in result["weighted_ecl"].items():
        base, stressed = (june["cases"][case]["ecl"][name] for case in ("base", "stressed"))
        assert weighted == pytest.approx(0.75 * base + 0.25 * stressed, abs=0.01)
    assert ask("others", 0.5, "weighed")["weighted_ecl"] != result["weighted_ecl"]
    assert "weighted_ecl" not in ask("none", None, "weighed")
    taken = pinned(host, run="taken", portfolio="portfolios/june/", scenarios_from="weighed")
    assert taken["weighted_ecl"] == result["weighted_ecl"]
    with pytest.raises(InvalidInput, match=r"differs in cases\.stressed\.fed_rate \(6\.0, not 7\.0\)\."):
        pinned(host, run="worse", scenarios_from="weighed", cases={"stressed": {"fed_rate": 7.0, "probability": 0.5}})


def test_another_model_is_refused(host: MemoryHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("montecarlo.run.pinned.MODEL_VERSION", "0")
    with pytest.raises(InvalidInput, match=r"differs in .*model version"):
        pinned(host)


def test_a_run_under_way_goes_on_when_the_other_is_gone_or_another(host: MemoryHost) -> None:
    request = {"run": "pinned", "portfolio": "portfolios/july/", "scenarios_from": "waves"}
    planned = plan.step({"request": request, "execution": "x"}, host)
    for key in [key for key in host.s3.objects if key.startswith("runs/waves/")]:
        del host.s3.objects[key]
    assert plan.step({"request": request, "execution": "y"}, host) == planned
    assert pinned(host, **host.json(keys.request("pinned")))["scenarios"] == 600
    with pytest.raises(InvalidInput, match="does not exist"):
        pinned(host, run="later", scenarios_from="waves")


def test_an_attempt_that_was_cut_off_takes_them_again(host: MemoryHost) -> None:
    done = figures(pinned(host, scenarios_from="waves"))
    again = MemoryHost(MemoryS3(dict(host.s3.objects)))
    del again.s3.objects[keys.scenarios(keys.wave("pinned", 2))]
    del again.s3.objects[keys.result("pinned")]
    assert figures(pinned(again, scenarios_from="waves")) == done


def test_a_pinned_run_is_no_run_of_its_own_and_the_other_way_round(host: MemoryHost) -> None:
    pinned(host)
    for run, scenarios_from in (("pinned", None), ("june", "waves"), ("pinned", "s3://bucket/runs/june/")):
        with pytest.raises((RunTaken, InvalidInput), match=r"run \w+ exists already, and differs in .*scenarios_from"):
            simulate(host, run=run, portfolio="portfolios/july/", scenarios_from=scenarios_from)


def test_scenarios_that_were_changed_are_refused(host: MemoryHost) -> None:
    key = keys.scenarios(keys.wave("waves", 1))
    host.s3.objects[key] = host.s3.objects[keys.scenarios("waves")]
    with pytest.raises(MonteCarloError, match="was changed since the plan was made"):
        pinned(host, scenarios_from="waves")
    host.s3.objects[keys.plan(keys.wave("waves", 1))] = host.s3.objects[keys.plan("waves")]
    with pytest.raises(InvalidInput, match="scenarios_from: the scenarios of the run waves are not those"):
        pinned(host, scenarios_from="waves", run="again")
    host.s3.objects[keys.sums("waves")] = host.s3.objects[keys.sums("waves")][:-100]
    with pytest.raises(InvalidInput, match=r"the run waves cannot be read: .*sums\.npz is damaged"):
        pinned(host, scenarios_from="waves", run="again")


def test_a_plan_without_them_is_written_as_before(host: MemoryHost) -> None:
    document = host.json(keys.plan("june"))
    assert not {"scenarios_from", "pinned", "tail_fit"} & set(document)
    found = read(host.store, "june")
    assert Plan.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_sums_are_those_that_the_result_was_made_of_and_name_no_loan(host: MemoryHost) -> None:
    sums = RunSums.from_bytes(host.s3.objects[keys.sums("waves")])
    plans = [read(host.store, keys.wave("waves", wave)) for wave in range(3)]
    assert sums.plan == plans[0].digest
    assert sums.scenarios == tuple(wave.scenarios_digest for wave in plans)
    totals = [aggregate.add_up(wave, host.store) for wave in plans]
    for part in totals[1:]:
        totals[0].append_scenarios(part)
    meta, arrays = totals[0].parts()
    again, stored = sums.total.parts()
    assert stored.keys() == arrays.keys()
    assert all(
        np.array_equal(stored[name], array) and stored[name].dtype == array.dtype for name, array in arrays.items()
    )
    assert again["profile"] == {**meta["profile"], "largest": []}
    assert meta["profile"]["largest"]
    assert sums.to_bytes() == host.s3.objects[keys.sums("waves")]
    assert ScenarioFile.from_bytes(host.s3.objects[keys.scenarios("waves")]).digest() == sums.scenarios[0]
