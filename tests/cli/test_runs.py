"""Runs that were begun: cancelled and resumed from the command line."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from cli.execution import Execution, RunFailed
from montecarlo.storage import keys
from tests.deployed import Cloud, Montecarlo, figures

LOANS = 16_000
REQUEST: dict[str, Any] = {
    "portfolio": "portfolios/commanded/",
    "scenarios": 4_000,
    "chunk_loans": 500,
    "max_concurrency": 1,  # one group, and a long way to go when it is cancelled
}


def test_a_run_is_cancelled_and_resumed(cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path) -> None:
    cloud.generate(name="commanded", loans=LOANS)
    undisturbed = cloud.simulate(run="commanded-whole", **REQUEST)
    states, machine = cloud.stack.client("stepfunctions"), cloud.stack.outputs["DataProcStateMachineArn"]
    execution = Execution.start(states, machine, "cancelled", {"run": "cancelled", **REQUEST})
    partials = keys.chunk_partials("cancelled", 0)
    deadline = time.monotonic() + 60
    while not cloud.keys(partials) and time.monotonic() < deadline:
        time.sleep(0.05)
    status, out, err = montecarlo("cancel", "cancelled")
    assert status == 0, err
    assert "montecarlo resume cancelled" in out
    with pytest.raises(RunFailed, match="ABORTED"):
        execution.wait()
    time.sleep(1)
    done = len(cloud.keys(partials))
    assert 0 < done < LOANS / REQUEST["chunk_loans"], "children that had not begun do not begin any more"

    status, out, err = montecarlo("resume", "cancelled", "--out", tmp_path / "out")
    assert status == 0, err
    todo = json.loads(cloud.read(keys.group_todo("cancelled", 0)))
    assert len(todo) == LOANS // REQUEST["chunk_loans"] - done
    assert figures(json.loads((tmp_path / "out" / "result.json").read_text())) == figures(undisturbed)

    assert montecarlo("cancel", "cancelled")[0] == 2
    status, _, err = montecarlo("resume", "never-was", "--out", tmp_path / "none")
    assert status == 2
    assert "there is no run never-was" in err
