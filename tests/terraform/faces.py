"""What an application consists of once it is deployed, whoever deployed it, in a form that can be compared.

Read through the AWS APIs. Names differ between the faces, so each stands as what it names: `<Plan>`, `<datagen>`,
`<data>`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.deployment import Stack
from tests.infrastructure.templates import STATE_MACHINES, states
from tests.terraform.automation import Automation
from tests.terraform.fleets import Fleet

Json = dict[str, Any]

MACHINE_OUTPUTS = {"datagen": "DataGenStateMachineArn", "dataproc": "DataProcStateMachineArn"}

OF_A_FUNCTION = (
    "FunctionName", "Description", "Handler", "Runtime", "Architectures", "MemorySize", "Timeout", "Environment",
    "TracingConfig", "EphemeralStorage", "PackageType", "SnapStart",
)  # fmt: skip
OF_AN_ALARM = (
    "Namespace", "MetricName", "Dimensions", "Statistic", "Period", "EvaluationPeriods", "Threshold",
    "ComparisonOperator", "TreatMissingData", "ActionsEnabled", "AlarmActions",
)  # fmt: skip


@dataclass(frozen=True)
class Face:
    """A deployed application. Its outputs are named as those of template.yaml."""

    stack: Stack

    def describe(self) -> Json:
        """All that is made, by kind and name."""
        machines = {name: self.machine(name) for name in STATE_MACHINES}
        states: dict[str, str] = {}  # of several states of one function, the first in the alphabet: Plan, not PlanWave
        for state, arn in sorted(task for machine in machines.values() for task in tasks(machine)):
            states.setdefault(arn, state)
        activity = next((arn for arn in states if ":activity:" in arn), None)
        states.pop(activity or "", None)
        functions = {
            state: self.stack.client("lambda").get_function_configuration(FunctionName=arn)
            for arn, state in states.items()
        }
        dashboard_name = self.stack.outputs["DashboardConsole"].rsplit("/", 1)[-1]
        dashboard = json.loads(
            self.stack.client("cloudwatch").get_dashboard(DashboardName=dashboard_name)["DashboardBody"]
        )
        groups = log_groups(dashboard)
        names = {self.stack.bucket: "<data>", dashboard_name: "<dashboard>", **groups}
        names[self.stack.outputs["ResultsDatabase"]] = "<database>"
        names |= {machine["name"]: f"<{name}>" for name, machine in machines.items()}
        names |= {function["FunctionName"]: f"<{name}>" for name, function in functions.items()}
        automation = Automation(self.stack, machines["dataproc"]["stateMachineArn"])
        made = {
            "bucket": self.bucket(),
            "functions": {name: self.function(function) for name, function in functions.items()},
            "state machines": {
                name: {
                    "Name": machine["name"],
                    "Type": machine["type"],
                    "Definition": json.loads(machine["definition"]),
                    "Role": self.role(machine["roleArn"]),
                }
                for name, machine in machines.items()
            },
            "alarms": self.alarms(
                {machine["stateMachineArn"] for machine in machines.values()}
                | {activity, functions.get("SimulateChunk", {}).get("FunctionName"), automation.queue()}
            ),
            "queries": self.queries(groups),
            "tables": self.tables(),
            "dashboard": dashboard,
            "outputs": dict(self.stack.outputs),
        }
        made["automation"] = automation.describe(self.role)
        names |= automation.names
        if activity:
            fleet = Fleet(self.stack, functions["ProvideWorkers"], activity)
            made["workers"] = fleet.describe(self.role)
            names |= fleet.names
        any_name = "|".join(re.escape(name) for name in names)
        text = re.sub(rf"(?<![\w-])({any_name})(?![\w-])", lambda found: names[found[1]], json.dumps(made))
        return in_order(json.loads(text))  # type: ignore[no-any-return]

    def machine(self, name: str) -> Any:
        arn = self.stack.outputs[MACHINE_OUTPUTS[name]]
        return self.stack.client("stepfunctions").describe_state_machine(stateMachineArn=arn)

    def function(self, configuration: Mapping[str, Any]) -> Json:
        group = configuration["LoggingConfig"]["LogGroup"]
        groups = self.stack.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        return {
            **{name: configuration[name] for name in OF_A_FUNCTION},
            "Layers": [layer["Arn"] for layer in configuration["Layers"]],
            "LogFormat": configuration["LoggingConfig"]["LogFormat"],
            "ApplicationLogLevel": configuration["LoggingConfig"].get("ApplicationLogLevel"),
            "RetentionInDays": [found["retentionInDays"] for found in groups if found["logGroupName"] == group],
            "Role": self.role(configuration["Role"]),
        }

    def role(self, arn: str) -> Json:
        """What a role may do, in however many policies it stands."""
        iam, role = self.stack.client("iam"), arn.rsplit("/", 1)[-1]
        policies = [
            iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        ]
        attached = [
            policy["PolicyArn"] for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        ]
        own = [arn for arn in attached if ":iam::aws:" not in arn]  # those of the stack, which AWS does not publish
        return {
            "Trusts": statements(iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]),
            "Managed": sorted(set(attached) - set(own)),
            "Allows": statements(*policies, *map(self.policy, own)),
        }

    def policy(self, arn: str) -> Any:
        """The document of a managed policy."""
        iam = self.stack.client("iam")
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    def bucket(self) -> Json:
        s3, name = self.stack.client("s3"), self.stack.bucket
        return {
            "Encryption": s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"],
            "PublicAccessBlock": s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
            "Ownership": s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"],
            "Versioning": s3.get_bucket_versioning(Bucket=name)["Status"],
            "Policy": statements(json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])),
        }

    def tables(self) -> Json:
        """The tables over the results, by name."""
        known = ("Description", "TableType", "PartitionKeys", "Parameters", "StorageDescriptor")
        found = self.stack.client("glue").get_tables(DatabaseName=self.stack.outputs["ResultsDatabase"])["TableList"]
        return {table["Name"]: said({name: table.get(name) for name in known}) for table in found}

    def queries(self, groups: Mapping[str, str]) -> Json:
        """The saved queries of the stack's log groups, by the last part of their names."""
        found = self.stack.client("logs").describe_query_definitions()["queryDefinitions"]
        return {
            each["name"].rpartition("/")[2]: {name: each[name] for name in ("queryString", "logGroupNames")}
            for each in found
            if any(group in groups for group in each["logGroupNames"])
        }

    def alarms(self, of: set[Any]) -> Json:
        """The alarms on these state machines, function, activity and queue, by what they say."""
        return {
            alarm["AlarmDescription"]: {name: alarm[name] for name in OF_AN_ALARM}
            for alarm in self.stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
            if alarm["Dimensions"][0]["Value"] in of
        }


def log_groups(dashboard: Json) -> dict[str, str]:
    """The log groups that the dashboard asks, as the saved queries do, with what they stand for."""
    runs, chunks = (
        re.findall("SOURCE '([^']+)'", widget["properties"]["query"])
        for widget in dashboard["widgets"]
        if widget["type"] == "log"
    )
    return dict(zip([*runs, *chunks], ("<log of runs>", "<log of chunks>", "<log of PlanGroup>"), strict=True))


def said(tree: Any) -> Any:
    """The tree without what is empty, which Terraform's provider sends and CloudFormation leaves out."""
    if isinstance(tree, list):
        return [said(value) for value in tree]
    if not isinstance(tree, dict):
        return tree
    return {name: said(value) for name, value in tree.items() if value not in (None, "", [], {})}


def tasks(machine: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(state, ARN of its function or activity) of a deployed state machine; an event Step Functions sends itself."""
    for name, state in states(json.loads(machine["definition"])):
        if state["Type"] == "Task" and ":states:::" not in state["Resource"]:
            yield name, state["Resource"]


def statements(*policies: Mapping[str, Any]) -> Json:
    """The statements of all policies, ready for `in_order`."""
    return {"Statements": [statement for policy in policies for statement in policy["Statement"]]}


def in_order(tree: Any) -> Any:
    """The tree with policies in one of the ways in which IAM lets one write them: lists for single values, sorted."""
    if isinstance(tree, list):
        return [in_order(value) for value in tree]
    if not isinstance(tree, dict):
        return tree
    if "Statements" in tree:
        return sorted((in_order(as_lists(statement)) for statement in tree["Statements"]), key=json.dumps)
    if "AlarmActions" in tree:  # a set, of whose members each has been named by now
        tree = {**tree, "AlarmActions": sorted(tree["AlarmActions"])}
    return {name: in_order(tree[name]) for name in sorted(tree)}


def as_lists(statement: Mapping[str, Any]) -> Json:
    def listed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: listed(inner) for name, inner in value.items()}
        return sorted(value) if isinstance(value, list) else [value]

    return {name: value if name == "Effect" else listed(value) for name, value in statement.items()}


def differences(one: Any, other: Any, where: str = "") -> dict[str, tuple[Any, Any]]:
    """Where two descriptions differ, with what each has there."""
    if isinstance(one, dict) and isinstance(other, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for name in {**one, **other}:
            found |= differences(one.get(name), other.get(name), f"{where}/{name}")
        return found
    return {} if one == other else {where: (one, other)}
