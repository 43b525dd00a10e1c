"""Terraform's stacks from init to destroy on the embedded AWS, beside the same applications deployed by SAM.

Both are given the same parameters, none of which has its default where it can have another, and must end up with the
same resources and with the same results. All stacks are deployed at once, as each waits for a minute. The tests build
on each other in the order in which they stand.
"""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cli.deployment import Stack, deploy
from cli.execution import RunFailed
from embedded_aws import server
from publishing.terraform import snake
from publishing.workers import OF_FUNCTIONS
from tests.cli.commanded import a_runs_life, on_stack
from tests.deployed import Cloud, figures
from tests.infrastructure.templates import resources
from tests.terraform.automation import Automation
from tests.terraform.clone import Clone, changes, message
from tests.terraform.faces import Face, differences
from tests.terraform.test_variables import parameters_of

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
    "Schedule": "cron(0 2 * * ? *)",
    "ScheduledRequest": '{"run": "scheduled-{date}", "portfolio": "portfolios/default/", "scenarios": 50}',
    "NotificationEmail": "risk-team@example.com",
    "LogLevel": "WARN",
    "LogRetentionDays": 14,
    "RunExpirationDays": 90,
    "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:risk-team",
}

OF_WORKERS: dict[str, dict[str, Any]] = {
    "fargate": {
        "MaxWorkers": 2,
        "WorkerCores": 1,
        "MemoryPerCore": 4096,
        "SpotWeight": 3,
        "OnDemandWeight": 2,
        "NoCapacityMinutes": 45,
        "VpcCidr": "10.43.0.0/16",
        "SubnetCidrs": ["10.43.0.0/20", "10.43.16.0/20"],
    },
}
OF_WORKERS["ec2"] = {
    **{name: value for name, value in OF_WORKERS["fargate"].items() if "Weight" not in name},
    "SpotShare": 75,
}

DEFAULT = {"WorkerImage", "VpcId", "SubnetIds", "InterfaceEndpoints"}
"""Parameters that leave out what is compared here. terraform/fargate/tests has them."""

WORKERS = ("fargate", "ec2") if "SOAK" in os.environ else ("fargate",)
"""Stacks with workers that are deployed here. Of the other, `terraform test` and test_sources have the plan."""

ALLOWED_DIFFERENCES = {
    "/outputs/NextSteps",  # names the outputs, which each face writes in its own way
}

DROPPED = {
    f"/workers/task/{name}"
    for name in (
        "runtimePlatform", "volumes", "container/linuxParameters/capabilities",
        "container/linuxParameters/initProcessEnabled",
    )
}  # fmt: skip
"""What the embedded AWS drops of a task that CloudFormation makes. It is compared with the template."""

ALLOWED_OF_WORKERS = {
    *DROPPED,
    "/workers/task/container/cpu",  # 0, as AWS has it where nothing is given
    "/workers/service/placementStrategy",  # dropped, as above; none on Fargate
}

# Types of CloudFormation that Terraform has no counterpart of, and what Terraform makes besides.
NO_COUNTERPART = {
    "AWS::CloudFormation::Stack",  # nested stacks are modules
    "AWS::IAM::Policy",  # child-executions: stands in the state machine's one policy, as Terraform knows its ARN before
    "AWS::EC2::VPCGatewayAttachment",  # a part of the gateway
    "AWS::ECS::ClusterCapacityProviderAssociations",  # a part of the cluster
}
ONLY_TERRAFORM = Counter(
    {"aws_s3_bucket": 1, "aws_s3_bucket_policy": 1}  # the functions' code; SAM has a bucket of its own beside the stack
)
COUNTERPARTS = {
    "AWS::AutoScaling::AutoScalingGroup": "aws_autoscaling_group",
    "AWS::EC2::InternetGateway": "aws_internet_gateway",
    "AWS::EC2::LaunchTemplate": "aws_launch_template",
    "AWS::EC2::Route": "aws_route",
    "AWS::EC2::RouteTable": "aws_route_table",
    "AWS::EC2::SecurityGroup": "aws_security_group",
    "AWS::EC2::Subnet": "aws_subnet",
    "AWS::EC2::SubnetRouteTableAssociation": "aws_route_table_association",
    "AWS::EC2::VPC": "aws_vpc",
    "AWS::EC2::VPCEndpoint": "aws_vpc_endpoint",
    "AWS::ECS::CapacityProvider": "aws_ecs_capacity_provider",
    "AWS::ECS::Cluster": "aws_ecs_cluster",
    "AWS::ECS::Service": "aws_ecs_service",
    "AWS::ECS::TaskDefinition": "aws_ecs_task_definition",
    "AWS::Events::Rule": "aws_cloudwatch_event_rule",
    "AWS::IAM::InstanceProfile": "aws_iam_instance_profile",
    "AWS::Lambda::Permission": "aws_lambda_permission",
    "AWS::StepFunctions::Activity": "aws_sfn_activity",
    "AWS::CloudWatch::Alarm": "aws_cloudwatch_metric_alarm",
    "AWS::CloudWatch::Dashboard": "aws_cloudwatch_dashboard",
    "AWS::Glue::Database": "aws_glue_catalog_database",
    "AWS::Glue::Table": "aws_glue_catalog_table",
    "AWS::IAM::ManagedPolicy": "aws_iam_policy",
    "AWS::IAM::Role": "aws_iam_role",
    "AWS::Lambda::Function": "aws_lambda_function",
    "AWS::Logs::LogGroup": "aws_cloudwatch_log_group",
    "AWS::Logs::QueryDefinition": "aws_cloudwatch_query_definition",
    "AWS::KMS::Key": "aws_kms_key",
    "AWS::SNS::Subscription": "aws_sns_topic_subscription",
    "AWS::SNS::Topic": "aws_sns_topic",
    "AWS::SNS::TopicPolicy": "aws_sns_topic_policy",
    "AWS::Scheduler::Schedule": "aws_scheduler_schedule",
    "AWS::SQS::Queue": "aws_sqs_queue",
    "AWS::SQS::QueuePolicy": "aws_sqs_queue_policy",
    "AWS::S3::Bucket": "aws_s3_bucket",
    "AWS::S3::BucketPolicy": "aws_s3_bucket_policy",
    "AWS::StepFunctions::StateMachine": "aws_sfn_state_machine",
}
PARTS_OF_A_COUNTERPART = {
    "aws_cloudwatch_event_target",
    "aws_ecs_cluster_capacity_providers",
    "aws_iam_role_policy",
    "aws_iam_role_policy_attachment",
    "aws_s3_bucket_lifecycle_configuration",
    "aws_s3_bucket_ownership_controls",
    "aws_s3_bucket_public_access_block",
    "aws_s3_bucket_server_side_encryption_configuration",
    "aws_s3_bucket_versioning",
    "aws_s3_object",
}


BUCKET = "module.storage.module.bucket.aws_s3_bucket.this"


@dataclass(frozen=True)
class Both:
    """An application twice on one embedded AWS."""

    clone: Clone
    plan: Any
    sam: Stack
    terraform: Stack

    @property
    def name(self) -> str:
        """Of the stack."""
        return self.sam.name


def given(compute: str) -> dict[str, Any]:
    """The parameters of a stack."""
    if compute == "lambda":
        return GIVEN
    return {name: value for name, value in GIVEN.items() if name not in OF_FUNCTIONS} | OF_WORKERS[compute]


Provider = Callable[[Mapping[str, str]], dict[str, str]]


@pytest.fixture(scope="module")
def faces(aws: server.Server, new_clone: Callable[[], Clone], provider: Provider) -> dict[str, Both]:
    """All stacks, by what simulates."""
    planned: dict[str, tuple[Clone, Any]] = {}
    applying: dict[str, subprocess.Popen[str]] = {}
    for compute in ("lambda", *WORKERS):
        variables = {f"TF_VAR_{snake(name)}": variable(value) for name, value in given(compute).items()}
        if compute != "lambda":  # its tests have the data at a destroy
            variables["TF_VAR_delete_data"] = "true"
        clone = new_clone().of(f"terraform/{compute}").with_environment(**aws.environment, **variables)
        clone = clone.with_environment(**provider(clone.environment))
        clone.succeed("init")
        clone.succeed("plan", "-out", "plan")
        planned[compute] = clone, clone.json("show", "-json", "plan")
        # A minute, as the provider waits for the bucket's lifecycle to settle: SAM deploys meanwhile.
        applying[compute] = clone.start("apply", "plan")
    made = {}
    for compute in planned:
        values = {name: parameter(value) for name, value in given(compute).items()}
        sam = deploy(aws.environment, Path(aws.data_dir) / "sam-deploy.log", values, compute)
        made[compute] = sam
    both = {}
    for compute, (clone, plan) in planned.items():
        printed, _ = applying[compute].communicate(timeout=300)
        assert applying[compute].returncode == 0, printed
        outputs = {pascal(name): output["value"] for name, output in clone.json("output", "-json").items()}
        both[compute] = Both(clone, plan, made[compute], replace(made[compute], outputs=outputs))
    return both


def variable(value: Any) -> str:
    """A parameter's value as a variable of Terraform has it in the environment."""
    return json.dumps(value) if isinstance(value, list) else str(value)


def parameter(value: Any) -> str:
    """A parameter's value as SAM takes it."""
    return ",".join(value) if isinstance(value, list) else str(value)


@pytest.fixture(scope="module")
def both(faces: dict[str, Both]) -> Both:
    """The stack with functions."""
    return faces["lambda"]


def camel_case(value: Any) -> Any:
    """Properties spelt as CloudFormation spells them, spelt as ECS does."""
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: camel_case(each) for name, each in value.items()}
    return value


def pascal(name: str) -> str:
    """`data_bucket` -> `DataBucket`."""
    return "".join(part.capitalize() for part in name.split("_"))


def planned(both: Both, address: str) -> Any:
    """The values that the first plan gave a resource."""
    (found,) = [change for change in both.plan["resource_changes"] if change["address"] == address]
    return found["change"]["after"]


each_compute = pytest.mark.parametrize("compute", ["lambda", *WORKERS])


@pytest.mark.parametrize("compute", ["lambda", "fargate", "ec2"])
def test_every_parameter_is_put_to_the_test(compute: str) -> None:
    parameters = parameters_of(compute)
    assert set(given(compute)) == set(parameters) - (set() if compute == "lambda" else DEFAULT)
    assert not {name for name, value in given(compute).items() if parameter(value) == str(parameters[name]["Default"])}


@each_compute
def test_the_two_faces_make_the_same(faces: dict[str, Both], compute: str) -> None:
    both = faces[compute]
    by_sam, by_terraform = Face(both.sam).describe(), Face(both.terraform).describe()
    assert len(by_sam["functions"]) == 9
    assert ("workers" in by_sam) == (compute != "lambda")
    found = differences(by_sam, by_terraform)
    allowed = ALLOWED_DIFFERENCES | (ALLOWED_OF_WORKERS if compute != "lambda" else set())
    unexpected = [f"{where}: {found[where]}" for where in sorted(set(found) - allowed)]
    assert not unexpected, "by SAM and by Terraform:\n" + "\n".join(unexpected)
    assert set(found) == allowed, "a difference is gone: take it off the list"


@pytest.mark.parametrize("compute", WORKERS)
def test_what_the_embedded_aws_drops_of_a_task_is_the_same(faces: dict[str, Both], compute: str) -> None:
    path = f"cloudformation/dataproc-{compute}.yaml"
    (task,) = (body["Properties"] for body in resources(path, "AWS::ECS::TaskDefinition").values())
    (service,) = (body["Properties"] for body in resources(path, "AWS::ECS::Service").values())
    made = Face(faces[compute].terraform).describe()["workers"]
    (container,) = task["ContainerDefinitions"]
    assert made["task"]["container"]["linuxParameters"] == camel_case(container["LinuxParameters"])
    assert [volume["name"] for volume in made["task"]["volumes"]] == [volume["Name"] for volume in task["Volumes"]]
    system = task["RuntimePlatform"]["OperatingSystemFamily"]
    assert made["task"]["runtimePlatform"] == {"operatingSystemFamily": system, "cpuArchitecture": "X86_64"}
    assert made["service"]["placementStrategy"] == [
        {name: value.lower() for name, value in camel_case(strategy).items()}
        for strategy in service.get("PlacementStrategies", [])
    ]


@each_compute
def test_the_two_faces_make_as_many_resources_of_each_type(faces: dict[str, Both], compute: str) -> None:
    both = faces[compute]
    cloudformation, wanted, pending = both.sam.client("cloudformation"), Counter(ONLY_TERRAFORM), [both.name]
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


def test_a_scheduled_run_starts_and_the_mail_tells_how_runs_end(both: Both) -> None:
    """The mail goes to a queue here. Tests above have made the portfolio."""
    for stack in (both.sam, both.terraform):
        automation = Automation(stack, stack.outputs["DataProcStateMachineArn"])
        sqs, queue = stack.client("sqs"), automation.topic().rsplit(":", 1)[-1]
        url = sqs.create_queue(QueueName=queue)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        stack.client("sns").subscribe(TopicArn=automation.topic(), Protocol="sqs", Endpoint=arn)
        (schedule,) = automation.schedules()
        given = {name: schedule[name] for name in ("Name", "FlexibleTimeWindow", "Target", "Description")}
        given["ScheduleExpressionTimezone"] = "UTC"
        change = stack.client("scheduler").update_schedule
        change(**given, ScheduleExpression="at(2020-01-01T00:00:00)")
        first, second = next_message(sqs, url).split("\n")
        change(**given, ScheduleExpression=GIVEN["Schedule"])
        (waiting,) = not_started(stack, automation, given, change)
        assert waiting["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "InvalidExecutionInput"
        (run,) = re.findall(r"The run (scheduled-\d{4}-\d\d-\d\d) is done: 3,000 loans", first)
        assert "expected loss $" in first
        assert f"prefix=runs%2F{run}%2Freport.html" in second
        assert json.loads(Cloud(stack).read(f"runs/{run}/result.json"))["scenarios"] == 50
        with pytest.raises(RunFailed):
            Cloud(stack).simulate("portfolios/none/", run="none")
        assert "has ended as FAILED" in next_message(sqs, url)
        assert b"holds no object" in Cloud(stack).read("runs/none/failure.html")
        sqs.delete_queue(QueueUrl=url)


def not_started(stack: Stack, automation: Automation, given: dict[str, Any], change: Any) -> list[Any]:
    """What waits in the queue after a start whose input is no JSON, which ScheduledRequest's pattern lets pass."""
    wrong = {**given, "Target": {**given["Target"], "Input": "{nightly}"}}
    change(**wrong, ScheduleExpression="at(2020-01-01T00:00:00)")
    sqs = stack.client("sqs")
    url = sqs.get_queue_url(QueueName=automation.queue())["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10, MessageAttributeNames=["All"])["Messages"]
    change(**given, ScheduleExpression=GIVEN["Schedule"])
    return list(found)


def next_message(sqs: Any, url: str) -> str:
    """What the topic says next."""
    (found,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=found["ReceiptHandle"])
    return str(json.loads(found["Body"])["Message"])


@pytest.mark.parametrize("compute", WORKERS)
def test_workers_come_to_the_same_and_the_command_line_finds_their_stack_by_its_name(
    faces: dict[str, Both],
    both: Both,
    compute: str,
    aws: server.Server,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cli.deployment._of_cloudformation", lambda _: None)  # here SAM's stack has the name too
    stack = faces[compute]
    Cloud(stack.terraform).generate(part_loans=1000)
    Cloud(stack.terraform).simulate("portfolios/default/", run="same")
    montecarlo = on_stack(stack.name, aws.environment, capfd, monkeypatch)
    assert montecarlo("download", "same", "--out", tmp_path / "same")[0] == 0
    result = json.loads((tmp_path / "same" / "result.json").read_text())
    assert figures(result) == figures(json.loads(Cloud(both.terraform).read("runs/same/result.json")))
    hired = {"fargate": "worker vCPU-hours", "ec2": "instance vCPU-hours"}[compute]
    assert result["cost"]["usd_by_item"][hired] > 0


def test_the_command_line_works_on_it_by_its_name(
    both: Both,
    aws: server.Server,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cli.deployment._of_cloudformation", lambda _: None)  # here SAM's stack has the name too
    a_runs_life(on_stack("montecarlo", aws.environment, capfd, monkeypatch), tmp_path)


@each_compute
def test_a_second_plan_finds_nothing_to_change(faces: dict[str, Both], compute: str) -> None:
    """Not while there is a run, either: how many workers there are and whether the rule is on is not Terraform's."""
    if compute != "lambda":
        rule = f"{faces[compute].name}-LookAgain"
        faces[compute].terraform.client("events").enable_rule(Name=rule)
    done = faces[compute].clone.run("plan", "-detailed-exitcode")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("compute", WORKERS)
def test_destroy_leaves_nothing_of_a_stack_with_workers(faces: dict[str, Both], compute: str) -> None:
    stack = faces[compute]
    printed = stack.clone.succeed("destroy", "-auto-approve")
    made = sum(change["mode"] == "managed" for change in stack.plan["resource_changes"])
    assert f"Destroy complete! Resources: {made} destroyed." in message(printed)
    left = stack.terraform.client("iam").list_roles()["Roles"]
    assert not [role["RoleName"] for role in left if re.match(rf"{stack.name}-[A-Za-z]+-\d{{20}}", role["RoleName"])]


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
    assert both.clone.succeed("state", "list").split() == [BUCKET]
    assert "runs/same/result.json" in Cloud(both.terraform).keys("runs/same/")


def test_destroy_leaves_nothing_when_the_data_may_go(both: Both) -> None:
    bucket = both.terraform.bucket
    both.clone.succeed(
        "apply",
        "-auto-approve",
        "-var",
        "delete_data=true",
        "-target",
        BUCKET,
    )
    printed = both.clone.succeed("destroy", "-auto-approve", "-var", "delete_data=true")
    assert "Destroy complete! Resources: 1 destroyed." in message(printed)
    left = [found["Name"] for found in both.terraform.client("s3").list_buckets()["Buckets"]]
    assert bucket not in left
    assert not [name for name in left if re.match("montecarlo-(data|code)-", name)]
    assert code_hashes(both) == []
    roles = [role["RoleName"] for role in both.terraform.client("iam").list_roles()["Roles"]]
    assert not [name for name in roles if re.match(r"montecarlo-[A-Za-z]+-\d{20}", name)]
