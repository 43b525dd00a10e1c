"""Ctrl-C while a run is watched: it asks whether to leave the run going, to cancel it or to watch on."""

import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from cli import RunFailed, simulation
from cli.deployment import Stack
from cli.execution import Execution
from cli.main import main


class States:
    """Step Functions, of which a stop is remembered."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def stop_execution(self, cause: str, **_: Any) -> None:
        self.stopped.append(cause)


def interrupted(
    answer: str | None, monkeypatch: pytest.MonkeyPatch, stays: bool = True
) -> tuple[States, list[int], bool]:
    """Watch a run, press Ctrl-C once, and answer; returns what was asked of AWS, the looks, and whether it ended.

    answer: None where there is no terminal, empty for the end of the input, or Ctrl-C again.
    """
    states, looks = States(), list[int]()

    def watched(*_: Any) -> dict[str, Any]:
        looks.append(1)
        if len(looks) == 1:
            raise KeyboardInterrupt
        return {}

    def answered(*_: Any, **__: Any) -> str:
        if not answer:
            raise typer.Abort
        return answer

    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: answer is not None, raising=False)
    monkeypatch.setattr(simulation, "watched", watched)
    monkeypatch.setattr("typer.prompt", answered)
    monkeypatch.setattr("cli.results.download", lambda *_, **__: [])
    monkeypatch.setattr(simulation, "present", lambda _: None)
    ending = simulation.Ending(Path("out"), Path("out-failed"), stays=stays)
    stack = Stack(None, {})  # type: ignore[arg-type]
    try:
        simulation.finish(stack, Execution(states, "arn:x:june"), "june", ending)
    except KeyboardInterrupt:
        return states, looks, False
    return states, looks, True


@pytest.mark.parametrize("answer", ["l", ""])
def test_it_is_left_going(answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    states, looks, ended = interrupted(answer, monkeypatch)
    assert (states.stopped, len(looks), ended) == ([], 1, False)
    told = capsys.readouterr().err
    assert "The run june goes on." in told
    assert "watch june" in told
    assert "cancel june" in told


def test_it_is_cancelled(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    states, looks, ended = interrupted("cancel", monkeypatch)
    assert (states.stopped, len(looks), ended) == (["cancelled by the user"], 1, False)
    assert "resume june" in capsys.readouterr().err


def test_it_is_watched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    states, looks, ended = interrupted("w", monkeypatch)
    assert (states.stopped, len(looks), ended) == ([], 2, True)


def test_where_nobody_can_be_asked_it_is_left_going(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    states, _, ended = interrupted(None, monkeypatch)
    assert (states.stopped, ended) == ([], False)
    assert "goes on" in capsys.readouterr().err


def test_one_that_ends_with_the_command_is_not_asked_about(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    states, _, ended = interrupted("l", monkeypatch, stays=False)
    assert (states.stopped, ended) == ([], False)
    assert "goes on" not in capsys.readouterr().err


def test_a_command_that_is_interrupted_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.place.Place.find", interrupt)
    assert main(["list"]) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("there", [True, False])
def test_a_failure_names_places_that_are_there(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bucket of an embedded AWS that ends with the command is none; and no folder is as it was that never was."""

    def failing(*_: Any) -> dict[str, Any]:
        raise RunFailed("FAILED", "InvalidPortfolio", "The AccountIDs are in s3://data/runs/june/duplicates.parquet.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(simulation, "watched", failing)
    monkeypatch.setattr("cli.results.download", lambda *_, **__: ["duplicates.parquet"])
    ending = simulation.Ending(tmp_path / "out", tmp_path / "out-failed", stays=False)
    if there:
        ending.out.mkdir()
    stack = Stack(None, {"DataBucket": "data"})  # type: ignore[arg-type]
    with pytest.raises(RunFailed, match=r"are in out-failed/duplicates\.parquet\.$"):
        simulation.finish(stack, Execution(States(), "arn:x:june"), "june", ending)
    told = capsys.readouterr().err
    assert "What the run left is in out-failed" in told
    assert ("out is as it was" in told) == there
