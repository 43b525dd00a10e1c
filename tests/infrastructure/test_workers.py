"""Stacks with workers: made from the stack with functions, they have its parameters, outputs and permissions, and cost
nothing while nothing runs.
"""

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from montecarlo.cost.estimate import Setup
from montecarlo.host.environment import processes
from montecarlo.host.worker import BEAT_SECONDS, DIED, STOPPED
from montecarlo.limits import HISTORY_EVENTS
from montecarlo.steps.provide_workers import step as provide_workers
from publishing import workers
from tests.infrastructure.roles import like
from tests.infrastructure.templates import ROOT, listed, resources, state_machine, states, template, values
from tests.infrastructure.test_state_machines import FINAL_ERRORS
from tests.steps.test_provide_workers import MACHINE, FleetHost, Stack

DATAPROCS = [f"cloudformation/dataproc-{compute}.yaml" for compute in workers.COMPUTES]
EC2 = "cloudformation/dataproc-ec2.yaml"
on_each = pytest.mark.parametrize("path", DATAPROCS)
MADE = workers.made()


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_is_fresh(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == MADE[name], "run: make console"


def test_what_stands_over_another_takes_its_place_entry_by_entry() -> None:
    under = {"a": {"b": 1, "c": [1, 2]}, "f": {"Fn::If": ["x", 1, 2]}, "g": 1}
    over = {"a": {"b": None, "c": [3]}, "f": {"Ref": "X"}, "h": {"i": 2}}
    assert workers.overlaid(under, over) == {"a": {"c": [3]}, "f": {"Ref": "X"}, "g": 1, "h": {"i": 2}}


def test_a_file_that_is_not_fresh_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert workers.main(["--check"]) == 0
    monkeypatch.setattr(workers, "HEARTBEAT_SECONDS", 61)
    assert workers.main(["--check"]) == 1
    assert "statemachine/dataproc-workers.asl.json" in capsys.readouterr().err


# The state machine ----------------------------------------------------------------------------------------------------


def machine() -> dict[str, dict[str, Any]]:
    return dict(states(state_machine("dataproc-workers")))


def test_a_chunk_is_tried_again_when_its_worker_goes_and_ends_with_its_own_error() -> None:
    chunk = machine()["SimulateChunk"]
    retries = {name: retrier for retrier in chunk["Retry"] for name in retrier["ErrorEquals"]}
    assert set(retries) == {STOPPED, DIED, "SlowDown", "States.HeartbeatTimeout", "States.Timeout"}
    assert not set(retries) & FINAL_ERRORS
    assert retries[STOPPED]["MaxAttempts"] > retries["States.HeartbeatTimeout"]["MaxAttempts"] > 2
    assert sum(retrier["MaxAttempts"] for retrier in chunk["Retry"]) * 5 < HISTORY_EVENTS
    assert all(retrier["JitterStrategy"] == "FULL" for retrier in chunk["Retry"])


def test_two_heartbeats_may_be_lost() -> None:
    chunk = machine()["SimulateChunk"]
    assert 2 * BEAT_SECONDS < chunk["HeartbeatSeconds"] < chunk["TimeoutSeconds"]


def test_chunks_wait_in_standard_executions_as_express_ones_cannot_wait_for_a_worker() -> None:
    assert machine()["Chunks"]["ItemProcessor"]["ProcessorConfig"] == {
        "Mode": "DISTRIBUTED",
        "ExecutionType": "STANDARD",
    }


def test_workers_are_provided_for_every_plan() -> None:
    there = machine()
    assert {name for name, state in there.items() if state.get("Next") == "ProvideWorkers"} == {"Plan", "PlanWave"}
    provide = there["ProvideWorkers"]
    assert (provide["Next"], provide["ResultPath"]) == ("Groups", None)
    assert provide["Catch"] == there["Plan"]["Catch"]


def test_all_the_rest_is_as_with_functions() -> None:
    here, there = machine(), dict(states(state_machine("dataproc")))
    assert set(here) - set(there) == {"ProvideWorkers"}
    for name in set(there) - {"Plan", "PlanWave", "Groups", "Chunks", "SimulateChunk"}:
        assert here[name] == there[name], name


@on_each
def test_every_placeholder_is_filled_and_every_function_may_be_invoked(path: str) -> None:
    properties = resources(path, "AWS::Serverless::StateMachine")["DataProcMachine"]["Properties"]
    given, text = properties["DefinitionSubstitutions"], json.dumps(state_machine("dataproc-workers"))
    assert all(f"${{{name}}}" in text for name in given)
    assert text.count("${") == sum(text.count(f"${{{name}}}") for name in given)
    assert given["SimulateTaskArn"] == {"Ref": "Chunks"}
    used = sorted(value["Fn::GetAtt"] for value in given.values() if "Fn::GetAtt" in value)
    (invoke,) = [each for each in properties["Policies"][0]["Statement"] if each["Action"] == "lambda:InvokeFunction"]
    assert sorted(target["Fn::GetAtt"] for target in invoke["Resource"]) == used
    assert sorted(name for name, _ in used) == sorted(resources(path, "AWS::Serverless::Function"))


# Faces ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compute", workers.COMPUTES)
def test_parameters_defaults_and_outputs_are_those_of_the_stack_with_functions(compute: str) -> None:
    here, there = template(f"template-{compute}.yaml"), template("template.yaml")
    common = set(there["Parameters"]) - set(workers.OF_FUNCTIONS)
    assert {name: here["Parameters"][name] for name in common} == {name: there["Parameters"][name] for name in common}
    assert here["Outputs"] == there["Outputs"]
    assert here["Mappings"] == there["Mappings"]


def test_parameters_of_workers_are_the_same_on_ec2_but_for_the_share_on_spot() -> None:
    """What they mean may differ in words, what they may be does not."""
    fargate, ec2 = ({name: {**body, "Description": ""} for name, body in template(path)["Parameters"].items()}
                    for path in ("template-fargate.yaml", "template-ec2.yaml"))  # fmt: skip
    assert fargate.keys() - ec2.keys() == {"SpotWeight", "OnDemandWeight"}
    assert ec2.keys() - fargate.keys() == {"SpotShare"}
    assert all(ec2[name] == fargate[name] for name in ec2.keys() & fargate.keys())


def sizes(path: str) -> dict[str, dict[str, str]]:
    """CPU units and memory of a worker by its vCPUs, and by what it has for each in MB."""
    found: dict[str, dict[str, str]] = template(path)["Mappings"]["Worker"]
    assert list(found) == template("template-fargate.yaml")["Parameters"]["WorkerCores"]["AllowedValues"]
    assert all(int(size["Cpu"]) == 1024 * int(cores) for cores, size in found.items())
    return found


MEMORIES = template("template-fargate.yaml")["Parameters"]["MemoryPerCore"]["AllowedValues"]


def test_every_size_of_worker_is_one_that_fargate_has() -> None:
    """CPU units and MB. Source: Amazon ECS Developer Guide, "Task definition parameters for Fargate", "Task size"."""
    allowed = {1024: range(2048, 8193, 1024), 2048: range(4096, 16385, 1024), 4096: range(8192, 30721, 1024)}
    for cores, size in sizes("cloudformation/dataproc-fargate.yaml").items():
        for each in MEMORIES:
            assert int(size[each]) == int(each) * int(cores)
            assert int(size[each]) in allowed[int(size["Cpu"])]


def test_every_size_of_worker_fits_its_instance_and_has_a_process_on_each_core() -> None:
    instances = template(EC2)["Mappings"]["Instance"]
    for cores, size in sizes(EC2).items():
        instance = instances[cores]
        number = int(instance["Workers"])
        assert int(instance["Cores"]) == number * int(cores) >= 2
        for each in MEMORIES:
            assert int(instance[each]) == int(each) * int(instance["Cores"])
            assert number * int(size[each]) == int(instance[each]) * 7 / 8
            assert processes(int(cores), int(size[each]), Setup.memory_mb) == int(cores)


@on_each
def test_a_chunk_is_given_a_plain_address_and_the_same_environment_as_in_lambda(path: str) -> None:
    (container,) = resources(path, "AWS::ECS::TaskDefinition")["WorkerTask"]["Properties"]["ContainerDefinitions"]
    given = {variable["Name"]: variable["Value"] for variable in container["Environment"]}
    functions = template(path)["Globals"]["Function"]["Environment"]["Variables"]
    for name in (
        "DATA_BUCKET",
        "PORTFOLIO_BUCKET",
        "MONTECARLO_KERNEL",
        "MAX_WORKERS",
        "WORKER_CORES",
        "WORKER_MEMORY",
    ):
        assert given[name] == functions[name], name


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compute", "given", "refused"),
    [
        ("fargate", {}, ""),
        ("fargate", {"SpotWeight": "0", "OnDemandWeight": "1"}, ""),
        ("fargate", {"SpotWeight": "0", "OnDemandWeight": "0"}, "SomeWorkers"),
        ("fargate", {"VpcId": "vpc-1", "SubnetIds": "subnet-1"}, ""),
        ("fargate", {"VpcId": "vpc-1"}, "OwnNetwork"),
        ("fargate", {"SubnetIds": "subnet-1"}, "OwnNetwork"),
        ("ec2", {"SpotShare": "0"}, ""),
        ("ec2", {"VpcId": "vpc-1"}, "OwnNetwork"),
        ("ec2", {"SubnetIds": "subnet-1"}, "OwnNetwork"),
        ("ec2", {"VpcId": "vpc-1", "SubnetIds": "subnet-1"}, ""),
    ],
)
def test_the_rules_refuse_what_terraform_refuses_and_nothing_else(
    compute: str, given: dict[str, str], refused: str
) -> None:
    """By MiniStack's evaluation of them; tests/publishing/test_deployment.py has whole requests."""
    engine = pytest.importorskip("ministack.services.cloudformation.engine", reason="the embedded AWS is not installed")
    root = template(f"template-{compute}.yaml")
    values = {name: {"Value": given.get(name, str(each["Default"]))} for name, each in root["Parameters"].items()}
    engine._check_rules_section(root)
    if not refused:
        engine._evaluate_rules(root, values, {})
        return
    (assertion,) = root["Rules"][refused]["Assertions"]
    with pytest.raises(ValueError, match=f"rule {refused} failed: {re.escape(assertion['AssertDescription'])}"):
        engine._evaluate_rules(root, values, {})


# Nothing while nothing runs -------------------------------------------------------------------------------------------

FREE = {
    "AWS::EC2::VPC", "AWS::EC2::InternetGateway", "AWS::EC2::VPCGatewayAttachment", "AWS::EC2::RouteTable",
    "AWS::EC2::Route", "AWS::EC2::Subnet", "AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::SecurityGroup",
}  # fmt: skip
"""What costs nothing for being there."""


def test_the_network_costs_nothing_unless_endpoints_are_asked_for() -> None:
    network = template("cloudformation/network.yaml")
    assert network["Parameters"]["InterfaceEndpoints"]["Default"] == "false"
    for name, body in network["Resources"].items():
        if body["Type"] == "AWS::EC2::VPCEndpoint":
            is_gateway = body["Properties"]["VpcEndpointType"] == "Gateway"
            assert is_gateway or body["Condition"] in ("MakesEndpoints", "MakesEcsEndpoints"), name
        else:
            assert body["Type"] in FREE, name


@on_each
def test_there_is_no_worker_and_no_look_every_few_minutes_until_there_is_a_run(path: str) -> None:
    assert resources(path, "AWS::ECS::Service")["Workers"]["Properties"]["DesiredCount"] == 0
    rules = resources(path, "AWS::Events::Rule")
    assert rules["LookAgain"]["Properties"]["State"] == "DISABLED"
    scheduled = {name: body["Properties"].get("ScheduleExpression") for name, body in rules.items()}
    assert scheduled == {"ExecutionEnds": None, "EveryHour": "rate(1 hour)", "LookAgain": "rate(5 minutes)"}


@on_each
def test_every_end_of_an_execution_is_told_and_every_rule_may_call(path: str) -> None:
    pattern = resources(path, "AWS::Events::Rule")["ExecutionEnds"]["Properties"]["EventPattern"]
    assert pattern["detail"]["status"] == ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
    assert pattern["detail"]["stateMachineArn"] == [{"Ref": "DataProcMachine"}]
    sources = {body["Properties"]["SourceArn"]["Fn::GetAtt"][0]: body["Properties"]["FunctionName"]
               for body in resources(path, "AWS::Lambda::Permission").values()}  # fmt: skip
    assert set(sources) == set(resources(path, "AWS::Events::Rule"))
    assert all(function == {"Ref": "ProvideWorkers"} for function in sources.values())


def test_the_watch_lets_the_longest_step_end() -> None:
    """Between two marks of a worker, and while a group is cut or added up, a run has no other sign of life."""
    patience = template("template-fargate.yaml")["Parameters"]["NoCapacityMinutes"]["MinValue"] * 60
    assert patience > max(machine()[name]["TimeoutSeconds"] for name in ("PlanGroup", "ReduceGroup"))


def test_there_is_no_instance_until_there_is_a_run_and_none_is_kept_from_going() -> None:
    """An instance that is protected from scale-in keeps CloudFormation from deleting its group."""
    group = resources(EC2, "AWS::AutoScaling::AutoScalingGroup")["Instances"]["Properties"]
    assert (group["MinSize"], group["MaxSize"]) == ("0", {"Ref": "MaxWorkers"})
    assert "DesiredCapacity" not in group  # an update of the stack must not set it
    assert group["NewInstancesProtectedFromScaleIn"] is False
    provider = resources(EC2, "AWS::ECS::CapacityProvider")["Capacity"]["Properties"]["AutoScalingGroupProvider"]
    assert provider["ManagedTerminationProtection"] == "DISABLED"
    assert (provider["ManagedScaling"]["Status"], provider["ManagedDraining"]) == ("ENABLED", "ENABLED")
    assert provider["AutoScalingGroupArn"] == {"Ref": "Instances"}


def test_the_share_on_spot_and_the_one_on_demand_are_100_together() -> None:
    shares = {int(spot): int(row["OnDemand"]) for spot, row in template(EC2)["Mappings"]["Spot"].items()}
    assert {spot + on_demand for spot, on_demand in shares.items()} == {100}
    parameter = template("template-ec2.yaml")["Parameters"]["SpotShare"]
    assert [*map(int, parameter["AllowedValues"])] == [*shares]
    assert parameter["Default"] == "100"
    mix = resources(EC2, "AWS::AutoScaling::AutoScalingGroup")["Instances"]["Properties"]["MixedInstancesPolicy"]
    on_spot = mix["InstancesDistribution"]
    assert on_spot["OnDemandPercentageAboveBaseCapacity"]["Fn::FindInMap"] == ["Spot", {"Ref": "SpotShare"}, "OnDemand"]
    assert (on_spot["OnDemandBaseCapacity"], on_spot["SpotAllocationStrategy"]) == (0, "price-capacity-optimized")


def test_an_instance_lets_nobody_in_and_its_containers_have_no_way_to_its_role() -> None:
    data = resources(EC2, "AWS::EC2::LaunchTemplate")["InstanceTemplate"]["Properties"]["LaunchTemplateData"]
    assert data["MetadataOptions"] == {
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
        "HttpEndpoint": "enabled",
    }
    assert "KeyName" not in data
    assert [card["Groups"] for card in data["NetworkInterfaces"]] == [[{"Ref": "SecurityGroupId"}]]
    (disk,) = data["BlockDeviceMappings"]
    assert (disk["Ebs"]["Encrypted"], disk["Ebs"]["VolumeType"]) == (True, "gp3")
    task = resources(EC2, "AWS::ECS::TaskDefinition")["WorkerTask"]["Properties"]
    assert task["NetworkMode"] == "bridge"  # one hop more than the limit
    actions = [action for each in statements(EC2, "InstanceRole") for action in listed(each["Action"])]
    assert all(action.startswith("ecs:") for action in actions)


def test_the_image_of_an_instance_is_the_one_of_its_processor() -> None:
    data = resources(EC2, "AWS::EC2::LaunchTemplate")["InstanceTemplate"]["Properties"]["LaunchTemplateData"]
    # No `resolve:ssm:` in the launch template, which Auto Scaling refuses beside attributes.
    assert data["ImageId"] == {"Ref": "InstanceImage"}
    assert template(EC2)["Parameters"]["InstanceImage"]["Type"] == "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"
    start, end = "/aws/service/ecs/optimized-ami/amazon-linux-2023/", "recommended/image_id"
    given = template("template-ec2.yaml")["Resources"]["DataProc"]["Properties"]["Parameters"]["InstanceImage"]
    assert given == {"Fn::If": ["IsArm", f"{start}arm64/{end}", f"{start}{end}"]}
    mix = resources(EC2, "AWS::AutoScaling::AutoScalingGroup")["Instances"]["Properties"]["MixedInstancesPolicy"]
    (override,) = mix["LaunchTemplate"]["Overrides"]
    wanted = override["InstanceRequirements"]
    assert wanted["CpuManufacturers"] == {"Fn::If": ["IsArm", ["amazon-web-services"], ["intel", "amd"]]}
    assert wanted["VCpuCount"]["Min"] == wanted["VCpuCount"]["Max"]


def test_the_endpoints_that_only_instances_need_are_made_for_them_only() -> None:
    made = {root: template(root)["Resources"]["Network"]["Properties"]["Parameters"]["Instances"]
            for root in ("template-fargate.yaml", "template-ec2.yaml")}  # fmt: skip
    assert made == {"template-fargate.yaml": "false", "template-ec2.yaml": "true"}
    network = template("cloudformation/network.yaml")
    services = {body["Properties"]["ServiceName"]["Fn::Sub"].rpartition("}.")[2]
                for body in network["Resources"].values() if body.get("Condition") == "MakesEcsEndpoints"}  # fmt: skip
    assert services == {"ecs", "ecs-agent", "ecs-telemetry"}
    assert network["Conditions"]["MakesEcsEndpoints"]["Fn::And"][0] == {"Condition": "MakesEndpoints"}


# Permissions ----------------------------------------------------------------------------------------------------------


def statements(path: str, role: str) -> list[Any]:
    (policy,) = resources(path, "AWS::IAM::Role")[role]["Properties"]["Policies"]
    found: list[Any] = policy["PolicyDocument"]["Statement"]
    return found


@on_each
def test_a_worker_may_do_to_the_bucket_what_the_function_may_and_write_that_it_is_at_work(path: str) -> None:
    function = resources("cloudformation/dataproc.yaml", "AWS::Serverless::Function")["SimulateChunk"]["Properties"]
    shared = [policy for policy in function["Policies"] if "Ref" in policy]
    (own,) = (policy["Statement"] for policy in function["Policies"] if "Statement" in policy)
    role = resources(path, "AWS::IAM::Role")["WorkerRole"]["Properties"]
    assert role["ManagedPolicyArns"] == shared
    of_bucket = [each for each in statements(path, "WorkerRole") if str(each.get("Action")).startswith("s3:")]
    assert of_bucket[:-1] == own
    assert of_bucket[-1]["Resource"]["Fn::Sub"].endswith("${DataBucketName}/runs/*/at-work")


@on_each
def test_only_what_has_no_resource_is_allowed_on_everything(path: str) -> None:
    wide = {
        action
        for node in values(template(path))
        if isinstance(node, dict) and node.get("Effect") == "Allow" and node.get("Resource") == "*"
        for action in (node["Action"] if isinstance(node["Action"], list) else [node["Action"]])
        if not action.startswith("logs:")
    }
    answers = {f"states:SendTask{kind}" for kind in ("Success", "Failure", "Heartbeat")}
    of_instances = {"ecs:DiscoverPollEndpoint"} if path == EC2 else set()
    assert wide == {"lambda:GetAccountSettings", "ecr:GetAuthorizationToken", *answers, *of_instances}


@on_each
def test_provide_workers_touches_what_its_role_allows_and_all_of_it(path: str) -> None:
    """Of objects; that it may use the rest is shown by a run under enforced permissions, in tests/system."""
    touched: set[tuple[str, str]] = set()
    stack = Stack()

    def seen(action: str, call: Any) -> Any:
        def watched(**given: Any) -> Any:
            touched.add((action, given["Key"]))
            return call(**given)

        return watched

    for name, action in (("put_object", "s3:PutObject"), ("get_object", "s3:GetObject")):
        setattr(stack.s3, name, seen(action, getattr(stack.s3, name)))
    stack.fleet.start("june")
    stack.plan("june")
    touched.clear()
    provide_workers({"machine": MACHINE}, FleetHost(stack))  # all was written long ago
    assert stack.fleet.stopped
    policies = resources(path, "AWS::Serverless::Function")["ProvideWorkers"]["Properties"]["Policies"]
    assert policies[0] == {"Ref": "ReadRuns"}
    (write, *_) = policies[1]["Statement"]
    assert write["Action"] == "s3:PutObject"
    allowed = [each["Fn::Sub"].rpartition("${DataBucketName}/")[2] for each in write["Resource"]]
    written = {key for action, key in touched if action == "s3:PutObject"}
    assert written == {"runs/june/failure.json", "runs/june/failure.html"}
    assert len(allowed) == len(written)
    assert all(any(like(each, key) for each in allowed) for key in written)
    assert {key for action, key in touched if action == "s3:GetObject"} == {
        "runs/june/plan.json", "runs/june/waves/001/plan.json", "runs/june/estimate.json",
        "runs/june/waves/tail/plan.json",
    }  # fmt: skip


def test_nothing_reaches_a_worker_and_a_worker_reaches_tls_only() -> None:
    group = resources("cloudformation/network.yaml", "AWS::EC2::SecurityGroup")["Workers"]["Properties"]
    assert "SecurityGroupIngress" not in group
    (out,) = group["SecurityGroupEgress"]
    assert (out["IpProtocol"], out["FromPort"], out["ToPort"]) == ("tcp", 443, 443)


@on_each
def test_a_container_has_no_more_than_it_needs(path: str) -> None:
    (container,) = resources(path, "AWS::ECS::TaskDefinition")["WorkerTask"]["Properties"]["ContainerDefinitions"]
    assert (container["ReadonlyRootFilesystem"], container["Privileged"]) == (True, False)
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert [mount["ContainerPath"] for mount in container["MountPoints"]] == ["/tmp"]


def test_the_image_is_pinned_to_the_byte_and_closed() -> None:
    """What it does is shown by tests/host/test_image.py, where there is podman."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG BASE=[\w./-]+:3\.13-slim@sha256:[0-9a-f]{64}$", text, re.M)
    assert {line.split()[1] for line in text.splitlines() if line.startswith("FROM")} == {"${BASE}"}
    install = next(line for line in text.splitlines() if "pip install" in line)
    assert {"--require-hashes", "--no-deps"} <= {*install.split()}
    (user,) = re.findall(r"^USER (\d+):(\d+)$", text, re.M)
    assert "0" not in user
    assert re.search(r"^VOLUME /tmp$", text, re.M)
    assert (ROOT / "functions/worker.py").is_file()
    assert text.rstrip().endswith('ENTRYPOINT ["python3", "/worker/code/worker.py"]')
    kept = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")]
    assert kept == ["!functions", "!requirements/worker.txt"]


# How it starts --------------------------------------------------------------------------------------------------------

FAKE_BOTO3 = """
import json
ANSWERS = json.load(open({answers!r}))
class Client:
    def get_function(self, FunctionName):
        assert FunctionName == "Plan"
        return {{"Code": ANSWERS["code"], "Configuration": ANSWERS["code"]}}
    def get_layer_version_by_arn(self, Arn):
        assert Arn == "layer"
        return {{"Content": ANSWERS["layer"]}}
def client(service, config):
    return Client()
"""


def archive(folder: Path, name: str, files: dict[str, str], sha256: str = "") -> dict[str, str]:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for path, text in files.items():
            file.writestr(path, text)
    (folder / name).write_bytes(data.getvalue())
    digest = base64.b64encode(hashlib.sha256(data.getvalue()).digest()).decode()
    return {"Location": (folder / name).as_uri(), "CodeSha256": sha256 or digest}


@pytest.mark.parametrize("wrong", ["", "code", "layer"])
@on_each
def test_a_worker_starts_with_the_code_and_the_layer_of_the_functions_or_not_at_all(
    path: str, tmp_path: Path, wrong: str
) -> None:
    worker = {"worker.py": "import library, sys; print(library.NAME, *sys.argv[1:])"}
    answers = {
        "code": archive(tmp_path, "code.zip", worker, "wrong" if wrong == "code" else ""),
        "layer": archive(tmp_path, "layer.zip", {"python/library.py": "NAME = 'arrived'"}, wrong and "wrong"),
    }
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    (tmp_path / "boto3.py").write_text(FAKE_BOTO3.format(answers=str(tmp_path / "answers.json")))
    (tmp_path / "botocore").mkdir()
    (tmp_path / "botocore/config.py").write_text("def Config(retries): pass\n")
    (tmp_path / "tmp").mkdir()
    (container,) = resources(path, "AWS::ECS::TaskDefinition")["WorkerTask"]["Properties"]["ContainerDefinitions"]
    (script,) = container["Command"]["Fn::If"][2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"),
             "CODE_FUNCTION": "Plan", "LAYER_ARN": "layer"},
        capture_output=True, text=True,
    )  # fmt: skip
    if wrong:
        assert done.returncode != 0
        assert f"the {wrong} is not what Lambda says it is" in done.stderr
    else:
        assert (done.returncode, done.stdout) == (0, "arrived\n"), done.stderr
