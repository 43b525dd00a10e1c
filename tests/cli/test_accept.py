"""`montecarlo accept` passes where a stack is right and says what is wrong where it is not.

`python -m tests.cli.test_accept` writes what it compares with, after a change of the model, of the state machines or of
the embedded AWS: it starts one, deploys and tries everything.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli import CommandError, acceptance, seen, speeds
from cli.deployment import Stack, deploy, functions
from cli.main import main
from cli.place import Place
from embedded_aws import server
from embedded_aws.profile import STRICT
from montecarlo import MODEL_VERSION
from montecarlo.cost.estimate import Speed
from montecarlo.storage import keys
from tests.deployed import Cloud, Montecarlo
from tests.memory_run import MemoryHost, generate, simulate

UNSTEADY = {
    "stopped": tuple(what for what in seen.COMPARED if what != "status"),  # the moment of the stop decides
    "resumed": ("events", "child_events", "result_files", "result_fields", "layout"),
    "children": ("child_events", "result_fields"),  # AWS keeps no history of Express children
}
"""What is not compared."""


def digest() -> str:
    """Of the run in memory, under this version of the model."""
    host = MemoryHost()
    manifest = generate(host, name="accept", **acceptance.PORTFOLIO)
    simulate(host, run="accept", portfolio=manifest, **acceptance.RUN)
    return acceptance.losses_digest(host.s3.objects[keys.losses("accept")])


def reference(found: dict[str, Any]) -> dict[str, Any]:
    """What the embedded AWS did, as names alone."""
    return {
        name: {
            what: entry[what] if isinstance(entry[what], str) else sorted(entry[what])
            for what in seen.COMPARED
            if what in entry and what not in UNSTEADY.get(name, ())
        }
        for name, entry in sorted(found.items())
    }


def test_the_digest_that_ships_is_that_of_this_version() -> None:
    shipped = json.loads(acceptance.EXPECTED.read_text(encoding="utf-8"))
    assert (shipped["model"], shipped["digest"]) == (MODEL_VERSION, digest()), (
        "a change of the model: run python -m tests.cli.test_accept"
    )


@pytest.fixture
def small_worker(cloud: Cloud) -> Iterator[None]:
    """SimulateChunk with less memory, which is filled sooner."""
    client, name = cloud.stack.client("lambda"), dict(functions(cloud.stack))["SimulateChunk"]
    usual = client.get_function_configuration(FunctionName=name)["MemorySize"]
    client.update_function_configuration(FunctionName=name, MemorySize=512)
    yield
    client.update_function_configuration(FunctionName=name, MemorySize=usual)


@pytest.mark.usefixtures("small_worker")
def test_a_stack_that_is_right_is_accepted_and_left_as_it_was(
    cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path
) -> None:
    def left() -> set[str]:
        states, iam = cloud.stack.client("stepfunctions"), cloud.stack.client("iam")
        machines = {each["name"] for each in states.list_state_machines()["stateMachines"]}
        roles = {each["RoleName"] for page in iam.get_paginator("list_roles").paginate() for each in page["Roles"]}
        return {*(key for key in cloud.keys("") if not key.startswith("deleted/accept-")), *machines, *roles}

    before = left()
    status, out, err = montecarlo("accept", "--to", tmp_path / "seen.json")
    assert status == 0, out + err
    assert [line.split()[0] for line in out.split("\n\n")[0].splitlines()] == ["ok"] * 6, (
        f"{out}\nIf the state machines or the embedded AWS have changed: run python -m tests.cli.test_accept"
    )
    assert left() == before
    assert "accept-" not in montecarlo("list")[1], "what was to fail is not listed either"
    text = (tmp_path / "seen.json").read_text()
    assert cloud.stack.outputs["DataProcStateMachineArn"].split(":")[4] not in text, "no account number"
    report = json.loads(text)
    assert report["differences"] == {}
    assert {name: entry["status"] for name, entry in report["seen"].items()} == {
        "datagen": "SUCCEEDED",
        "whole": "SUCCEEDED",
        "children": "SUCCEEDED",
        "stopped": "ABORTED",
        "resumed": "SUCCEEDED",
        "poisoned": "FAILED",
        "huge": "FAILED",
    }
    assert report["seen"]["resumed"]["layout"]["groups/<n>/group.json"] == 40
    assert report["seen"]["huge"]["child_error"] == "Runtime.OutOfMemory"
    assert report["reports"]["GeneratePart"]["number"] >= 40
    assert report["metrics"]["SimulateChunk"]["Errors"] >= 3, (
        "the first try of the chunk that is too large, and two more"
    )
    assert report["usd"] > 0

    status, usual, _ = montecarlo("estimate", "--loans", "1e9")
    status, calibrated, err = montecarlo("estimate", "--loans", "1e9", "--speeds", tmp_path / "seen.json")
    assert status == 0, err
    assert calibrated != usual
    assert speeds.read(tmp_path / "seen.json") != Speed()


@pytest.fixture
def unlike(monkeypatch: pytest.MonkeyPatch) -> acceptance.Acceptance:
    """An acceptance of a stack that is asked nothing."""
    monkeypatch.setattr(Stack, "client", lambda *_: None)
    tried = acceptance.Acceptance(Stack(None, {"DataBucket": "data"}), "accept-it")  # type: ignore[arg-type]
    tried.results["whole"] = {"versions": {"model": MODEL_VERSION}}
    return tried


def test_other_digits_are_refused(unlike: acceptance.Acceptance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.history.read", lambda *_: b"losses")
    monkeypatch.setattr(acceptance, "losses_digest", lambda _: "0" * 64)
    assert unlike._judged("whole") == (
        acceptance.WRONG,
        f"losses {'0' * 16}, not {unlike.expected['digest'][:16]}",
    )
    monkeypatch.setattr(acceptance, "losses_digest", lambda _: unlike.expected["digest"])
    assert unlike._judged("whole")[0] == acceptance.OK
    unlike.results["whole"]["versions"]["model"] = "1"
    assert unlike._judged("whole") == (
        acceptance.WRONG,
        f"the stack's model is version 1, this one's {MODEL_VERSION}",
    )


def test_what_the_user_may_not_do_is_told_as_untried(
    unlike: acceptance.Acceptance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "CreateRole")

    monkeypatch.setattr(acceptance.Acceptance, "_worker", lambda _: {"MemorySize": 1769})
    monkeypatch.setattr("cli.twin.make", refused)
    unlike.judge(unlike.other_children)
    part = unlike.parts["other children"]
    assert part["verdict"] == acceptance.UNTRIED
    assert part["told"].startswith("CreateRole says AccessDenied")


def test_a_stack_of_workers_is_not_asked_for_what_only_functions_do(
    unlike: acceptance.Acceptance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptance, "functions", lambda _: iter([("Plan", "arn")]))
    for part in (unlike.other_children, unlike.too_large):
        verdict, told = part()
        assert verdict == acceptance.UNTRIED
        assert "workers" in told


def test_a_stack_that_is_wrong_fails_the_command_and_leaves_the_file(
    cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = {
        "parts": {"digits": {"verdict": "wrong", "told": "losses 0"}, "poisoned": {"verdict": "ok", "told": "fine"}},
        "differences": {"whole": ["events: no MapRunStarted, also MapRunBegun"]},
        "usd": 0.01,
        "speeds": {},
    }  # fmt: skip
    monkeypatch.setattr(acceptance, "of_stack", lambda _: report)
    status, out, err = montecarlo("accept", "--to", tmp_path / "seen.json")
    assert status == 2
    assert "wrong    digits: losses 0" in out
    assert "look     whole is not as on the embedded AWS: events: no MapRunStarted, also MapRunBegun" in out
    assert "does not do what it must" in err
    assert json.loads((tmp_path / "seen.json").read_text()) == report


def test_an_embedded_aws_that_says_yes_to_everything_is_not_accepted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Place, "is_strict", False)
    assert main(["accept"]) == 2
    assert "up --strict" in capsys.readouterr().err


def test_differences_are_of_names_and_of_what_is_compared_alone() -> None:
    wanted = {"status": "SUCCEEDED", "events": ["Begun", "Ended"], "layout": ["result.json"]}
    seen_there = {"status": "SUCCEEDED", "events": {"Begun": 2, "Stopped": 1}, "layout": {"result.json": 1}, "x": 1}
    assert seen.differences(seen_there, wanted) == ["events: no Ended, also Stopped"]
    assert seen.differences({**seen_there, "status": "FAILED"}, {"status": "SUCCEEDED"}) == [
        "status: no SUCCEEDED, also FAILED"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "REPORT RequestId: 1\tDuration: 12.5 ms\tBilled Duration: 13 ms\tMemory Size: 1769 MB\tMax Memory Used: 93 MB\t"
        "Init Duration: 410.2 ms",
        json.dumps(
            {
                "time": "2026-01-01T00:00:00Z",
                "type": "platform.report",
                "record": {
                    "requestId": "1",
                    "metrics": {
                        "durationMs": 12.5,
                        "billedDurationMs": 13,
                        "memorySizeMB": 1769,
                        "maxMemoryUsedMB": 93,
                        "initDurationMs": 410.2,
                    },
                },
            }
        ),
    ],
    ids=["text", "JSON"],
)
def test_lambdas_report_is_read_in_both_formats(line: str) -> None:
    assert seen.report(line) == {
        "Duration": 12.5,
        "Billed Duration": 13.0,
        "Memory Size": 1769.0,
        "Max Memory Used": 93.0,
        "Init Duration": 410.2,
    }
    assert seen.report("START RequestId: 1") is None
    assert seen.report('{"level": "INFO"}') is None


def test_speeds_are_what_the_runs_took() -> None:
    """2 ns a trial; of 4 and of 40 chunks of the same loans, 0.1 s each and 10 us a loan."""

    def result(chunks: int) -> dict[str, Any]:
        kernel = 20_000 * 5_000 * 2e-9
        return {
            "versions": {"kernel": "compiled"},
            "cases": {"base": {}, "stressed": {}},
            "loans": {"simulated": 20_000},
            "scenarios": 5_000,
            "timings": {"kernel_seconds": kernel, "worker_seconds": kernel + 0.1 * chunks + 20_000 * 10e-6},
        }

    found = speeds.measured(
        {"whole": result(4), "stopped": result(40)},
        {"Plan": [{"Duration": 1500.0, "Init Duration": 500.0}, {"Duration": 2500.0}]},
        {"whole": 4, "stopped": 40},
    )
    assert sum(found["kernel_ns"]["compiled"]) == pytest.approx(2, abs=0.01)
    assert {name: value for name, value in found.items() if name != "kernel_ns"} == {
        "chunk_seconds": 0.1,
        "loan_us": 10.0,
        "cold_start_seconds": 0.5,
        "plan_seconds": 2.5,
    }
    assert speeds.measured({}, {}, {}) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "holds no speeds"),
        ('{"parts": {}}', "holds no speeds"),
        ('{"speeds": {}}', "holds no speeds"),
        ('{"loan_us": "fast"}', "must be a number"),
        ('{"kernel_ns": 3}', "the speeds are wrong"),
        ('{"kernel_ns": {"compiled": [1]}}', "must be a list of 2"),
        ('{"loan_us": -1}', "must be 0 or more"),
        ('{"s3_mb_per_second": 0}', "rates above 0"),
        ("[]", "holds no speeds"),
    ],
)
def test_a_file_without_speeds_is_refused(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "speeds.json"
    file.write_text(content)
    with pytest.raises(CommandError, match=message):
        speeds.read(file)


def write_reference() -> None:
    """What ships, made anew."""
    with tempfile.TemporaryDirectory() as scratch:
        running = server.start(Path(scratch) / "up", profile=STRICT)
        try:
            report = acceptance.of_stack(deploy(running.environment, Path(scratch) / "sam-deploy.log"))
        finally:
            running.stop()
    for name, part in report["parts"].items():
        print(f"{part['verdict']:<9}{name}: {part['told']}, in {part['seconds']} s")
    document = {"model": MODEL_VERSION, "digest": digest(), "seen": reference(report["seen"])}
    acceptance.EXPECTED.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(write_reference())  # type: ignore[func-returns-value]
