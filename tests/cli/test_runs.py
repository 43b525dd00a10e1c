"""Runs that were begun: cancelled and resumed from the command line."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from cli.execution import Execution, RunFailed
from montecarlo.storage import keys
from tests.deployed import Cloud, Montecarlo, figures, refused

LOANS = 5_000
REQUEST: dict[str, Any] = {
    "portfolio": "portfolios/commanded/",
    "scenarios": 1_000,
    "chunk_loans": 250,
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
    with refused(cloud.stack, "SimulateChunk"):  # so that it does not end before it is cancelled
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

    status, out, err = montecarlo("watch", "cancelled", "--out", tmp_path / "watched")
    assert status == 0, err
    assert "The run cancelled is done already." in err
    assert "Economic capital" in out
    assert (tmp_path / "watched" / "result.json").read_bytes() == (tmp_path / "out" / "result.json").read_bytes()

    status, _, err = montecarlo("resume", "cancelled", "--out", tmp_path / "resumed")
    assert status == 0, err
    assert "The run cancelled is done already." in err
    status, _, err = montecarlo("run", "--loans", 5, "--name", "cancelled", "--dry-run")
    assert status == 2
    assert "there is a run cancelled already" in err

    status, _, err = montecarlo("cancel", "cancelled")
    assert status == 2
    assert "is not under way: it is done" in err
    status, _, err = montecarlo("resume", "never-was", "--out", tmp_path / "none")
    assert status == 2
    assert "there is no run never-was" in err


def test_a_run_is_cancelled_and_resumed_before_it_was_planned(
    cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path
) -> None:
    """Stopped at once, so that no plan is there: the execution's own input is what continues it."""
    cloud.generate(name="early", loans=500)
    states, machine = cloud.stack.client("stepfunctions"), cloud.stack.outputs["DataProcStateMachineArn"]
    execution = Execution.start(
        states, machine, "early", {"portfolio": "portfolios/early/", "scenarios": 50, "as_of": "2026-01-01"}
    )
    execution.stop("at once")
    assert not [key for key in cloud.keys("runs/early/") if key.endswith("request.json")]
    status, _, err = montecarlo("resume", "early", "--out", tmp_path / "out")
    assert status == 0, err
    assert json.loads((tmp_path / "out" / "result.json").read_text())["scenarios"] == 50


def test_a_run_that_was_cancelled_is_deleted_once_and_for_all(
    cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path
) -> None:
    """Stopped before its plan, too, when nothing of it lies in the bucket; until it is begun again."""
    states, machine = cloud.stack.client("stepfunctions"), cloud.stack.outputs["DataProcStateMachineArn"]
    request = {"run": "undone", "portfolio": "portfolios/nothing/"}
    Execution.start(states, machine, "undone", request).stop("at once")
    assert "Continue it with: montecarlo resume undone" in montecarlo("show", "undone")[1]
    status, _, err = montecarlo("delete", "undone", "--yes")
    assert status == 0, err
    assert "undone" not in montecarlo("list")[1]
    for command in (("show", "undone"), ("delete", "undone", "--yes"), ("resume", "undone", "--out", tmp_path / "out")):
        status, _, err = montecarlo(*command)
        assert status == 2
        assert "there is no run undone" in err

    cloud.stack.client("s3").put_object(Bucket=cloud.stack.bucket, Key=keys.chunk_partial("undone", 0, 0), Body=b"late")
    assert "undone" in montecarlo("list")[1], "a chunk that was at work has come since"
    assert montecarlo("delete", "undone", "--yes")[0] == 0
    assert "undone" not in montecarlo("list")[1]

    Execution.start(states, machine, "undone-again", request).stop("at once")
    assert "Run undone is cancelled" in montecarlo("show", "undone")[1]
    assert montecarlo("delete", "undone", "--yes")[0] == 0


def test_one_that_is_stopped_says_so_in_a_sentence(cloud: Cloud) -> None:
    states, machine = cloud.stack.client("stepfunctions"), cloud.stack.outputs["DataProcStateMachineArn"]
    execution = Execution.start(states, machine, "stopped", {"portfolio": "portfolios/nothing/"})
    execution.stop("")
    with pytest.raises(RunFailed) as failed:
        execution.wait()
    assert failed.value.in_words().startswith("The run was cancelled")
    assert "unknown" not in failed.value.in_words()
