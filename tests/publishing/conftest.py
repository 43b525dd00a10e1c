"""An embedded AWS of the tests' own, and stacks on it that are made as the console makes them: from a file in S3."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.execution import Execution
from embedded_aws import server
from embedded_aws.profile import Profile
from publishing.console import PROJECT
from tests.embedded_aws.application import Aws

UPLOADS = "cf-templates-uploads"
"""The bucket that the console puts an uploaded template into."""


@dataclass(frozen=True)
class Account(Aws):
    """The account on the embedded AWS."""

    def upload(self, text: str, name: str = "main.yml") -> str:
        """Put a template where the console puts it; returns its address."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=UPLOADS)
        s3.put_object(Bucket=UPLOADS, Key=name, Body=text.encode())
        return f"https://s3.{self.server.region}.amazonaws.com/{UPLOADS}/{name}"

    def buckets(self) -> set[str]:
        return {bucket["Name"] for bucket in self.client("s3").list_buckets()["Buckets"]}

    def keys(self, bucket: str) -> set[str]:
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def inventory(self) -> set[str]:
        """What there is of everything that a stack makes: its kind and name."""
        found = {f"bucket {name}" for name in self.buckets()}
        for kind, service, operation, items, name in (
            ("function", "lambda", "list_functions", "Functions", "FunctionName"),
            ("role", "iam", "list_roles", "Roles", "RoleName"),
            ("log group", "logs", "describe_log_groups", "logGroups", "logGroupName"),
            ("state machine", "stepfunctions", "list_state_machines", "stateMachines", "name"),
            ("alarm", "cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
            ("dashboard", "cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
            ("activity", "stepfunctions", "list_activities", "activities", "name"),
            ("network", "ec2", "describe_vpcs", "Vpcs", "VpcId"),
            ("security group", "ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
            ("launch template", "ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateName"),
            ("instance profile", "iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
            ("group", "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", "AutoScalingGroupName"),
            ("rule", "events", "list_rules", "Rules", "Name"),
        ):
            pages = self.client(service).get_paginator(operation).paginate()
            found |= {f"{kind} {item[name]}" for page in pages for item in page[items]}
        ecs = self.client("ecs")
        found |= {f"cluster {arn}" for arn in ecs.list_clusters()["clusterArns"]}
        providers = ecs.describe_capacity_providers()["capacityProviders"]
        return found | {f"capacity provider {each['name']}" for each in providers}

    def instances(self) -> int:
        """How many instances there are."""
        groups = self.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return sum(len(group["Instances"]) for group in groups)


@dataclass(frozen=True)
class ConsoleStack:
    """A stack, with what one does with it in the console."""

    account: Account
    name: str

    def create(self, template_url: str, **parameters: str) -> None:
        """Submit: nothing is given but the stack's name, a tick for roles, and parameters if any."""
        self.account.client("cloudformation").create_stack(
            StackName=self.name,
            TemplateURL=template_url,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )

    def update(self, template_url: str, **parameters: str) -> None:
        self.account.client("cloudformation").update_stack(
            StackName=self.name,
            TemplateURL=template_url,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )

    def delete(self) -> None:
        self.account.client("cloudformation").delete_stack(StackName=self.name)

    def wait(self, seconds: float = 60) -> str:
        """Wait until nothing is in progress; returns the status, DELETE_COMPLETE for a stack that has gone."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                (stack,) = self.account.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
            except ClientError:
                return "DELETE_COMPLETE"
            status: str = stack["StackStatus"]
            if not status.endswith("IN_PROGRESS"):
                return status
            assert time.monotonic() < deadline, f"{self.name} is still {status} after {seconds} s"
            time.sleep(0.1)

    def failures(self) -> dict[str, str]:
        """Why resources failed, by logical id."""
        events = self.account.client("cloudformation").describe_stack_events(StackName=self.name)["StackEvents"]
        return {
            event["LogicalResourceId"]: event.get("ResourceStatusReason", "")
            for event in events
            if event["ResourceStatus"].endswith("FAILED")
        }

    @property
    def outputs(self) -> Mapping[str, str]:
        (stack,) = self.account.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def resources(self) -> dict[str, dict[str, tuple[str, str]]]:
        """Type and physical id of every resource by logical id, of the root as "" and of each nested stack."""
        client = self.account.client("cloudformation")
        found: dict[str, dict[str, tuple[str, str]]] = {}
        pending = [("", self.name)]
        while pending:
            logical, stack = pending.pop()
            found[logical] = {}
            for resource in client.describe_stack_resources(StackName=stack)["StackResources"]:
                kind, physical = resource["ResourceType"], resource["PhysicalResourceId"]
                found[logical][resource["LogicalResourceId"]] = kind, physical
                if kind == "AWS::CloudFormation::Stack":
                    pending.append((resource["LogicalResourceId"], physical))
        return found

    def keys(self, output: str) -> set[str]:
        """Keys in a bucket that an output names."""
        return self.account.keys(self.outputs[output])

    def generate(self, **request: Any) -> str:
        """Run datagen; returns where the portfolio is."""
        manifest: str = self._execute("DataGenStateMachineArn", request)["manifest"]
        return manifest

    def simulate(self, **request: Any) -> dict[str, Any]:
        """Run dataproc; returns result.json."""
        return self.result(self.start("DataProcStateMachineArn", request))

    def result(self, execution: Execution) -> dict[str, Any]:
        """result.json of a run that was started, when it has ended."""
        key = execution.wait()["result"]
        body = self.account.client("s3").get_object(Bucket=self.outputs["DataBucket"], Key=key)["Body"]
        result: dict[str, Any] = json.load(body)
        return result

    def start(self, output: str, request: Mapping[str, Any]) -> Execution:
        """Start an execution of the state machine that an output names."""
        name = f"run-{time.time_ns()}"
        return Execution.start(self.account.client("stepfunctions"), self.outputs[output], name, request)

    def _execute(self, output: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return self.start(output, request).wait()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    pytest.importorskip("ministack", reason="the embedded AWS (ministack) is not installed in this environment")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONTECARLO_WORKERS", "1")  # many functions that each do little: their starts are what takes time
        running = server.start(tmp_path_factory.mktemp("embedded-aws"), profile=Profile(permissions=True))
    yield Account(running)
    running.stop()


@pytest.fixture(scope="session")
def project_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what main.yml is made from, to be changed."""
    copy = tmp_path_factory.mktemp("project")
    shutil.copy(PROJECT / "template.yaml", copy)
    for folder in ("cloudformation", "statemachine", "functions"):
        shutil.copytree(PROJECT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return copy
