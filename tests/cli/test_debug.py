"""`montecarlo invoke` runs every function on its sample event; `montecarlo env` writes what SAM needs to."""

import json
from pathlib import Path

import pytest

from cli.deployment import PROJECT
from tests.deployed import Cloud, Montecarlo

FUNCTIONS = {
    *("PlanParts", "GeneratePart", "WriteManifest"),
    *("Plan", "PlanGroup", "SimulateChunk", "ReduceGroup", "Aggregate", "RecordFailure"),
}


def test_one_function_runs_on_its_sample_event(montecarlo: Montecarlo) -> None:
    """The events of the two state machines, in the order of their states."""
    for name in (
        *("plan_parts", "generate_part", "write_manifest"),
        *("plan", "plan_group", "simulate_chunk", "reduce_group", "aggregate", "record_failure"),
    ):
        status, out, err = montecarlo("invoke", name, PROJECT / "events" / f"{name}.json")
        assert status == 0, f"{name}: {err}"
        assert json.loads(out)
    assert montecarlo("invoke", "Nonsense", PROJECT / "events" / "plan.json")[0] == 2


def test_the_environment_is_that_of_the_deployed_functions(
    cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = montecarlo("env")
    assert status == 0, err
    assert "sam local invoke SimulateChunk" in out
    written = json.loads((tmp_path / "env.json").read_text())
    assert set(written) == FUNCTIONS
    assert {variables["DATA_BUCKET"] for variables in written.values()} == {cloud.stack.bucket}
    assert montecarlo("env")[0] == 0, "it replaces its own"
    (tmp_path / "mine.json").write_text('{"secret": 1}')
    status, _, err = montecarlo("env", "--to", tmp_path / "mine.json")
    assert status == 2
    assert "not for these functions" in err
    assert json.loads((tmp_path / "mine.json").read_text()) == {"secret": 1}
