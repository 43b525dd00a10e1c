"""A stack is found by its name in an account, and the embedded AWS is there without one."""

from pathlib import Path

import pytest

from cli import CommandError, screen
from cli.deployment import STACK, Stack, connect, deployed, functions
from cli.place import Place
from embedded_aws import server
from tests.cli.commanded import a_runs_life, on_stack
from tests.deployed import Cloud


def test_a_stack_of_sam_is_worked_on_by_its_name(
    cloud: Cloud, aws: server.Server, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_runs_life(on_stack(STACK, aws.environment, capfd, monkeypatch), tmp_path)


def test_what_is_no_stack_is_told_with_where_it_was_looked_for(
    cloud: Cloud, aws: server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CommandError, match="there is no stack elsewhere in us-east-1"):
        connect("elsewhere", None, "us-east-1")
    nested = next(
        stack["StackName"]
        for stack in cloud.stack.client("cloudformation").describe_stacks()["Stacks"]
        if stack["StackName"] != STACK and "DataBucket" not in str(stack.get("Outputs"))
    )
    with pytest.raises(CommandError, match="is none of this project"):
        connect(nested, None, "us-east-1")


def test_every_function_is_known_by_its_state(cloud: Cloud) -> None:
    found = dict(functions(cloud.stack))
    assert set(found) == {
        *("Plan", "PlanGroup", "SimulateChunk", "ReduceGroup", "Aggregate", "RecordFailure"),
        *("PlanParts", "GeneratePart", "WriteManifest"),
    }
    assert all(arn.startswith("arn:") for arn in found.values())


def test_a_region_without_a_stack_is_no_place() -> None:
    with pytest.raises(CommandError, match="give --stack NAME"):
        Place(None, "bank", None)


def test_what_is_deployed_is_not_deployed_again_until_the_sources_change(
    cloud: Cloud, aws: server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployments = []
    made_from = Path(aws.data_dir) / "deployed-from"
    before = made_from.read_text()

    def deploy(*_: object) -> Stack:
        deployments.append(1)
        return cloud.stack

    monkeypatch.setattr("cli.deployment.deploy", deploy)
    monkeypatch.setattr("cli.deployment._sources_digest", lambda: "one")
    deployed(aws)
    deployed(aws)
    assert len(deployments) == 1
    monkeypatch.setattr("cli.deployment._sources_digest", lambda: "another")
    deployed(aws)
    assert len(deployments) == 2
    made_from.write_text(before)


def test_commands_are_told_as_they_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name where the PATH finds this very program, else by where it lies: another's may have the name, too."""
    ours, others = tmp_path / "ours" / "montecarlo", tmp_path / "others" / "montecarlo"
    for program in (ours, others):
        program.parent.mkdir()
        program.touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(ours)])
    for path, told in ((ours.parent, "montecarlo"), (others.parent, "ours/montecarlo"), (tmp_path, "ours/montecarlo")):
        monkeypatch.setenv("PATH", str(path))
        assert screen.typed("show", "june").startswith(f"{told} show june")
    assert screen.typed("check", "July's loans.csv").startswith("""ours/montecarlo check 'July'"'"'s loans.csv'""")
