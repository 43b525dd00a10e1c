"""main.yml as the console uploads it: created with its defaults, run, updated and deleted on the embedded AWS.

The tests build on each other's stacks, in order: two stacks are created at once, one of them is updated and deleted.
"""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.deployment import STACK, deploy
from embedded_aws.permissions import recorded
from publishing import console
from tests.cli.commanded import a_runs_life, on_stack
from tests.embedded_aws.test_workers import until
from tests.publishing.conftest import UPLOADS, Account, ConsoleStack
from tests.simulation.machines import CARRIED

PORTFOLIO = {"name": "small", "loans": 2000, "part_loans": 1000}
RUN = {"portfolio": "portfolios/small/", "scenarios": 500, "chunk_loans": 700}


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """What must be equal to the last bit, however the stack was deployed."""
    return {name: value for name, value in result.items() if name not in ("run", "timings", "cost", "versions")}


@pytest.fixture(scope="module")
def one(account: Account) -> ConsoleStack:
    return ConsoleStack(account, "one")


@pytest.fixture(scope="module")
def two(account: Account) -> ConsoleStack:
    return ConsoleStack(account, "two")


@pytest.fixture(scope="module")
def by_sam(account: Account) -> ConsoleStack:
    deploy(account.server.environment, Path(account.server.data_dir) / "sam-deploy.log")
    return ConsoleStack(account, STACK)


def test_two_stacks_are_created_at_once_from_the_file_alone(
    account: Account, one: ConsoleStack, two: ConsoleStack
) -> None:
    address = account.upload(console.self_contained("lambda"))
    for stack in (one, two):
        stack.create(address)
    for stack in (one, two):
        assert stack.wait() == "CREATE_COMPLETE", stack.failures()
    names = [
        {physical for group in stack.resources().values() for _, physical in group.values()} for stack in (one, two)
    ]
    # Bar inline policies, which are named within their role, and tables, which are within their database.
    within = ("child-executions", "losses", "segments")
    assert not [name for name in names[0] & names[1] if not name.endswith(within)]


def test_the_nested_stacks_are_those_that_sam_makes(one: ConsoleStack, by_sam: ConsoleStack) -> None:
    console_made, sam_made = one.resources(), by_sam.resources()
    assert console_made.keys() == sam_made.keys() == {"", "Storage", "DataGen", "DataProc", "Monitoring"}
    for name in sam_made.keys() - {""}:
        kinds = [{logical: kind for logical, (kind, _) in made[name].items()} for made in (console_made, sam_made)]
        assert kinds[0] == kinds[1]
    assert one.outputs.keys() == by_sam.outputs.keys() | {"ArtifactBucket"}


def test_both_state_machines_run_and_the_result_is_that_of_sam_to_the_last_bit(
    one: ConsoleStack, by_sam: ConsoleStack
) -> None:
    results = []
    for stack in (one, by_sam):
        stack.generate(**PORTFOLIO)
        results.append(stack.simulate(**RUN))
    assert results[0]["loans"]["simulated"] == 2000
    assert figures(results[0]) == figures(results[1])
    assert results[0]["versions"] == results[1]["versions"]
    assert results[0]["versions"]["kernel"] == "compiled" or not CARRIED


COMPUTES = ("fargate", "ec2") if "SOAK" in os.environ else ("ec2",)
"""Stacks with workers that are made from their files; tests/system has them as SAM makes them."""


ABSURD = (
    ("fargate", {"SpotWeight": "0"}, "One of SpotWeight and OnDemandWeight must be above 0"),
    ("ec2", {"VpcId": "vpc-0123abcd"}, "VpcId and SubnetIds go together"),
)


@pytest.mark.parametrize(("compute", "parameters", "told"), ABSURD)
def test_parameters_that_make_no_sense_together_are_refused_before_anything_is_made(
    account: Account, compute: str, parameters: dict[str, str], told: str
) -> None:
    """The console's file by CreateStack, and SAM's template by a change set, as `sam deploy` has it."""
    before = account.inventory()
    with pytest.raises(ClientError, match=told):
        ConsoleStack(account, "absurd").create(account.upload(console.self_contained(compute)), **parameters)
    with pytest.raises(ClientError, match=told):
        account.client("cloudformation").create_change_set(
            StackName="absurd-sam",
            ChangeSetName="first",
            ChangeSetType="CREATE",
            TemplateBody=(console.PROJECT / f"template-{compute}.yaml").read_text(encoding="utf-8"),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )
    assert account.inventory() - before <= {f"bucket {UPLOADS}"}


@pytest.mark.parametrize("compute", COMPUTES)
def test_the_file_of_a_stack_with_workers_makes_one_that_comes_to_the_same_and_goes(
    account: Account, by_sam: ConsoleStack, compute: str
) -> None:
    """With instances, these come with the workers and go after them, and a stack that has some goes as well."""
    before = account.inventory()
    workers = ConsoleStack(account, f"workers-{compute}")
    workers.create(account.upload(console.self_contained(compute), "workers.yml"), MaxWorkers="2", WorkerCores="1")
    assert workers.wait() == "CREATE_COMPLETE", workers.failures()
    assert workers.outputs.keys() == by_sam.outputs.keys() | {"ArtifactBucket"}
    data = workers.outputs["DataBucket"]
    workers.generate(**PORTFOLIO)
    run, most = workers.start("DataProcStateMachineArn", RUN), 0
    while run.describe().running:
        most = max(most, account.instances())
        time.sleep(0.2)
    assert figures(workers.result(run)) == figures(by_sam.simulate(**RUN))
    assert most == (compute == "ec2")  # two workers with one vCPU share an instance
    until(lambda: account.instances() == 0)
    if compute == "ec2":
        (group,) = account.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        account.client("autoscaling").set_desired_capacity(
            AutoScalingGroupName=group["AutoScalingGroupName"], DesiredCapacity=1
        )
    workers.delete()
    assert workers.wait() == "DELETE_COMPLETE", workers.failures()
    assert account.inventory() - before == {f"bucket {data}"}
    refused = [call for call in recorded(Path(account.server.data_dir)) if not call.allowed]
    assert not [call for call in refused if call.role.startswith(workers.name)]


def test_the_command_line_works_on_it_by_its_name(
    account: Account,
    one: ConsoleStack,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_runs_life(on_stack(one.name, account.server.environment, capfd, monkeypatch), tmp_path)


def test_an_update_replaces_changed_code_and_hands_on_a_changed_parameter(
    account: Account, one: ConsoleStack, project_copy: Path
) -> None:
    version = project_copy / "functions" / "montecarlo" / "__init__.py"
    source = version.read_text()
    assert '__version__ = "' in source
    version.write_text(source.replace('__version__ = "', '__version__ = "changed-'))

    before, data = one.keys("ArtifactBucket"), one.keys("DataBucket")
    one.update(account.upload(console.self_contained("lambda", project_copy), "changed.yml"), Scenarios="300", Seed="7")
    assert one.wait() == "UPDATE_COMPLETE", one.failures()

    after = one.keys("ArtifactBucket")
    assert {key for key in before - after if key.startswith("functions-")}
    assert {key for key in after - before if key.startswith("functions-")}
    assert {key for key in before if key.endswith((".yaml", ".asl.json"))} <= after
    assert len(after) == len(before)
    assert data <= one.keys("DataBucket")

    result = one.simulate(portfolio="portfolios/small/")
    assert result["versions"]["montecarlo"].startswith("changed-")
    assert (result["scenarios"], result["seed"]) == (300, 7)


def test_a_file_that_was_changed_by_hand_is_rolled_back_at_once_and_says_why(
    account: Account, one: ConsoleStack
) -> None:
    before = one.keys("ArtifactBucket")
    tampered = console.self_contained("lambda").replace("Checks the request", "Checks the requests", 1)
    one.update(account.upload(tampered, "tampered.yml"))
    assert one.wait(30) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("changed by hand" in reason for reason in one.failures().values())
    assert one.keys("ArtifactBucket") == before
    assert one.simulate(portfolio="portfolios/small/", scenarios=100)["versions"]["montecarlo"].startswith("changed-")


def test_a_creation_that_fails_is_rolled_back_at_once_and_leaves_nothing(account: Account) -> None:
    tampered = console.self_contained("lambda").replace('"Comment": "Simulates', '"Comment": "Emulates', 1)
    three = ConsoleStack(account, "three")
    three.create(account.upload(tampered, "tampered.yml"))
    assert three.wait(30) == "ROLLBACK_COMPLETE"
    assert "changed by hand" in three.failures()["DataProcStateMachine"]
    assert not {name for name in account.inventory() if "three-" in name}


def test_deletion_leaves_nothing_but_the_data_bucket(account: Account, one: ConsoleStack, two: ConsoleStack) -> None:
    data, objects = one.outputs["DataBucket"], one.keys("DataBucket")
    assert any(name.startswith("role one-") for name in account.inventory())
    one.delete()
    assert one.wait() == "DELETE_COMPLETE", one.failures()
    assert {name for name in account.inventory() if "one-" in name} == {f"bucket {data}"}
    assert account.keys(data) == objects
    assert UPLOADS in account.buckets()
    two.generate(**PORTFOLIO)  # the other stack is untouched
