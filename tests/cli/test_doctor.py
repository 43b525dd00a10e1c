"""`montecarlo doctor` looks an account up and says what to do where a stack could not be deployed or run."""

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from cli import PROJECT, duties, readiness
from cli.deployment import STACK, Stack, functions
from cli.main import main
from cli.readiness import DOUBT, FINE, UNKNOWN, WRONG, Finding
from embedded_aws import server
from embedded_aws.profile import STRICT
from tests.deployed import Cloud

DATAPROC = PROJECT / "statemachine" / "dataproc.asl.json"

Answer = dict[str, Any] | Exception


def refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


@dataclass
class Account:
    """A session on an account that answers as it is told to."""

    region_name: str = "eu-central-1"
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    exceptions = SimpleNamespace(ResourceNotFoundException=LookupError)

    def client(self, service: str, **_: Any) -> "Account":
        return self

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **arguments: iter([getattr(self, operation)(**arguments)]))

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def answer(**arguments: Any) -> Any:
            self.asked.append((operation, arguments))
            given = {**USUAL, **self.answers}[operation]
            if isinstance(given, Exception):
                raise given
            return given

        return answer


USUAL: dict[str, Answer] = {
    "get_caller_identity": {"Account": "1" * 12, "Arn": f"arn:aws:sts::{'1' * 12}:assumed-role/deployer/me"},
    "get_layer_version_by_arn": {"Content": {"CodeSize": 50_000_000}},
    "get_account_settings": {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}},
    "validate_state_machine_definition": {"result": "OK", "diagnostics": []},
    "simulate_principal_policy": {"EvaluationResults": [{"EvalActionName": "x", "EvalDecision": "allowed"}]},
    "simulate_custom_policy": {"EvaluationResults": [{"EvalActionName": "x", "EvalDecision": "allowed"}]},
    "list_buckets": {"Buckets": [{}]},
    "list_service_quotas": {"Quotas": [{"QuotaName": readiness.TRANSITIONS, "Value": 800.0}]},
}


def looked_up(
    answers: dict[str, Answer] | None = None, region: str = "eu-central-1"
) -> tuple[dict[str, Finding], Account]:
    account = Account(region, answers or {})
    session: Any = account
    return {finding.what: finding for finding in readiness.of_account(session, "arm64")}, account


def test_an_account_that_is_ready() -> None:
    found, account = looked_up()
    assert {finding.verdict for finding in found.values()} == {FINE}
    layers = [arguments["Arn"] for operation, arguments in account.asked if operation == "get_layer_version_by_arn"]
    assert layers == [
        "arn:aws:lambda:eu-central-1:336392948345:layer:AWSSDKPandas-Python313-Arm64:16",
        "arn:aws:lambda:eu-central-1:017000801446:layer:AWSLambdaPowertoolsPythonV3-python313-arm64:27",
    ]
    definitions = [
        arguments["definition"]
        for operation, arguments in account.asked
        if operation == "validate_state_machine_definition"
    ]
    assert len(definitions) == 4
    assert not any("${" in definition for definition in definitions)
    assert sum('"ExecutionType": "EXPRESS"' in definition for definition in definitions) == 1
    (principal,) = [
        arguments["PolicySourceArn"]
        for operation, arguments in account.asked
        if operation == "simulate_principal_policy"
    ]
    assert principal == f"arn:aws:iam::{'1' * 12}:role/deployer"


@pytest.mark.parametrize(
    ("answers", "what", "verdict", "way_out"),
    [
        ({"get_layer_version_by_arn": refused("AccessDeniedException", "GetLayerVersionByArn")},
         "layer Powertools", WRONG, "name it in LayerArn"),
        ({"get_layer_version_by_arn": refused("ResourceNotFoundException", "GetLayerVersionByArn")},
         "layer with numpy and pyarrow", WRONG, "Copy a layer"),
        ({"get_account_settings": {"AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}}},
         "Lambda", DOUBT, "MaxConcurrency=8"),
        ({"get_account_settings": {"AccountLimit": {"ConcurrentExecutions": 99, "UnreservedConcurrentExecutions": 30}}},
         "Lambda", DOUBT, "MaxConcurrency=15"),
        ({"get_account_settings": refused("AccessDeniedException", "GetAccountSettings")},
         "Lambda", UNKNOWN, "Ask for GetAccountSettings"),
        ({"list_service_quotas": {"Quotas": [{"QuotaName": readiness.TRANSITIONS, "Value": 100.0}]}},
         "Step Functions", DOUBT, "Chunks start at 50 a second"),
        ({"list_service_quotas": {"Quotas": [{"QuotaName": readiness.BUCKETS, "Value": 2.0}]}},
         "S3", WRONG, "delete some, or ask"),
        ({"list_service_quotas": refused("AccessDeniedException", "ListServiceQuotas")},
         "Step Functions", UNKNOWN, "Ask for ListServiceQuotas"),
        ({"validate_state_machine_definition": {"result": "FAIL", "diagnostics": [{"code": "X", "message": "bad"}]}},
         "state machine dataproc, express children", WRONG, "Report it"),
        ({"simulate_principal_policy": {"EvaluationResults": [
            {"EvalActionName": "iam:CreateRole", "EvalDecision": "implicitDeny"}]}},
         "permissions to deploy", WRONG, "Ask for them"),
        ({"simulate_custom_policy": {"EvaluationResults": [
            {"EvalActionName": "s3:PutObject", "EvalDecision": "implicitDeny", "ResourceSpecificResults": [
                {"EvalResourceName": "arn:aws:s3:::data/a", "EvalResourceDecision": "allowed"},
                {"EvalResourceName": "arn:aws:s3:::data/b", "EvalResourceDecision": "implicitDeny"}]}]}},
         "roles of functions and state machines", WRONG, "templates were changed"),
        ({"simulate_custom_policy": refused("AccessDenied", "SimulateCustomPolicy")},
         "roles of functions and state machines", UNKNOWN, "Ask for SimulateCustomPolicy"),
        ({"get_caller_identity": {"Account": "1", "Arn": "arn:aws:iam::1:root"}},
         "permissions to deploy", DOUBT, "Use a role instead"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_told_with_the_way_out(
    answers: dict[str, Answer], what: str, verdict: str, way_out: str
) -> None:
    found, _ = looked_up(answers)
    assert (found[what].verdict, way_out in found[what].way_out) == (verdict, True), found[what]


def vcpus(compute: str, quotas: dict[str, float]) -> dict[str, Finding]:
    """What is told of the vCPUs of a stack to come."""
    listed = [{"QuotaName": code, "QuotaCode": code, "Value": value} for code, value in quotas.items()]
    session: Any = Account(answers={"list_service_quotas": {"Quotas": listed}})
    found = readiness.of_account(session, "arm64", compute)
    return {finding.what: finding for finding in found if finding.what.startswith("vCPUs")}


def test_a_stack_of_functions_needs_no_vcpus_and_one_of_workers_those_of_all_its_workers() -> None:
    assert vcpus("lambda", {}) == {}
    (spot,) = vcpus("fargate", {"L-36FBB829": 100.0, "L-3032A538": 6.0}).values()
    assert (spot.verdict, spot.told) == (FINE, "100, of which 25 workers of 4 take up to 100")
    (spot,) = vcpus("fargate", {"L-36FBB829": 99.0, "L-3032A538": 4000.0}).values()
    assert spot.verdict == DOUBT
    assert "'Fargate Spot vCPU resource count' (L-36FBB829)" in spot.way_out
    assert "lower MaxWorkers" in spot.way_out
    (spot,) = vcpus("ec2", {"L-34B43A08": 5.0}).values()
    assert (spot.what, spot.verdict) == ("vCPUs on Spot", DOUBT)
    (unnamed,) = vcpus("ec2", {}).values()
    assert unnamed.told.startswith("5 (as published: Service Quotas does not name it here), of which 25 workers")


def test_what_nothing_runs_on_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--compute", "ecs", "--region", "us-east-1"]) == 2
    assert "--compute is 'ecs', but must be lambda, fargate, ec2." in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("shares", "cores", "compute", "wanted"),
    [
        ({"SPOT": "3", "ON_DEMAND": "2"}, "2", "fargate", {"vCPUs on Spot": 12, "vCPUs on demand": 8}),
        ({"SPOT": "0", "ON_DEMAND": "1"}, "2", "fargate", {"vCPUs on demand": 20}),
        ({"SPOT": "75", "ON_DEMAND": "25"}, "1", "ec2", {"vCPUs on Spot": 8, "vCPUs on demand": 4}),
    ],
)
def test_the_workers_of_a_deployed_stack_are_looked_at_as_they_are(
    shares: dict[str, str], cores: str, compute: str, wanted: dict[str, int]
) -> None:
    """Of ten workers; two with one vCPU share an instance of EC2."""
    environment = {"COMPUTE": compute, "MAX_WORKERS": "10", "WORKER_CORES": cores, **shares}
    definition = DATAPROC.read_text(encoding="utf-8").replace("${Partition}", "aws")
    text = re.sub(r"\$\{(\w+)\}", "arn:aws:lambda:eu-central-1:1:function:\\1", definition)
    answers: dict[str, Answer] = {
        "describe_state_machine": {"definition": text, "stateMachineArn": "arn:machine", "roleArn": "arn:role"},
        "get_function_configuration": {"Role": "arn:role", "Environment": {"Variables": environment}},
    }
    session: Any = Account(answers=answers)
    outputs = {"DataBucket": "data", "DataGenStateMachineArn": "arn:one", "DataProcStateMachineArn": "arn:two"}
    found = {each.what: each for each in readiness.of_stack(Stack(session, outputs)) if "vCPUs" in each.what}
    assert {what: int(each.told.rpartition(" ")[2]) for what, each in found.items()} == wanted
    answers["get_function_configuration"] = refused("AccessDeniedException", "GetFunctionConfiguration")
    found = {}
    with contextlib.suppress(ClientError):  # of the layers, which are asked for after
        for each in readiness.of_stack(Stack(session, outputs)):
            found[each.what] = each
    assert (found["workers"].verdict, "Ask for GetFunctionConfiguration" in found["workers"].way_out) == (UNKNOWN, True)


def test_iam_is_asked_about_every_role_and_everything_that_it_is_for() -> None:
    """The policies as CloudFormation makes them, with nothing left to fill in."""
    _, account = looked_up()
    asked = [arguments for operation, arguments in account.asked if operation == "simulate_custom_policy"]
    assert {len(arguments["ActionNames"]) for arguments in asked} == {1}
    assert {arguments["ActionNames"][0] for arguments in asked} == {
        *("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"),
        *("lambda:InvokeFunction", "lambda:GetAccountSettings", "states:StartExecution", "events:PutEvents"),
    }
    assert len({tuple(arguments["PolicyInputList"]) for arguments in asked}) == len(duties.STEPS) + len(duties.MACHINES)
    assert not any(mark in str(arguments) for arguments in asked for mark in ("${", "Fn::", "'Ref'", '"Ref"'))


@pytest.fixture
def doctor(
    cloud: Cloud, aws: server.Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], tuple[int, str]]:
    """`montecarlo doctor` on the deployed stack."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)

    def look() -> tuple[int, str]:
        capsys.readouterr()
        monkeypatch.setenv("MONTECARLO_STACK", cloud.stack.name)  # as good as --stack
        return main(["doctor", "--region", "us-east-1"]), capsys.readouterr().out

    return look


def test_a_deployed_stack_is_looked_at_as_it_is(doctor: Callable[[], tuple[int, str]]) -> None:
    status, out = doctor()
    assert (status, out.splitlines()[-1]) == (0, f"Nothing stands in the way of the stack {STACK}."), out
    assert "functions: all 9 can be invoked" in out
    assert out.count("ok      layer ") == 2
    assert out.count("ok      state machine ") == 2
    assert "ok      roles of functions and state machines: IAM allows each of them" in out


def test_a_permission_that_was_taken_away_is_named(cloud: Cloud, doctor: Callable[[], tuple[int, str]]) -> None:
    iam, function = cloud.stack.client("iam"), dict(functions(cloud.stack))["ReduceGroup"]
    arn = cloud.stack.client("lambda").get_function_configuration(FunctionName=function)["Role"]
    role = arn.rpartition("/")[2]
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName=policy)
    try:
        status, out = doctor()
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
    assert status == 2
    bucket = cloud.stack.bucket
    assert f"ReduceGroup may not s3:PutObject on arn:aws:s3:::{bucket}/runs/x/groups/x/partial.npz" in out
    assert "Aggregate may not" not in out
    assert "Deploy the stack again" in out


def test_a_deployed_stack_whose_layer_and_function_have_gone() -> None:
    layer = "arn:aws:lambda:eu-central-1:123456789012:layer:gone:7"
    definition = DATAPROC.read_text(encoding="utf-8").replace("${Partition}", "aws")
    text = re.sub(r"\$\{(\w+)\}", "arn:aws:lambda:eu-central-1:1:function:\\1", definition)
    account = Account(
        answers={
            "describe_state_machine": {"definition": text, "stateMachineArn": "arn:machine", "roleArn": "arn:role"},
            "get_function_configuration": {
                "Role": "arn:role", "Layers": [{"Arn": layer}], "State": "Failed", "StateReason": "its image is gone",
            },
            "get_layer_version_by_arn": refused("ResourceNotFoundException", "GetLayerVersionByArn"),
        }
    )  # fmt: skip
    session: Any = account
    outputs = {"DataBucket": "data", "DataGenStateMachineArn": "arn:one", "DataProcStateMachineArn": "arn:two"}
    found = {finding.what: finding for finding in readiness.of_stack(Stack(session, outputs))}
    gone = found["layer gone"]
    assert (gone.verdict, gone.told) == (WRONG, f"{layer} cannot be read (ResourceNotFoundException)")
    assert "name it in LayerArn" in gone.way_out
    assert found["functions"].verdict == WRONG
    assert "Plan is Failed: its image is gone" in found["functions"].told
    assert "Deploy the stack again" in found["functions"].way_out


def test_a_region_without_layers_is_named() -> None:
    found, _ = looked_up(region="mars-north-1")
    assert found["layer with numpy and pyarrow"].verdict == WRONG
    assert "Take another Region" in found["layer with numpy and pyarrow"].way_out
    assert "iam:CreateRole" not in str(found)


@pytest.mark.parametrize("error", [NoCredentialsError(), refused("ExpiredToken", "GetCallerIdentity")])
def test_without_an_identity_nothing_more_is_asked(error: Exception) -> None:
    found, account = looked_up({"get_caller_identity": error})
    assert list(found) == ["identity"]
    assert found["identity"].verdict == WRONG
    assert len(account.asked) == 1


def test_the_embedded_aws_is_asked_as_an_account_is(
    aws: server.Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything that is asked of an account is answered here too."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    assert main(["doctor", "--region", "us-east-1"]) == 0
    out = capsys.readouterr().out
    verdicts = {
        line.split(":")[0][8:]: line.split()[0]
        for line in out.splitlines()
        if line.strip() and not line.startswith(" ")
    }
    assert {what: verdict for what, verdict in verdicts.items() if what.strip() and verdict in (WRONG, UNKNOWN)} == {}
    assert verdicts["identity"] == FINE
    assert len([what for what in verdicts if what.startswith("state machine")]) == 4
    assert "Nothing stands in the way of a stack." in out


def test_an_account_with_ten_functions_and_a_layer_that_is_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As new accounts are; asked, and told by the embedded AWS."""
    small = replace(STRICT, concurrency=10, transitions=100, unreadable_layers=":layer:AWSSDKPandas")
    running = server.start(tmp_path / "up", profile=small)
    try:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("MONTECARLO_STACK", raising=False)
        assert main(["doctor", "--region", "us-east-1"]) == 2
    finally:
        running.stop()
    out, err = capsys.readouterr()
    assert "1 of 12 things stand in the way of a stack" in err
    assert re.search(r"wrong   layer with numpy and pyarrow: .* cannot be read \(AccessDeniedException\)", out)
    assert "Copy a layer into your account and name it in LayerArn" in out
    assert "look    Lambda: 10 executions at once" in out
    assert "deploy with MaxConcurrency=8. A new account may also allow functions no more than 3,008 MB" in out
    assert "look    Step Functions: 100 state transitions a second;" in out
    assert "Chunks start at 50 a second at most, and nothing fails." in out
    assert "ok      layer Powertools" in out


def test_a_layer_of_a_deployed_stack_that_was_deleted(cloud: Cloud, doctor: Callable[[], tuple[int, str]]) -> None:
    client, function = cloud.stack.client("lambda"), dict(functions(cloud.stack))["WriteManifest"]
    layers = [layer["Arn"] for layer in client.get_function_configuration(FunctionName=function)["Layers"]]
    own = client.publish_layer_version(LayerName="own", Content={"ZipFile": b"PK\5\6" + bytes(18)})
    client.update_function_configuration(FunctionName=function, Layers=[own["LayerVersionArn"]])
    client.delete_layer_version(LayerName="own", VersionNumber=own["Version"])
    try:
        status, out = doctor()
    finally:
        client.update_function_configuration(FunctionName=function, Layers=layers)
    assert status == 2
    assert re.search(r"wrong   layer own: .*:layer:own:1 cannot be read \(ResourceNotFoundException\)", out)
    assert "name it in LayerArn" in out
