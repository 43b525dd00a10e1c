"""What a stack needs of an account, looked up with the user's own credentials; nothing is made or changed.

Imports boto3 and the templates' reader.
"""

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cli import PROJECT, CommandError, roles
from cli.deployment import MACHINES, Stack, functions
from montecarlo.cost.estimate import prices
from montecarlo.cost.schedule import TRANSITIONS_PER_CHILD
from montecarlo.limits import MAP_RUN_CHILDREN
from publishing.templates import read

FINE, DOUBT, WRONG, UNKNOWN = "ok", "look", "wrong", "unknown"

ENOUGH_CONCURRENCY, NEW_ACCOUNT_CONCURRENCY = 500, 10
"""Executions of Lambda at once: the default of MaxConcurrency, and what a new account may have."""

NEW_BUCKETS, PUBLISHED_BUCKETS = 2, 10_000
"""A stack makes one bucket, from the console or Terraform two; an account may have so many unless it was told more."""

BUCKETS, TRANSITIONS = "General purpose buckets", "StateTransition throttle token refill rate per second"
"""Names of quotas in Service Quotas."""

VCPUS = {
    ("fargate", "Spot"): ("fargate", "L-36FBB829", "Fargate Spot vCPU resource count", 6),
    ("fargate", "demand"): ("fargate", "L-3032A538", "Fargate On-Demand vCPU resource count", 6),
    ("ec2", "Spot"): ("ec2", "L-34B43A08", "All Standard Spot Instance Requests", 5),
    ("ec2", "demand"): ("ec2", "L-1216C47A", "Running On-Demand Standard instances", 5),
}
"""Quotas of vCPUs, by what workers run on: service, code, name in short, and what AWS publishes as the default."""

_SECONDS = "seconds of a Lambda invocation"

DEPLOYING = (
    "cloudformation:CreateStack", "cloudformation:CreateChangeSet", "cloudformation:DescribeStacks",
    "iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:CreatePolicy", "iam:PassRole",
    "lambda:CreateFunction", "lambda:GetLayerVersion", "logs:CreateLogGroup", "logs:PutRetentionPolicy",
    "s3:CreateBucket", "s3:PutBucketPolicy", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
    "states:CreateStateMachine", "states:StartExecution", "cloudwatch:PutMetricAlarm", "cloudwatch:PutDashboard",
)  # fmt: skip
"""What whoever deploys calls, or CloudFormation in their name."""

DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation")


@dataclass(frozen=True)
class Finding:
    """What was looked up, what came of it, and the way out where it is not as it should be."""

    what: str
    verdict: str
    told: str
    way_out: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:<8}{self.what}: {self.told}"
        return f"{line}\n        {self.way_out}" if self.way_out else line


@dataclass(frozen=True)
class Workers:
    """The workers of a stack. `spot`, `on_demand`: their shares, whose sum is all."""

    compute: str
    most: int
    cores: int
    spot: int
    on_demand: int

    def vcpus(self, share: int) -> int:
        """What the workers of a share take at most. On EC2 two with a vCPU each have an instance of two."""
        number = math.ceil(self.most * share / (self.spot + self.on_demand))
        return 2 * math.ceil(number / 2) if (self.compute, self.cores) == ("ec2", 1) else number * self.cores


def session(profile: str | None, region: str | None) -> boto3.Session:
    """The user's own. Raises CommandError where no Region is set."""
    settings = botocore.session.Session(profile=profile)
    settings.set_default_client_config(Config(retries={"mode": "adaptive", "total_max_attempts": 10}))  # IAM is slow
    made = boto3.Session(botocore_session=settings, region_name=region or None)
    if not made.region_name:
        raise CommandError("no Region is set: give --region, or set AWS_REGION.")
    return made


def of_account(given: boto3.Session, architecture: str, compute: str = "lambda") -> Iterator[Finding]:
    """Everything, one after the other; without an identity nothing more can be asked.

    compute: what simulates in the stack to come, which has its defaults: lambda, fargate or ec2.
    """
    first = _asked("identity", partial(_identity, given))
    yield first
    if first.verdict != FINE:
        return
    identity = given.client("sts").get_caller_identity()
    partition = identity["Arn"].split(":")[1]
    for what, arn in _layers(given, architecture, partition):
        yield _asked(what, partial(_layer, given, what, arn)) if arn else _no_layer(what, given)
    yield _asked("Lambda", partial(_lambda, given))
    yield _asked("Step Functions", partial(_step_functions, given))
    yield _asked("S3", partial(_s3, given, NEW_BUCKETS))
    if compute != "lambda":
        yield from _vcpus(given, lambda: _default_workers(compute))
    for machine in ("datagen", "dataproc"):
        for children in ("STANDARD", "EXPRESS"):
            what = f"state machine {machine}, {children.lower()} children"
            yield _asked(what, partial(_machine, given, what, machine, children, partition))
    iam, account = given.client("iam"), identity["Account"]
    yield _asked(ROLES, lambda: _roles(roles.of_templates(iam, partition, given.region_name, account), _CHANGED))
    yield _asked("permissions to deploy", partial(_permissions, given, identity["Arn"], partition))


def of_stack(stack: Stack) -> Iterator[Finding]:
    """What a deployed stack needs, as it is there."""
    given = stack.session
    first = _asked("identity", partial(_identity, given))
    yield first
    if first.verdict != FINE:
        return
    yield _asked("Lambda", partial(_lambda, given, stack))
    yield _asked("Step Functions", partial(_step_functions, given))
    yield _asked("S3", partial(_s3, given, 0))
    yield from _vcpus(given, lambda: _workers(stack))
    yield _asked("functions", partial(_functions, stack))
    for arn in _layers_of(stack):
        yield _asked(f"layer {arn.split(':')[6]}", partial(_layer, given, f"layer {arn.split(':')[6]}", arn))
    for output, machine in MACHINES.items():
        what = f"state machine {machine}"
        yield _asked(what, partial(_deployed_machine, stack, what, stack.outputs[output]))
    yield _asked(ROLES, lambda: _roles(roles.of_stack(stack), _TAKEN_AWAY))


ROLES = "roles of functions and state machines"
_CHANGED = "The templates were changed: give the role what its step does, or report it."
_TAKEN_AWAY = (
    "Deploy the stack again, the way it was deployed; if that does not bring it back, look for a permissions boundary."
)


def _roles(found: Iterable[tuple[str, list[str]]], way_out: str) -> Finding:
    missing = {name: refused for name, refused in found if refused}
    if missing:
        told = "; ".join(f"{name} may not {', '.join(refused)}" for name, refused in missing.items())
        return Finding(ROLES, WRONG, told, way_out)
    return Finding(ROLES, FINE, "IAM allows each of them what its steps do")


def _functions(stack: Stack) -> Finding:
    """Whether every function can be invoked; one that cannot says why."""
    client, wrong = stack.client("lambda"), []
    found = dict(functions(stack))
    for name, arn in found.items():
        try:
            config = client.get_function_configuration(FunctionName=arn)
        except client.exceptions.ResourceNotFoundException:
            wrong.append(f"{name} is not there")
            continue
        if config.get("State", "Active") not in ("Active", "Inactive"):
            wrong.append(f"{name} is {config['State']}: {config.get('StateReason', 'without a reason')}")
    if wrong:
        return Finding("functions", WRONG, "; ".join(wrong), "Deploy the stack again, the way it was deployed.")
    return Finding("functions", FINE, f"all {len(found)} can be invoked")


def _layers_of(stack: Stack) -> list[str]:
    """The layers of the functions that are there."""
    client, found = stack.client("lambda"), set[str]()
    for _, arn in functions(stack):
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            found.update(
                layer["Arn"] for layer in client.get_function_configuration(FunctionName=arn).get("Layers", [])
            )
    return sorted(found)


def _deployed_machine(stack: Stack, what: str, arn: str) -> Finding:
    described = stack.client("stepfunctions").describe_state_machine(stateMachineArn=arn)
    return _validated(stack.client("stepfunctions"), what, described["definition"])


def _asked(what: str, ask: Callable[[], Finding]) -> Finding:
    """A finding, or that it could not be asked for."""
    try:
        return ask()
    except ClientError as error:
        told = error.response.get("Error", {})
        code, message = told.get("Code", ""), told.get("Message", "")
        if what == "identity" or code in ("ExpiredToken", "InvalidClientTokenId", "UnrecognizedClientException"):
            return Finding(what, WRONG, f"{code}: {message}", "Sign in anew, with `aws sso login` or fresh keys.")
        way_out = f"Ask for {error.operation_name}, or look it up yourself." if code in DENIED else ""
        return Finding(what, UNKNOWN, f"{error.operation_name} says {code}: {message}", way_out)
    except BotoCoreError as error:
        way_out = "Set AWS_PROFILE or keys, and check the Region's name and your network."
        return Finding(what, WRONG, str(error).rstrip(".") + ".", way_out)


def _identity(given: boto3.Session) -> Finding:
    identity = given.client("sts").get_caller_identity()
    return Finding("identity", FINE, f"account {identity['Account']} in {given.region_name}, as {identity['Arn']}")


def _layers(given: boto3.Session, architecture: str, partition: str) -> Iterator[tuple[str, str | None]]:
    """The two layers of template.yaml in this Region, None where it names none."""
    template = read((PROJECT / "template.yaml").read_text(encoding="utf-8"))
    mappings, region = template["Mappings"], given.region_name
    arm = architecture == "arm64"
    row = mappings["SdkForPandasLayer"].get(region)
    name = "AWSSDKPandas-Python313" + ("-Arm64" if arm else "")
    there = row and f"arn:{partition}:lambda:{region}:{row['Account']}:layer:{name}:{row['Version']}"
    yield "layer with numpy and pyarrow", there
    account = mappings["Partition"].get(partition, {}).get("PowertoolsAccount")
    version = template["Parameters"]["PowertoolsLayerVersion"]["Default"]
    name = f"AWSLambdaPowertoolsPythonV3-python313-{'arm64' if arm else 'x86_64'}"
    yield "layer Powertools", account and f"arn:{partition}:lambda:{region}:{account}:layer:{name}:{version}"


def _no_layer(what: str, given: boto3.Session) -> Finding:
    return Finding(
        what,
        WRONG,
        f"template.yaml knows none in {given.region_name}",
        "Take another Region, or add a row to Mappings.",
    )


def _layer(given: boto3.Session, what: str, arn: str) -> Finding:
    try:
        size = given.client("lambda").get_layer_version_by_arn(Arn=arn)["Content"]["CodeSize"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("ResourceNotFoundException", *DENIED):
            return Finding(
                what,
                WRONG,
                f"{arn} cannot be read ({code})",
                "Copy a layer into your account and name it in LayerArn, with PowertoolsLayerVersion 0 if it has both.",
            )
        raise
    *_, account, _, name, version = arn.split(":")
    return Finding(what, FINE, f"{name}:{version} of account {account}, {size / 1e6:,.0f} MB packed")


def _lambda(given: boto3.Session, stack: Stack | None = None) -> Finding:
    """Functions at once: of a stack to come, or of one by what it was deployed with."""
    limits = given.client("lambda").get_account_settings()["AccountLimit"]
    at_once, free = limits["ConcurrentExecutions"], limits.get("UnreservedConcurrentExecutions", 0)
    told = (
        f"{at_once:,} executions at once, {free:,} of them unreserved; {prices()['quotas'][_SECONDS]:,} s for each, "
        "which nobody can raise"
    )
    wanted = _wanted(stack) if stack else ENOUGH_CONCURRENCY
    if free >= wanted:
        return Finding("Lambda", FINE, told)
    small = " A new account may also allow functions no more than 3,008 MB." if free <= NEW_ACCOUNT_CONCURRENCY else ""
    if stack:
        way_out = f"Ask for more than {wanted:,}, or wait longer: a run takes nine in ten of what there is, at most."
        return Finding("Lambda", DOUBT, told, way_out + small)
    enough = max(1, free - 2) if free <= NEW_ACCOUNT_CONCURRENCY else free // 2
    return Finding("Lambda", DOUBT, told, f"Ask for more, or deploy with MaxConcurrency={enough}.{small}")


def _wanted(stack: Stack) -> int:
    """Functions at once that the stack's runs ask for, unless they say otherwise."""
    plan = stack.client("lambda").get_function_configuration(FunctionName=dict(functions(stack))["Plan"])
    told = plan.get("Environment", {}).get("Variables", {}).get("DEFAULT_MAX_CONCURRENCY")
    return int(told) if told else ENOUGH_CONCURRENCY


def _step_functions(given: boto3.Session) -> Finding:
    quotas, by_region = prices()["quotas"], prices()["state_transitions_per_second"]
    published = by_region.get(given.region_name, by_region["elsewhere"])
    rate, named = _quota(given, "states", TRANSITIONS, published)
    told = (
        f"{rate:,.0f} state transitions a second{named}; {quotas['open Map Runs']:,} Map Runs and {MAP_RUN_CHILDREN:,} "
        "children of each at once, as published, of which a run has 40 and its concurrency"
    )
    if rate >= published:
        return Finding("Step Functions", FINE, told)
    way_out = (
        f"Chunks start at {rate / TRANSITIONS_PER_CHILD:,.0f} a second at most, and nothing fails. AWS raises it with "
        f"use; or ask Service Quotas for more of {TRANSITIONS!r}."
    )
    return Finding("Step Functions", DOUBT, told, way_out)


def _s3(given: boto3.Session, more: int) -> Finding:
    """Buckets, of which a stack to come makes some more, and requests."""
    quotas = prices()["quotas"]
    number = len(given.client("s3").list_buckets()["Buckets"])
    most, named = _quota(given, "s3", BUCKETS, PUBLISHED_BUCKETS)
    told = (
        f"{number:,} buckets of {most:,.0f}{named}; {quotas['S3 writes a second to a prefix']:,} writes and "
        f"{quotas['S3 reads a second of a prefix']:,} reads a second to a prefix, as published, to which runs keep"
    )
    if number + more > most:
        return Finding("S3", WRONG, told, f"A stack makes up to {more}: delete some, or ask Service Quotas for more.")
    return Finding("S3", FINE, told)


def _workers(stack: Stack) -> Workers | None:
    """A stack's workers, from what Plan knows of them; None where functions simulate."""
    plan = stack.client("lambda").get_function_configuration(FunctionName=dict(functions(stack))["Plan"])
    told = plan.get("Environment", {}).get("Variables", {})
    if "COMPUTE" not in told:
        return None
    return Workers(told["COMPUTE"], *(int(told[each]) for each in ("MAX_WORKERS", "WORKER_CORES", "SPOT", "ON_DEMAND")))


def _default_workers(compute: str) -> Workers:
    """The workers of a stack that is deployed with its defaults."""
    parameters = read((PROJECT / f"template-{compute}.yaml").read_text(encoding="utf-8"))["Parameters"]
    most, cores = (int(parameters[name]["Default"]) for name in ("MaxWorkers", "WorkerCores"))
    if compute == "ec2":
        spot = int(parameters["SpotShare"]["Default"])
        return Workers(compute, most, cores, spot, 100 - spot)
    return Workers(compute, most, cores, *(int(parameters[n]["Default"]) for n in ("SpotWeight", "OnDemandWeight")))


def _vcpus(given: boto3.Session, find: Callable[[], Workers | None]) -> Iterator[Finding]:
    """Whether the account may have as many vCPUs as its workers take at most, of each kind that there is some of."""
    found: list[Workers] = []

    def look() -> Finding:
        found.extend(filter(None, [find()]))
        return Finding("workers", FINE, "")

    looked = _asked("workers", look)
    if looked.verdict != FINE:
        yield looked
    for workers in found:
        for kind, share in (("Spot", workers.spot), ("demand", workers.on_demand)):
            if share:
                what = f"vCPUs on {kind}"
                yield _asked(what, partial(_vcpus_of, given, what, workers, kind, share))


def _vcpus_of(given: boto3.Session, what: str, workers: Workers, kind: str, share: int) -> Finding:
    service, code, name, published = VCPUS[workers.compute, kind]
    may, named = _quota(given, service, code, published)
    wanted = workers.vcpus(share)
    told = f"{may:,.0f}{named}, of which {workers.most:,} workers of {workers.cores} take up to {wanted:,}"
    if may >= wanted:
        return Finding(what, FINE, told)
    way_out = (
        f"Fewer workers start at once, and runs take longer. Ask Service Quotas for more of {name!r} ({code}), or "
        "deploy with a lower MaxWorkers."
    )
    return Finding(what, DOUBT, told, way_out)


def _quota(given: boto3.Session, service: str, name: str, published: float) -> tuple[float, str]:
    """What Service Quotas tells of this account; where it names no such quota, what AWS publishes, and that it is that.

    name: the quota's name, or its code.

    Raises ClientError where the user may not ask.
    """
    pages = given.client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode=service)
    listed = {
        key.lower(): float(each["Value"])
        for page in pages
        for each in page["Quotas"]
        for key in (each["QuotaName"], each.get("QuotaCode", ""))
    }
    found = listed.get(name.lower())
    return (published, " (as published: Service Quotas does not name it here)") if found is None else (found, "")


def _machine(given: boto3.Session, what: str, machine: str, children: str, partition: str) -> Finding:
    text = (PROJECT / "statemachine" / f"{machine}.asl.json").read_text(encoding="utf-8")
    function = f"arn:{partition}:lambda:{given.region_name}:123456789012:function:doctor"
    values = {"Partition": partition, "DataBucket": "doctor", "ChunkExecutionType": children}
    definition = re.sub(r"\$\{(\w+)\}", lambda found: values.get(found[1], function), text)
    return _validated(given.client("stepfunctions"), what, definition)


def _validated(states: Any, what: str, definition: str) -> Finding:
    answer = states.validate_state_machine_definition(definition=definition, type="STANDARD", severity="WARNING")
    told = [
        " ".join(str(each[name]) for name in ("location", "code", "message") if each.get(name))
        for each in answer["diagnostics"]
    ]
    if answer["result"] != "OK":
        return Finding(
            what, WRONG, "; ".join(told), "Report it, with your Region: Step Functions refuses the definition."
        )
    return Finding(what, DOUBT if told else FINE, "; ".join(told) or "Step Functions takes the definition")


def _permissions(given: boto3.Session, caller: str, partition: str) -> Finding:
    what = "permissions to deploy"
    if caller.endswith(":root"):
        return Finding(what, DOUBT, "you are the account's root user, who may do everything", "Use a role instead.")
    if found := re.fullmatch(rf"arn:{partition}:sts::(\d+):assumed-role/([^/]+)/.+", caller):
        caller = f"arn:{partition}:iam::{found[1]}:role/{found[2]}"
    answer = given.client("iam").simulate_principal_policy(PolicySourceArn=caller, ActionNames=list(DEPLOYING))
    refused = [each["EvalActionName"] for each in answer["EvaluationResults"] if each["EvalDecision"] != "allowed"]
    if refused:
        return Finding(
            what, WRONG, f"{len(refused)} are missing: {', '.join(refused)}", "Ask for them, or for a deployer's role."
        )
    return Finding(what, FINE, f"{len(DEPLOYING)} actions are allowed, as far as IAM's own policies say")
