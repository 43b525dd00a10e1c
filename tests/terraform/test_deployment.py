"""terraform/lambda from init to destroy on the embedded AWS, beside the same application deployed by SAM.

Both are given the same parameters, none of which has its default, and must end up with the same resources and with the
same results. The tests build on each other in the order in which they stand.
"""

import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cli.deployment import STACK as SAM_STACK
from cli.deployment import Stack, deploy
from embedded_aws import server
from tests.cli.commanded import a_runs_life, on_stack
from tests.deployed import Cloud, figures
from tests.infrastructure.templates import resources
from tests.terraform.clone import Clone, changes, message
from tests.terraform.faces import Face, differences
from tests.terraform.test_variables import PARAMETERS, snake

GIVEN = {
    "Scenarios": 700,
    "Seed": 7,
    "FedRate": 6.5,
    "ChunkLoans": 1000,
    "MaxConcurrency": 20,
    "MaxGroups": 3,
    "MaxGroupConcurrency": 7,
    "GeneratedLoans": 3000,
    "PortfolioBucketName": "a-bank-s-loans",
    "Architecture": "x86_64",
    "Kernel": "numpy",
    "SimulateMemory": 2048,
    "ChildExecutionType": "EXPRESS",
    "LayerArn": "arn:aws:lambda:us-east-1:210987654321:layer:scientific:3",
    "PowertoolsLayerVersion": "26",
    "LogLevel": "WARN",
    "LogRetentionDays": 14,
    "RunExpirationDays": 90,
    "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:risk-team",
}

ALLOWED_DIFFERENCES = {
    "/outputs/NextSteps",  # names the outputs, which each face writes in its own way
}

# Types of CloudFormation that Terraform has no counterpart of, and what Terraform makes besides.
NO_COUNTERPART = {
    "AWS::CloudFormation::Stack",  # nested stacks are modules
    "AWS::IAM::Policy",  # child-executions: stands in the state machine's one policy, as Terraform knows its ARN before
}
ONLY_TERRAFORM = Counter(
    {"aws_s3_bucket": 1, "aws_s3_bucket_policy": 1}  # the functions' code; SAM has a bucket of its own beside the stack
)
COUNTERPARTS = {
    "AWS::CloudWatch::Alarm": "aws_cloudwatch_metric_alarm",
    "AWS::CloudWatch::Dashboard": "aws_cloudwatch_dashboard",
    "AWS::IAM::ManagedPolicy": "aws_iam_policy",
    "AWS::IAM::Role": "aws_iam_role",
    "AWS::Lambda::Function": "aws_lambda_function",
    "AWS::Logs::LogGroup": "aws_cloudwatch_log_group",
    "AWS::S3::Bucket": "aws_s3_bucket",
    "AWS::S3::BucketPolicy": "aws_s3_bucket_policy",
    "AWS::StepFunctions::StateMachine": "aws_sfn_state_machine",
}
PARTS_OF_A_COUNTERPART = {
    "aws_iam_role_policy",
    "aws_iam_role_policy_attachment",
    "aws_s3_bucket_lifecycle_configuration",
    "aws_s3_bucket_ownership_controls",
    "aws_s3_bucket_public_access_block",
    "aws_s3_bucket_server_side_encryption_configuration",
    "aws_s3_bucket_versioning",
    "aws_s3_object",
}


@dataclass(frozen=True)
class Both:
    """The application twice on one embedded AWS."""

    clone: Clone
    plan: Any
    sam: Stack
    terraform: Stack


@pytest.fixture(scope="module")
def both(aws: server.Server, initialised: Callable[[], Clone]) -> Both:
    variables = {f"TF_VAR_{snake(name)}": str(value) for name, value in GIVEN.items()}
    clone = initialised().with_environment(**aws.environment, **variables)
    clone.succeed("plan", "-out", "plan")
    plan = clone.json("show", "-json", "plan")
    # A minute, as the provider waits for the bucket's lifecycle to settle: SAM deploys meanwhile.
    with clone.start("apply", "plan") as applying:
        values = {name: str(value) for name, value in GIVEN.items()}
        sam = deploy(aws.environment, Path(aws.data_dir) / "sam-deploy.log", values)
        printed, _ = applying.communicate(timeout=300)
    assert applying.returncode == 0, printed
    outputs = {pascal(name): output["value"] for name, output in clone.json("output", "-json").items()}
    return Both(clone, plan, sam, replace(sam, outputs=outputs))


def pascal(name: str) -> str:
    """`data_bucket` -> `DataBucket`."""
    return "".join(part.capitalize() for part in name.split("_"))


def planned(both: Both, address: str) -> Any:
    """The values that the first plan gave a resource."""
    (found,) = [change for change in both.plan["resource_changes"] if change["address"] == address]
    return found["change"]["after"]


def test_every_parameter_is_put_to_the_test() -> None:
    assert set(GIVEN) == set(PARAMETERS)
    assert not {name for name, value in GIVEN.items() if value == PARAMETERS[name]["Default"]}


def test_the_two_faces_make_the_same(both: Both) -> None:
    by_sam, by_terraform = Face(both.sam).describe(), Face(both.terraform).describe()
    assert len(by_sam["functions"]) == 9
    found = differences(by_sam, by_terraform)
    unexpected = [f"{where}: {found[where]}" for where in sorted(set(found) - ALLOWED_DIFFERENCES)]
    assert not unexpected, "by SAM and by Terraform:\n" + "\n".join(unexpected)
    assert set(found) == ALLOWED_DIFFERENCES, "a difference is gone: take it off the list"


def test_the_two_faces_make_as_many_resources_of_each_type(both: Both) -> None:
    cloudformation, wanted, pending = both.sam.client("cloudformation"), Counter(ONLY_TERRAFORM), [SAM_STACK]
    while pending:
        for resource in cloudformation.describe_stack_resources(StackName=pending.pop())["StackResources"]:
            if resource["ResourceType"] == "AWS::CloudFormation::Stack":
                pending.append(resource["PhysicalResourceId"])
            if resource["ResourceType"] not in NO_COUNTERPART:
                wanted[COUNTERPARTS[resource["ResourceType"]]] += 1
    made = Counter(change["type"] for change in both.plan["resource_changes"] if change["mode"] == "managed")
    assert {kind: count for kind, count in made.items() if kind not in PARTS_OF_A_COUNTERPART} == dict(wanted)


@pytest.mark.parametrize("name", ["datagen", "dataproc"])
def test_logging_and_tracing_of_a_state_machine_are_the_same(both: Both, name: str) -> None:
    """Compared in the sources, as the embedded AWS drops them."""
    ((logical, machine),) = resources(f"cloudformation/{name}.yaml", "AWS::Serverless::StateMachine").items()
    machine = machine["Properties"]
    values = planned(both, f"module.{name}.module.state_machine.aws_sfn_state_machine.this")
    (logging,), (tracing,) = values["logging_configuration"], values["tracing_configuration"]
    assert logging["level"] == machine["Logging"]["Level"]
    assert logging["include_execution_data"] == machine["Logging"]["IncludeExecutionData"]
    assert tracing["enabled"] == machine["Tracing"]["Enabled"]
    group = planned(both, f"module.{name}.module.state_machine.aws_cloudwatch_log_group.this")
    template = resources(f"cloudformation/{name}.yaml", "AWS::Logs::LogGroup")[f"{logical}Logs"]["Properties"]
    assert group["name"] == template["LogGroupName"]["Fn::Sub"].replace("${AWS::StackName}", "montecarlo")
    assert group["retention_in_days"] == GIVEN["LogRetentionDays"]


def test_the_lifecycle_of_the_bucket_is_the_same(both: Both) -> None:
    """Compared in the sources, as the embedded AWS drops CloudFormation's."""
    bucket = resources("cloudformation/storage.yaml", "AWS::S3::Bucket")["DataBucket"]["Properties"]
    rules = [rule["Fn::If"][1] if "Fn::If" in rule else rule for rule in bucket["LifecycleConfiguration"]["Rules"]]
    by_cloudformation = {
        rule["Id"]: {
            "prefix": rule.get("Prefix", ""),
            "days": GIVEN["RunExpirationDays"] if rule["Id"] == "expire-runs" else rule.get("ExpirationInDays", 0),
            "noncurrent_days": rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays"),
            "delete_marker": rule.get("ExpiredObjectDeleteMarker", False),
            "abort": rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
        }
        for rule in rules
        if rule["Status"] == "Enabled"
    }

    def one(blocks: list[dict[str, Any]], name: str, default: Any = None) -> Any:
        return (blocks[0].get(name) or default) if blocks else default

    by_terraform = {
        rule["id"]: {
            "prefix": one(rule["filter"], "prefix", ""),
            "days": one(rule["expiration"], "days", 0),
            "noncurrent_days": one(rule["noncurrent_version_expiration"], "noncurrent_days"),
            "delete_marker": one(rule["expiration"], "expired_object_delete_marker", False),
            "abort": one(rule["abort_incomplete_multipart_upload"], "days_after_initiation"),
        }
        for rule in planned(both, "module.storage.aws_s3_bucket_lifecycle_configuration.this")["rule"]
        if rule["status"] == "Enabled"
    }
    assert by_terraform == by_cloudformation


def test_both_faces_give_the_same_result_to_the_bit(both: Both) -> None:
    """With empty inputs, so that the numbers also rest on the deployed defaults."""
    results = []
    for stack in (both.sam, both.terraform):
        cloud = Cloud(stack)
        assert cloud.generate(part_loans=1000)["loans"] == 3000
        results.append(cloud.simulate("portfolios/default/", run="same"))
    assert figures(results[0]) == figures(results[1])
    assert [result["versions"]["kernel"] for result in results] == ["numpy", "numpy"]
    assert results[0]["scenarios"] == 700
    assert results[0]["cases"]["stressed"]["fed_rate"] == 6.5


def test_the_command_line_works_on_it_by_its_name(
    both: Both,
    aws: server.Server,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cli.deployment._of_cloudformation", lambda _: None)  # here SAM's stack has the name too
    a_runs_life(on_stack("montecarlo", aws.environment, capfd, monkeypatch), tmp_path)


def test_a_second_plan_finds_nothing_to_change(both: Both) -> None:
    done = both.clone.run("plan", "-detailed-exitcode")
    assert done.returncode == 0, done.stdout


def test_changed_sources_update_every_function_and_nothing_else(both: Both) -> None:
    before = Face(both.terraform).describe()
    hashes = code_hashes(both)
    path = both.clone.folder / "functions" / "plan.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    both.clone.succeed("plan", "-out", "update")
    touched = changes(both.clone.json("show", "-json", "update"))
    functions = {address: actions for address, actions in touched.items() if "aws_lambda_function" in address}
    assert set(touched) - set(functions) == {"module.package.aws_s3_object.functions"}
    assert sorted(touched["module.package.aws_s3_object.functions"]) == ["create", "delete"]
    assert list(functions.values()) == [["update"]] * 9
    both.clone.succeed("apply", "update")
    assert not set(hashes) & set(code_hashes(both))
    assert len(set(code_hashes(both))) == 1
    assert Face(both.terraform).describe() == before
    assert Cloud(both.terraform).simulate("portfolios/default/", run="after-update")["scenarios"] == 700


def code_hashes(both: Both) -> list[str]:
    functions = both.terraform.client("lambda").list_functions()["Functions"]
    return [
        function["CodeSha256"]
        for function in functions
        if re.fullmatch(r"montecarlo-[A-Za-z]+", function["FunctionName"])
    ]


def test_a_changed_variable_updates_what_it_is_for(both: Both) -> None:
    both.clone.succeed("plan", "-var", "generated_loans=4000", "-out", "update")
    touched = set(changes(both.clone.json("show", "-json", "update")))
    functions = ("PlanParts", "GeneratePart", "WriteManifest")
    assert touched == {f'module.datagen.module.function["{name}"].aws_lambda_function.this' for name in functions}


def test_the_data_can_be_left_out_of_a_destroy(both: Both, tmp_path: Path) -> None:
    """On a copy of the state, as docs/deploy-terraform.md says: state rm, then destroy."""
    shutil.copytree(both.clone.folder, tmp_path / "copy", symlinks=True)
    copy = Clone(tmp_path / "copy", both.clone.program, both.clone.environment)
    copy.succeed("state", "rm", "module.storage")
    copy.succeed("plan", "-destroy", "-refresh=false", "-out", "destroy")
    gone = set(changes(copy.json("show", "-json", "destroy")))
    assert 'module.dataproc.module.function["Plan"].aws_lambda_function.this' in gone
    assert not [address for address in gone if address.startswith("module.storage.")]


def test_destroy_stops_at_a_bucket_with_data(both: Both) -> None:
    done = both.clone.run("destroy", "-auto-approve")
    assert done.returncode == 1
    assert "BucketNotEmpty" in done.stdout
    assert both.clone.succeed("state", "list").split() == ["module.storage.module.bucket.aws_s3_bucket.this"]
    assert "runs/same/result.json" in Cloud(both.terraform).keys("runs/same/")


def test_destroy_leaves_nothing_when_the_data_may_go(both: Both) -> None:
    bucket = both.terraform.bucket
    both.clone.succeed(
        "apply",
        "-auto-approve",
        "-var",
        "delete_data=true",
        "-target",
        "module.storage.module.bucket.aws_s3_bucket.this",
    )
    printed = both.clone.succeed("destroy", "-auto-approve", "-var", "delete_data=true")
    assert "Destroy complete! Resources: 1 destroyed." in message(printed)
    left = [found["Name"] for found in both.terraform.client("s3").list_buckets()["Buckets"]]
    assert bucket not in left
    assert not [name for name in left if re.match("montecarlo-(data|code)-", name)]
    assert code_hashes(both) == []
    roles = [role["RoleName"] for role in both.terraform.client("iam").list_roles()["Roles"]]
    assert not [name for name in roles if re.match(r"montecarlo-[A-Za-z]+-\d{20}", name)]
