"""Runs whose chunks workers simulate, on the stacks with Fargate and EC2 as SAM deploys them, under enforced
permissions.
"""

import contextlib
import json
import math
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from cli import roles
from cli.deployment import deploy, functions
from cli.execution import Execution
from cli.main import main
from embedded_aws import server
from embedded_aws.permissions import recorded
from montecarlo.errors import SlowDown
from montecarlo.host.environment import Environment
from montecarlo.host.worker import Outcome, Worker, clients, outcome_of
from montecarlo.steps import simulate_chunk
from montecarlo.steps.protocol import Step
from tests.deployed import Cloud, figures
from tests.system.test_permissions import Role, listed, policies

RUNS = int(os.environ.get("SOAK", "10"))
"""Runs that go through storms; `make soak` asks for more."""

AT_ONCE = 10
"""Runs in a storm."""

HIT_SHARE, AT_LEAST = 0.3, 5
"""Of the workers of a storm, so many are killed or worse, and not only the first few."""

HEARTBEAT = 3
"""Seconds without one after which a chunk is taken away: these tests cannot wait for a minute each time."""

LOANS = {"name": "workers", "loans": 2_400, "part_loans": 1_200}
REQUEST: dict[str, Any] = {"scenarios": 200, "chunk_loans": 300}

POISONED = b'AccountID,PD,EAD\nA1,0.01,1000\nA2,"0.01,1000\nA3,0.01,1000\n'
"""A quote that is never closed."""

NUMBERS = (1, 2, 4) if "SOAK" in os.environ else (2,)
"""Of workers, that come to the same."""

NOT_CALLED = {
    "states:SendTaskFailure",  # of a chunk that is handed back or poisoned: where chance gives it to a worker of these
    "states:SendTaskHeartbeat",  # of a chunk that takes long
}
"""Actions of the workers' roles that these runs need not need. tests/steps and tests/host have them."""

ON_FARGATE = {
    "s3:GetObject",  # of a run that takes over what an earlier one has of a chunk
    "s3:PutObject",  # of failure.json, by ProvideWorkers
    "states:StopExecution",  # both of a run that no worker comes to
}
"""Actions of the same roles that the runs on EC2 do not need, as they are fewer; those on Fargate need each of them."""


def with_workers(aws: server.Server, compute: str) -> Iterator[Cloud]:
    """A stack with workers, of one process each; at most four at once."""
    settings = {"MaxWorkers": "4", "WorkerCores": "1"}
    deployed = Cloud(deploy(aws.environment, Path(aws.data_dir) / "sam-deploy.log", settings, compute))
    deployed.generate(**LOANS)
    shorten_clocks(deployed)
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


def shorten_clocks(fleet: Cloud) -> None:
    """Have a chunk without a heartbeat taken away after HEARTBEAT seconds: in the state machine and for the workers."""
    states, machine = fleet.stack.client("stepfunctions"), fleet.stack.outputs["DataProcStateMachineArn"]
    definition = states.describe_state_machine(stateMachineArn=machine)["definition"]
    short, number = re.subn(r'"HeartbeatSeconds": *60\b', f'"HeartbeatSeconds": {HEARTBEAT}', definition)
    assert number == 1
    states.update_state_machine(stateMachineArn=machine, definition=short)
    with_container(
        fleet, lambda container: container["environment"].append({"name": "HEARTBEAT_SECONDS", "value": str(HEARTBEAT)})
    )


def with_container(fleet: Cloud, change: Callable[[dict[str, Any]], object]) -> str:
    """Have the service run another container, one changed; returns the task definition that it had."""
    ecs = fleet.stack.client("ecs")
    cluster, service = (of_provider(fleet)[name] for name in ("CLUSTER", "SERVICE"))
    before = ecs.describe_services(cluster=cluster, services=[service])["services"][0]["taskDefinition"]
    task = ecs.describe_task_definition(taskDefinition=before)["taskDefinition"]
    change(task["containerDefinitions"][0])
    kept = ("family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes", "cpu",
            "memory", "requiresCompatibilities", "runtimePlatform")  # fmt: skip
    made = ecs.register_task_definition(**{name: task[name] for name in kept if name in task})["taskDefinition"]
    ecs.update_service(cluster=cluster, service=service, taskDefinition=made["taskDefinitionArn"])
    return str(before)


def of_provider(fleet: Cloud) -> dict[str, str]:
    """The variables of ProvideWorkers."""
    name = dict(functions(fleet.stack))["ProvideWorkers"]
    found: dict[str, str] = fleet.stack.client("lambda").get_function_configuration(FunctionName=name)["Environment"][
        "Variables"
    ]
    return found


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


def simulators(of: int) -> list[int]:
    """The processes of a worker in which chunks are simulated."""
    return [process for process, parent, command in processes() if parent == of and "spawn_main" in command]


def start(fleet: Cloud, run: str, execution: str = "", **request: Any) -> Execution:
    client, machine = fleet.stack.client("stepfunctions"), fleet.stack.outputs["DataProcStateMachineArn"]
    given = {"run": run, "portfolio": "portfolios/workers/", **REQUEST, **request}
    return Execution.start(client, machine, execution or run, given)


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


class Network:
    """A network that is gone for some seconds now and then, as soon as a chunk has come through it."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._gone_until, self.losses = chance, 0.0, 0

    def carry(self, call: Callable[..., Any], **request: Any) -> Any:
        """The answer, unless it is gone."""
        if time.monotonic() < self._gone_until:
            raise EndpointConnectionError(endpoint_url="https://states")
        answer = call(**request)
        if answer.get("taskToken") and self._chance.random() < 0.5:
            self.losses += 1
            self._gone_until = time.monotonic() + self._chance.uniform(0.5, 2 * HEARTBEAT)
        return answer


class Repeated:
    """Sends every answer twice, of which the second is refused."""

    def __init__(self) -> None:
        self.taken, self.refused = 0, list[str]()

    def carry(self, call: Callable[..., Any], **request: Any) -> Any:
        """The first answer."""
        answer = call(**request)
        if "output" in request or "error" in request:
            try:
                call(**request)
                self.taken += 1
            except ClientError as refused:
                self.refused.append(refused.response["Error"]["Code"])
        return answer


class Client:
    """A client of Step Functions over a way of carrying its calls."""

    def __init__(self, client: Any, way: Network | Repeated) -> None:
        self._client, self._way = client, way

    def __getattr__(self, name: str) -> Any:
        return partial(self._way.carry, getattr(self._client, name))


class InThisProcess:
    """A simulator for a worker that is not killed."""

    def __init__(self, step: Step = simulate_chunk.step) -> None:
        self._host, self._step = Environment(), step

    def run(self, event: Any) -> Outcome:
        return outcome_of(self._step, event, self._host)

    def kill(self) -> None:
        """There is nothing to end."""


@contextlib.contextmanager
def odd_workers(
    aws: server.Server, fleet: Cloud, chance: random.Random, patch: pytest.MonkeyPatch
) -> Iterator[tuple[Repeated, Network]]:
    """A worker that answers twice, and one that loses the network: such as those on Fargate, but in this process."""
    for name, value in (*aws.environment.items(), ("DATA_BUCKET", fleet.stack.bucket)):
        patch.setenv(name, value)
    polls, answers = clients()
    ways = Repeated(), Network(chance)
    by_way: list[tuple[Any, Any]] = [(Client(polls, way), Client(answers, way)) for way in ways]
    made = [Worker(activity(fleet), [InThisProcess()], *each, beat_seconds=HEARTBEAT / 3) for each in by_way]
    with contextlib.ExitStack() as ends:
        for each in made:
            ends.callback(each.stop)
            each.start()
        yield ways


def activity(fleet: Cloud) -> str:
    """The ARN that workers ask."""
    states, machine = fleet.stack.client("stepfunctions"), fleet.stack.outputs["DataProcStateMachineArn"]
    definition = states.describe_state_machine(stateMachineArn=machine)["definition"]
    (found,) = set(re.findall(r"arn:aws:states:[\w-]+:\d+:activity:[\w-]+", definition))
    return str(found)


@pytest.mark.parametrize("number", range(-(-RUNS // AT_ONCE)))
def test_a_storm(
    number: int, aws: server.Server, fleet: Cloud, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers are told to stop, are killed, hang, answer twice and lose the network; the processes in them are killed,
    and executions are stopped: every run that was not ends exactly as ever, or with the name of what ended it; and a
    minute after the last no worker is left.
    """
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    print(f"storm {number} drawn with seed {seed}")
    names = [f"storm-{number}-{each}" for each in range(min(AT_ONCE, RUNS - number * AT_ONCE))]
    seen, hit, kinds = set[int](), set[int](), Counter[str]()
    with odd_workers(aws, fleet, chance, monkeypatch) as (repeated, network):
        executions = {run: start(fleet, run) for run in names}
        stopped = set(chance.sample(names, max(1, len(names) // 5)))
        to_stop = sorted(stopped)
        while under_way := [run for run, execution in executions.items() if execution.describe().running]:
            time.sleep(chance.uniform(0.1, 0.6))
            at_work = set(workers(aws))
            seen |= at_work
            if (fresh := sorted(at_work - hit)) and len(hit) < max(AT_LEAST, HIT_SHARE * len(seen)):
                hit.add(victim := chance.choice(fresh))
                kinds[strike(victim, chance)] += 1
            if to_stop and chance.random() < 0.3 and (run := to_stop.pop()) in under_way:
                executions[run].stop("enough")
    ended_at = time.monotonic()
    until(lambda: not workers(aws))
    assert time.monotonic() < ended_at + 60
    print(f"{len(hit)} of {len(seen)} workers hit: {dict(kinds)}; {network.losses} times without a network, "
          f"{len(repeated.refused)} answers refused that came twice")  # fmt: skip
    assert len(hit) >= HIT_SHARE * len(seen)
    assert repeated.taken == 0
    assert set(repeated.refused) <= {"TaskTimedOut"}
    for run, execution in executions.items():
        state = execution.describe()
        if state.status == "SUCCEEDED":
            assert figures(result(fleet, run)) == expected, run
        elif run in stopped:
            assert state.status == "ABORTED", (run, state)
        else:  # a chunk whose process was killed three times, or whose workers were without a network nine times
            assert state.error in ("Runtime.ExitError", "States.HeartbeatTimeout"), (run, state.error, state.cause)
            assert json.loads(fleet.read(f"runs/{run}/failure.json"))["error"] == state.error
    ends = Counter(execution.describe().status for execution in executions.values())
    print(f"ended: {dict(ends)}")


def test_what_a_chunk_ends_in_is_told_by_its_name(
    aws: server.Server, fleet: Cloud, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that is poisoned fails its run, whoever takes it; one that S3 asks for a pause is taken again."""
    asked = Counter[str]()

    def slowed_down(event: Any, host: Any) -> dict[str, Any]:
        asked[event["run"]] += 1
        if asked[event["run"]] <= 2:
            raise SlowDown("S3 asks for a pause.")
        return simulate_chunk.step(event, host)

    for name, value in (*aws.environment.items(), ("DATA_BUCKET", fleet.stack.bucket)):
        monkeypatch.setenv(name, value)
    slow = Worker(activity(fleet), [InThisProcess(slowed_down)], *clients(), beat_seconds=HEARTBEAT / 3)
    slow.start()
    try:
        executions = {
            "slowed": start(fleet, "slowed"),
            "poisoned": start(fleet, "poisoned", portfolio=fleet.upload("portfolios/poisoned/a.csv", POISONED)),
        }
        until(lambda: not any(execution.describe().running for execution in executions.values()), 180)
    finally:
        slow.stop()
    assert asked["slowed"] > 2
    assert figures(result(fleet, "slowed")) == expected
    assert executions["poisoned"].describe().error == "InvalidPortfolio"
    failure = json.loads(fleet.read("runs/poisoned/failure.json"))
    assert "a quote in data row 2 that is never closed" in failure["cause"]
    assert "runs/poisoned/result.json" not in fleet.keys("runs/poisoned/")
    until(lambda: not workers(aws))


def test_a_run_that_no_worker_comes_to_is_ended_and_can_be_resumed(
    aws: server.Server, fleet: Cloud, expected: dict[str, Any]
) -> None:
    """Tasks are started, and none of them ever asks for a chunk. Minutes are seconds here; what calls every few minutes
    calls at once.
    """
    client, name = fleet.stack.client("lambda"), dict(functions(fleet.stack))["ProvideWorkers"]
    variables = of_provider(fleet)

    def nobody(container: dict[str, Any]) -> None:
        container["entryPoint"], container["command"] = ["sleep"], ["600"]

    at_work = with_container(fleet, nobody)
    impatient = {**variables, "PATIENCE_MINUTES": str(2 / 60)}
    client.update_function_configuration(FunctionName=name, Environment={"Variables": impatient})
    machine = fleet.stack.outputs["DataProcStateMachineArn"]
    execution = start(fleet, "alone")
    try:
        while execution.describe().running:
            client.invoke(FunctionName=name, Payload=json.dumps({"machine": machine}).encode())
            time.sleep(0.5)
    finally:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        cluster, service = variables["CLUSTER"], variables["SERVICE"]
        fleet.stack.client("ecs").update_service(cluster=cluster, service=service, taskDefinition=at_work)
    assert (execution.describe().status, execution.describe().error) == ("ABORTED", "NoCapacity")
    assert json.loads(fleet.read("runs/alone/failure.json"))["error"] == "NoCapacity"
    resumed = start(fleet, "alone", execution="alone-again")
    until(lambda: not resumed.describe().running, 180)
    assert figures(result(fleet, "alone")) == expected
    until(lambda: not workers(aws))


def strike(victim: int, chance: random.Random) -> str:
    """What becomes of a worker: the end, or a while without doing anything; or the end of the process inside."""
    kind = chance.choice(("stop", "kill", "hang", "kill process"))
    if kind == "stop":
        send(victim, signal.SIGTERM)
    elif kind == "kill":
        send(victim, signal.SIGKILL)
    elif kind == "hang":
        send(victim, signal.SIGSTOP)
        threading.Timer(chance.uniform(1, 3 * HEARTBEAT), send, (victim, signal.SIGCONT)).start()
    else:
        for inside in simulators(victim):
            send(inside, signal.SIGKILL)
    return kind


def send(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def test_doctor_looks_at_workers_too(
    aws: server.Server, fleet: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    look = ["doctor", "--stack", fleet.stack.name, "--region", "us-east-1"]
    assert main(look) == 0
    assert "functions: all 9 can be invoked" in capsys.readouterr().out
    iam = fleet.stack.client("iam")
    role = roles.role_of_workers(fleet.stack, of_provider(fleet)).rpartition("/")[2]
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName=policy)
    try:
        assert main(look) == 2
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
    told = capsys.readouterr().out
    (line,) = [line for line in told.splitlines() if "Worker may not s3:GetObject on " in line]
    assert f"s3:PutObject on arn:aws:s3:::{fleet.stack.bucket}/runs/x/groups/x/chunk-x.npz" in line
    assert "/runs/x/at-work" in told


def test_workers_take_over_what_an_earlier_run_has_of_a_chunk(fleet: Cloud) -> None:
    request: dict[str, Any] = {"portfolio": "portfolios/workers/", "chunk_loans": 300}
    once = fleet.simulate(run="taken-from", scenarios=200, **request)
    assert figures(fleet.simulate(run="taken-over", reuse="taken-from", **request))["cases"] == once["cases"]


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
    assert spare_permissions(aws, on_ec2) <= NOT_CALLED | ON_FARGATE
