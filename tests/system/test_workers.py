"""Runs whose chunks workers simulate, on the stacks with Fargate and EC2 as SAM deploys them, under enforced
permissions.
"""

import contextlib
import json
import math
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.deployment import deploy
from cli.execution import Execution
from embedded_aws import server
from embedded_aws.permissions import recorded
from tests.deployed import Cloud, figures
from tests.system.test_permissions import Role, listed, policies

RUNS = int(os.environ.get("SOAK", "3"))
"""Runs of the storm; `make soak` asks for more, and kills more."""

LOANS = {"name": "workers", "loans": 2_400, "part_loans": 1_200}
REQUEST: dict[str, Any] = {"scenarios": 200, "chunk_loans": 300}

NUMBERS = (1, 2, 4) if "SOAK" in os.environ else (2,)
"""Of workers, that come to the same."""

NOT_CALLED = {
    "states:StopExecution",  # and s3:PutObject of ProvideWorkers: of a run that no worker comes to
    "s3:PutObject",
    "states:SendTaskFailure",  # of a chunk that is handed back: where chance lets a worker be stopped in one
    "states:SendTaskHeartbeat",  # of a chunk that takes long
}
"""Actions of the workers' roles that these runs need not need. tests/steps and tests/host have them."""


def with_workers(aws: server.Server, compute: str) -> Iterator[Cloud]:
    """A stack with workers, of one process each; at most four at once."""
    settings = {"MaxWorkers": "4", "WorkerCores": "1"}
    deployed = Cloud(deploy(aws.environment, Path(aws.data_dir) / "sam-deploy.log", settings, compute))
    deployed.generate(**LOANS)
    yield deployed
    for execution in running_executions(deployed):
        execution.stop("the tests are done")
    until(lambda: not workers(aws))


@pytest.fixture(scope="module")
def fleet(aws: server.Server) -> Iterator[Cloud]:
    """The stack with Fargate."""
    yield from with_workers(aws, "fargate")


@pytest.fixture(scope="module")
def on_ec2(aws: server.Server) -> Iterator[Cloud]:
    """The stack with EC2."""
    yield from with_workers(aws, "ec2")


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until a condition holds; returns what it says."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.2)
    return found


def running_executions(fleet: Cloud) -> list[Execution]:
    client, machine = fleet.stack.client("stepfunctions"), fleet.stack.outputs["DataProcStateMachineArn"]
    listed = client.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
    return [Execution(client, execution["executionArn"]) for execution in listed]


def processes() -> Iterator[tuple[int, int, str]]:
    """(process, its parent, its command line) of all that run (Linux)."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            yield int(path.name), parent, (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


def workers(aws: server.Server) -> list[int]:
    """The containers of workers, those that are only starting too."""
    return [process for process, parent, command in processes() if parent == aws.pid and "worker.py" in command]


def simulators(aws: server.Server) -> list[int]:
    """The processes of the workers in which chunks are simulated."""
    at_work = workers(aws)
    return [process for process, parent, command in processes() if parent in at_work and "spawn_main" in command]


def start(fleet: Cloud, run: str, **request: Any) -> Execution:
    client, machine = fleet.stack.client("stepfunctions"), fleet.stack.outputs["DataProcStateMachineArn"]
    given = {"run": run, "portfolio": "portfolios/workers/", **REQUEST, **request}
    return Execution.start(client, machine, run, given)


def result(fleet: Cloud, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fleet.read(f"runs/{run}/result.json"))
    return found


@pytest.fixture(scope="module")
def expected(cloud: Cloud) -> dict[str, Any]:
    """The figures that functions come to."""
    cloud.generate(**LOANS)
    return figures(cloud.simulate("portfolios/workers/", **REQUEST))


def test_any_number_of_workers_comes_to_what_functions_come_to(
    aws: server.Server, fleet: Cloud, expected: dict[str, Any]
) -> None:
    for number in NUMBERS:
        run, most = f"with-{number}", 0
        execution = start(fleet, run, max_concurrency=number)
        while execution.describe().running:
            most = max(most, len(workers(aws)))
            time.sleep(0.3)
        assert execution.describe().status == "SUCCEEDED", execution.describe().cause
        assert figures(result(fleet, run)) == expected
        assert most == number
        until(lambda: not workers(aws))
    cost = result(fleet, f"with-{NUMBERS[-1]}")["cost"]
    assert cost["usd_by_item"]["worker vCPU-hours"] > 0
    assert cost["requests"]["lambda"] < 10


def test_a_storm(aws: server.Server, fleet: Cloud, expected: dict[str, Any]) -> None:
    """Workers are told to stop, the processes in them are killed, executions are stopped: every run that was not ends
    exactly as ever, or with the name of what ended it; and no worker is left.

    In a soak whole workers are killed and frozen too, which costs a chunk a minute without heartbeats each time.
    """
    seed = random.randrange(2**32)
    print(f"storm drawn with seed {seed}")
    chance = random.Random(seed)
    soak = "SOAK" in os.environ
    executions = {f"storm-{number}": start(fleet, f"storm-{number}") for number in range(RUNS)}
    stopped = set(chance.sample(sorted(executions), max(1, RUNS // 5)))
    still_to_stop, frozen = set(stopped), set[int]()
    hits = RUNS if soak else 2
    while under_way := [run for run, execution in executions.items() if execution.describe().running]:
        time.sleep(chance.uniform(0.3, 1.5))
        at_work = [each for each in workers(aws) if each not in frozen]
        if at_work and hits:
            hits -= 1
            kind = chance.choice(("stop", "kill process", *(("kill", "freeze") if soak else ())))
            if kind == "stop":
                send(chance.choice(at_work), signal.SIGTERM)
            elif kind == "kill":
                send(chance.choice(at_work), signal.SIGKILL)
            elif kind == "freeze":
                frozen.add(chance.choice(at_work))
                for each in frozen:
                    send(each, signal.SIGSTOP)
            elif inside := simulators(aws):
                send(chance.choice(inside), signal.SIGKILL)
        if still_to_stop and chance.random() < 0.5:
            run = still_to_stop.pop()
            if run in under_way:
                executions[run].stop("enough")
    for each in frozen:
        send(each, signal.SIGCONT)
    ended_at = time.monotonic()
    until(lambda: not workers(aws))
    assert time.monotonic() < ended_at + 60
    for run, execution in executions.items():
        state = execution.describe()
        if state.status == "SUCCEEDED":
            assert figures(result(fleet, run)) == expected, run
        elif run in stopped:
            assert state.status == "ABORTED", run
        else:  # a chunk whose process was killed three times
            assert state.error == "Runtime.ExitError", (run, state.error, state.cause)
            assert json.loads(fleet.read(f"runs/{run}/failure.json"))["error"] == state.error


def send(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def test_what_workers_may_is_what_they_do(aws: server.Server, fleet: Cloud) -> None:
    """After the runs above: no call was refused, and no permission of the workers and of ProvideWorkers is spare but
    those of rare occasions.
    """
    assert spare_permissions(aws, fleet) <= NOT_CALLED


def spare_permissions(aws: server.Server, fleet: Cloud) -> set[str]:
    """What the roles of a stack's workers and of its ProvideWorkers allow and was not done."""
    calls = recorded(Path(aws.data_dir))
    iam = fleet.stack.client("iam")
    names = [role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]]
    own = [name for name in names if name.startswith(f"{fleet.stack.name}-DataProc-")]
    assert not [call for call in calls if call.role in own and not call.allowed]
    of_workers = [name for name in own if "Worker" in name or "ProvideWor" in name]
    assert len(of_workers) == 3
    spare = set()
    for name in of_workers:
        role = Role(name, policies(iam, name), [call for call in calls if call.role == name])
        assert role.calls, name
        for policy, statements in role.policies.items():
            if policy.startswith(name):  # what it shares is shown by the stack with functions
                spare |= {
                    action
                    for statement in statements
                    for action in listed(statement["Action"])
                    if not role.allowed_by({**statement, "Action": action})
                }
    return spare


# On EC2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(
    "SOAK" not in os.environ, reason="in `make soak`: tests/publishing/test_deployment.py has the stack with EC2, too"
)
def test_instances_come_with_the_workers_and_go_with_them(
    aws: server.Server, on_ec2: Cloud, expected: dict[str, Any]
) -> None:
    """Two workers share an instance, as they have one vCPU each."""
    groups = on_ec2.stack.client("autoscaling")

    def instances() -> int:
        return sum(len(group["Instances"]) for group in groups.describe_auto_scaling_groups()["AutoScalingGroups"])

    for number in NUMBERS:
        run, most, most_instances = f"on-ec2-{number}", 0, 0
        execution = start(on_ec2, run, max_concurrency=number)
        while execution.describe().running:
            most, most_instances = max(most, len(workers(aws))), max(most_instances, instances())
            time.sleep(0.2)
        assert execution.describe().status == "SUCCEEDED", execution.describe().cause
        assert figures(result(on_ec2, run)) == expected
        assert (most, most_instances) == (number, math.ceil(number / 2))
        until(lambda: not workers(aws) and not instances())
    assert result(on_ec2, run)["cost"]["usd_by_item"]["instance vCPU-hours"] > 0
    assert spare_permissions(aws, on_ec2) <= NOT_CALLED
