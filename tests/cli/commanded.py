"""What a user does with a stack from the command line, the same whoever deployed it and wherever it is."""

import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.main import main
from cli.place import Place
from tests.deployed import Montecarlo, figures, refused

LOANS = 6_000


def on_stack(
    name: str, environment: Mapping[str, str], capfd: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
) -> Montecarlo:
    """The command on a stack of which it knows no more than the name, the Region and the user's own AWS settings."""
    patch.setenv("MONTECARLO_STACK", name)
    for variable, value in environment.items():
        patch.setenv(variable, value)
    patch.setattr("embedded_aws.server.find_running", lambda _: None)

    def command(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        return status, *capfd.readouterr()

    return command


def a_runs_life(montecarlo: Montecarlo, folder: Path) -> None:
    """Run, list, show, download, export, cancel, watch, resume, delete: by nothing but the stack's name."""
    request = ("--loans", LOANS, "--scenarios", 1_000, "--chunk-loans", 400, "--concurrency", 2)
    status, out, err = montecarlo("run", *request, "--name", "commanded", "--out", folder / "commanded")
    assert status == 0, err
    assert "Economic capital" in out
    whole = json.loads((folder / "commanded" / "result.json").read_text())
    assert whole["loans"]["simulated"] == LOANS

    status, _, err = montecarlo("run", *request, "--name", "commanded", "--out", folder / "again")
    assert status == 2
    assert "there is a run commanded already" in err

    assert montecarlo("list")[1].splitlines()[1].split()[:2] == ["commanded", "done"]
    status, out, _ = montecarlo("show", "commanded")
    assert out.startswith("Run commanded is done")
    assert json.loads(montecarlo("show", "commanded", "--json")[1]) == whole

    assert montecarlo("download", "commanded", "--out", folder / "copy")[0] == 0
    for name in ("result.json", "report.html", "losses.parquet"):
        assert (folder / "copy" / name).read_bytes() == (folder / "commanded" / name).read_bytes()

    assert montecarlo("export", "commanded", folder / "whole.xlsx")[0] == 0
    assert (folder / "whole.xlsx").read_bytes()[:2] == b"PK"
    assert montecarlo("export", "commanded", folder / "csv")[0] == 0
    exported = (folder / "csv" / "loans.csv").read_text().splitlines()
    assert len(exported) == LOANS + 1

    # Cancelled while another command watches it, which says so. It cannot end before, as it is not added up.
    watching: list[tuple[int, str, str]] = []
    runner = threading.Thread(
        target=lambda: watching.append(montecarlo("run", *request, "--name", "cut", "--out", folder / "cut"))
    )
    with refused(Place(os.environ["MONTECARLO_STACK"]).find(), "Aggregate"):
        runner.start()
        deadline = time.monotonic() + 60
        while main(["cancel", "cut"]) and time.monotonic() < deadline:
            time.sleep(0.05)
    runner.join(60)
    assert watching
    assert watching[0][0] == 1
    assert "Run cut is cancelled" in montecarlo("show", "cut")[1]
    status, _, err = montecarlo("watch", "cut", "--out", folder / "cut")
    assert status == 2
    assert "it is cancelled" in err

    # Resumed while another command watches it to the end.
    resuming = threading.Thread(
        target=lambda: watching.append(montecarlo("resume", "cut", "--out", folder / "cut", "--json", "--quiet"))
    )
    resuming.start()
    deadline = time.monotonic() + 60
    while main(["watch", "cut", "--out", str(folder / "watched"), "--quiet"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    resuming.join(60)
    assert watching[1][0] == 0
    for seen in ("cut", "watched"):
        assert figures(json.loads((folder / seen / "result.json").read_text())) == figures(whole)

    assert montecarlo("delete", "cut")[0] == 2, "nobody is there to be asked"
    assert montecarlo("delete", "cut", "--yes")[0] == 0
    assert "cut" not in montecarlo("list")[1]
    status, _, err = montecarlo("show", "cut")
    assert status == 2
    assert "there is no run cut" in err
    status, _, err = montecarlo("resume", "cut", "--out", folder / "cut")
    assert status == 2, "what was deleted is not simulated again"
    assert "there is no run cut" in err
    assert montecarlo("delete", "commanded", "--yes")[0] == 0
