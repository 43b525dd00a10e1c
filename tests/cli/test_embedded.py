"""`up` and `down`: the embedded AWS that stays, also where its files are not what they were."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import place
from cli.main import main
from embedded_aws import server


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(place, "STATE", tmp_path)
    return tmp_path / "up"


@pytest.fixture
def up(state: Path) -> Iterator[server.Server]:
    running = server.start(state)
    yield running
    running.stop()


@pytest.mark.parametrize("damage", [b"\xff{", b'{"pid": "x"}'])
def test_a_server_whose_record_is_damaged_is_told_and_stopped(
    damage: bytes, up: server.Server, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if damage == b'{"pid": "x"}':  # all is there, but of another kind
        damage = (state / server.STATE_FILE).read_bytes().replace(str(up.pid).encode(), b'"x"')
    (state / server.STATE_FILE).write_bytes(damage)
    assert main(["up"]) == 2
    said = capsys.readouterr().err
    assert "server.json is damaged" in said
    assert "montecarlo down" in said
    assert main(["list"]) == 2
    assert main(["down"]) == 0
    assert capsys.readouterr().out == "The embedded AWS is stopped.\n"
    assert not server.is_healthy(up.endpoint)
    assert not state.exists()
    assert main(["down"]) == 0
    assert capsys.readouterr().out == "No embedded AWS was running.\n"


def test_one_that_is_about_to_start_is_not_taken_for_the_last(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lock of a server that ended names its process, whose number another program may have got by now."""
    state.mkdir()
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        (state / server.LOCK_FILE).write_text(str(bystander.pid))
        assert not server.stop_holder(state)
        lock = server.acquire_lock(state)
        assert main(["down"]) == 2
        assert "is starting" in capsys.readouterr().err
        assert state.is_dir(), "what it is about to write into"
        assert bystander.poll() is None
        os.close(lock)
    finally:
        bystander.kill()
        bystander.wait()


def test_a_file_in_place_of_the_folder_is_named(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state.write_text("")
    assert main(["up"]) == 2
    assert f"{state} is a file where the embedded AWS needs a folder: remove it." in capsys.readouterr().err
    assert main(["list"]) == 2
    assert "no embedded AWS is running" in capsys.readouterr().err
