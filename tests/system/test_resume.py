"""Runs that were killed, cancelled or damaged are continued, and end with the same bits. Other runs are refused."""

import json
import os
import random
import signal
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cli import deployment
from cli.deployment import Stack
from cli.execution import Execution, RunFailed
from embedded_aws import server
from embedded_aws.profile import LENIENT
from montecarlo.portfolio import synthetic as datagen
from montecarlo.storage import keys
from tests.deployed import Cloud, figures, start_on_copy

KILLS = int(os.environ.get("SOAK", "3"))
"""Runs that are cut off at a random moment; `make soak` asks for more."""

REQUEST: dict[str, Any] = {
    "portfolio": "portfolios/resume/",
    "scenarios": 4_000,
    "chunk_loans": 1_000,
    "max_concurrency": 4,
}
LOANS = 16_000


@pytest.fixture(scope="module")
def source(cloud: Cloud) -> str:
    """16,000 loans in Parquet and CSV."""
    cloud.generate(name="resume", loans=LOANS, part_loans=5_000)
    return "portfolios/resume/"


@pytest.fixture(scope="module")
def undisturbed(cloud: Cloud, source: str) -> dict[str, Any]:
    return cloud.simulate(run="undisturbed", **REQUEST)


def todo(cloud: Cloud, run: str) -> list[tuple[int, int]]:
    """What the last execution of the run had to simulate: (group, chunk)."""
    lists = [key for key in cloud.keys(keys.groups(run)) if key.endswith("todo.json")]
    return [(item["group"], item["chunk"]) for key in lists for item in json.loads(cloud.read(key))]


def forget_result(cloud: Cloud, run: str) -> None:
    s3 = cloud.stack.client("s3")
    for key in (keys.result(run), keys.group_partial(run, 0)):
        s3.delete_object(Bucket=cloud.stack.bucket, Key=key)


# ---------------------------------------------------------------------------------------------------------------------
# Continued


def test_killed_anywhere_and_resumed_gives_the_same_bits(prepared: Path, tmp_path: Path) -> None:
    """Runs, each cut off at a random moment by a SIGKILL of the whole embedded AWS, workers included."""
    seed = random.randrange(2**32)
    print(f"moments drawn with seed {seed}")
    moments = random.Random(seed)
    aws = start_on_copy(prepared, tmp_path / "aws", LENIENT)
    try:
        stack = deployment.deployed(aws)
        execute(stack, "DataGenStateMachineArn", "generate", {"name": "resume", "loans": 8_000, "part_loans": 2_500})
        started = time.monotonic()
        execute(stack, "DataProcStateMachineArn", "whole", {"run": "whole", **REQUEST})
        duration = time.monotonic() - started
        expected = published(stack, "whole")
        for number in range(KILLS):
            run, moment = f"killed-{number}", moments.uniform(0, duration)
            Execution.start(
                stack.client("stepfunctions"), stack.outputs["DataProcStateMachineArn"], run, {"run": run, **REQUEST}
            )
            time.sleep(moment)
            os.killpg(aws.pid, signal.SIGKILL)
            aws.stop()  # reaps it
            aws = server.start(tmp_path / "aws")
            found = deployment.find(aws.environment)
            assert found is not None, "the stack is back"
            stack = found
            done = len(partials(stack, run))
            execute(stack, "DataProcStateMachineArn", f"{run}-resumed", {"run": run, **REQUEST})
            print(f"{run}: killed after {moment:.2f} of {duration:.2f} s with {done} chunks done")
            assert published(stack, run) == expected, f"seed {seed}, run {number}, killed after {moment} s"
    finally:
        aws.stop()


def execute(stack: Stack, machine: str, name: str, request: dict[str, Any]) -> dict[str, Any]:
    return Execution.start(stack.client("stepfunctions"), stack.outputs[machine], name, request).wait()


def partials(stack: Stack, run: str) -> list[str]:
    found = stack.client("s3").list_objects_v2(Bucket=stack.bucket, Prefix=keys.chunk_partials(run, 0))
    return [item["Key"] for item in found.get("Contents", [])]


def published(stack: Stack, run: str) -> tuple[dict[str, Any], bytes]:
    """The figures, and the bytes of the loss distribution."""
    s3 = stack.client("s3")
    result, losses = (
        s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read() for key in (keys.result(run), keys.losses(run))
    )
    return figures(json.loads(result)), losses


def test_a_killed_worker_costs_a_retry_and_no_bit(
    aws: server.Server, cloud: Cloud, undisturbed: dict[str, Any]
) -> None:
    states, machine = cloud.stack.client("stepfunctions"), cloud.stack.outputs["DataProcStateMachineArn"]
    execution = Execution.start(states, machine, "worker-killed", {"run": "worker-killed", **REQUEST})
    deadline = time.monotonic() + 60
    while not partials(cloud.stack, "worker-killed") and time.monotonic() < deadline:
        time.sleep(0.05)
    serving = workers(aws.pid, "simulate_chunk.handler")
    assert serving
    for pid in serving:
        os.kill(pid, signal.SIGKILL)
    output = execution.wait()
    assert figures(json.loads(cloud.read(output["result"]))) == figures(undisturbed)


def workers(group: int, handler: str) -> list[int]:
    """The processes of the embedded AWS that serve a function."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text()
            if handler in command and os.getpgid(int(folder.name)) == group:
                found.append(int(folder.name))
        except (OSError, ProcessLookupError):
            continue
    return found


def test_a_run_that_is_done_is_not_simulated_again(cloud: Cloud, undisturbed: dict[str, Any]) -> None:
    assert figures(cloud.simulate(run="undisturbed", **REQUEST)) == figures(undisturbed)
    assert todo(cloud, "undisturbed") == []


@pytest.mark.parametrize("damage", ["gone", "truncated", "changed", "empty", "another run's"])
def test_a_missing_or_damaged_partial_is_made_anew_and_nothing_else(
    cloud: Cloud, undisturbed: dict[str, Any], damage: str
) -> None:
    key = keys.chunk_partial("undisturbed", 0, 3)
    data = cloud.read(key)
    forget_result(cloud, "undisturbed")
    if damage == "gone":
        cloud.stack.client("s3").delete_object(Bucket=cloud.stack.bucket, Key=key)
    elif damage == "another run's":
        other = cloud.simulate(run=f"seed-7-{damage[:3]}", **REQUEST, seed=7)
        cloud.upload(key, cloud.read(keys.chunk_partial(other["run"], 0, 3)))
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        cloud.upload(key, {"truncated": data[:-100], "changed": flipped, "empty": b""}[damage])
    assert figures(cloud.simulate(run="undisturbed", **REQUEST)) == figures(undisturbed)
    assert todo(cloud, "undisturbed") == [(0, 3)]


def test_how_fast_a_run_goes_may_change_when_it_is_resumed(cloud: Cloud, undisturbed: dict[str, Any]) -> None:
    pace = {"max_concurrency": 2, "max_groups": 1, "max_group_concurrency": 1, "max_rejected_share": 0.5}
    assert figures(cloud.simulate(run="undisturbed", **{**REQUEST, **pace})) == figures(undisturbed)


# ---------------------------------------------------------------------------------------------------------------------
# Refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 7}, r"differs in .*seed \(42, not 7\)"),
        ({"scenarios": 999}, r"differs in .*scenarios \(4000, not 999\)"),
        ({"chunk_loans": 500}, r"differs in .*chunk_loans \(1000, not 500\)"),
        ({"portfolio": "portfolios/other/"}, r'portfolio \("portfolios/resume/", not "portfolios/other/"\)'),
        (
            {"parameters": {"segments": {"auto": {"lgd": 0.9}}}},
            r"differs in .*parameters\.segments\.auto\.lgd \([\d.]+, not 0\.9\)",
        ),
        ({"fed_rate": 9}, r"differs in .*cases"),
        ({"as_of": "2025-12-31"}, r'differs in .*as_of \("2026-01-01", not "2025-12-31"\)'),
    ],
)
def test_another_request_under_the_same_name_is_refused_with_the_difference(
    cloud: Cloud, undisturbed: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(RunFailed, match=message) as failed:
        cloud.simulate(run="undisturbed", **{**REQUEST, **change})
    assert failed.value.error == "RunTaken"


def test_a_changed_portfolio_is_refused_with_the_object_named(cloud: Cloud) -> None:
    def write(name: str, first: int) -> None:
        cloud.upload(f"portfolios/changing/{name}.parquet", datagen.generate(first, 2_000, 42, date(2026, 1, 1)))

    write("a", 0)
    write("b", 2_000)
    request: dict[str, Any] = {"portfolio": "portfolios/changing/", "scenarios": 50, "run": "changing"}
    first = cloud.simulate(**request)
    assert figures(cloud.simulate(**request)) == figures(first), "on another day, too: the date is the first one's"

    write("b", 4_000)
    with pytest.raises(RunFailed, match=r"another portfolio: portfolios/changing/b\.parquet is not what it was"):
        cloud.simulate(**request)
    write("b", 2_000)
    write("c", 6_000)
    with pytest.raises(RunFailed, match=r"another portfolio: portfolios/changing/c\.parquet is new"):
        cloud.simulate(**request)


def test_a_run_over_its_budget_spends_nothing_and_says_what_it_would_cost(cloud: Cloud, source: str) -> None:
    with pytest.raises(
        RunFailed, match=r"would cost about \$0\.\d\d, more than max_cost_usd \$0\.00 allows: 16,000"
    ) as e:
        cloud.simulate(run="dear", **REQUEST, max_cost_usd=0.0001)
    assert e.value.error == "InvalidInput"
    assert keys.plan("dear") not in cloud.keys("runs/dear/")
    assert json.loads(cloud.read(keys.estimate("dear")))["usd"] > 0.0001
    assert cloud.simulate(run="cheap", **REQUEST, max_cost_usd=1)["run"] == "cheap"
