"""Workers: activities with their clocks, ECS tasks as processes, and what a stack with workers is made of."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from embedded_aws import server
from tests.embedded_aws.application import Aws, create_function, wait_for_end

ROLE = f"arn:aws:iam::{server.ACCOUNT_ID}:role/any"


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until a condition holds; returns what it says."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
    return found


@pytest.fixture
def activity(aws: Aws, request: pytest.FixtureRequest) -> Iterator[str]:
    states = aws.client("stepfunctions")
    arn = states.create_activity(name=request.node.name[:60])["activityArn"]
    yield arn
    states.delete_activity(activityArn=arn)


def start(aws: Aws, activity: str, data: Any = 1, **state: Any) -> str:
    """Start an execution whose one state is a task of the activity; returns its ARN."""
    states = aws.client("stepfunctions")
    task = {"Type": "Task", "Resource": activity, "End": True, **state}
    name = f"machine-{time.time_ns()}"
    definition = json.dumps({"StartAt": "Task", "States": {"Task": task}})
    machine = states.create_state_machine(name=name, definition=definition, roleArn=ROLE)["stateMachineArn"]
    return str(states.start_execution(stateMachineArn=machine, input=json.dumps(data))["executionArn"])


def take(aws: Aws, activity: str) -> dict[str, Any]:
    return dict(aws.client("stepfunctions").get_activity_task(activityArn=activity, workerName="me"))


# Activities -----------------------------------------------------------------------------------------------------------


def test_a_worker_answers(aws: Aws, activity: str) -> None:
    states = aws.client("stepfunctions")
    execution = start(aws, activity, {"chunk": 7})
    task = take(aws, activity)
    assert json.loads(task["input"]) == {"chunk": 7}
    with pytest.raises(ClientError, match="InvalidOutput"):
        states.send_task_success(taskToken=task["taskToken"], output="no JSON")
    states.send_task_success(taskToken=task["taskToken"], output='{"losses": 1}')
    assert json.loads(wait_for_end(aws, execution)["output"]) == {"losses": 1}
    with pytest.raises(ClientError, match="TaskTimedOut"):
        states.send_task_success(taskToken=task["taskToken"], output="{}")
    with pytest.raises(ClientError, match="InvalidToken"):
        states.send_task_heartbeat(taskToken="made-up")
    events = [event["type"] for event in states.get_execution_history(executionArn=execution)["events"]]
    assert [event for event in events if event.startswith("Activity")] == ["ActivityScheduled", "ActivityStarted"]


def test_a_worker_fails(aws: Aws, activity: str) -> None:
    execution = start(aws, activity)
    token = take(aws, activity)["taskToken"]
    aws.client("stepfunctions").send_task_failure(taskToken=token, error="InvalidPortfolio", cause="row 3")
    end = wait_for_end(aws, execution)
    assert (end["error"], end["cause"]) == ("InvalidPortfolio", "row 3")


@pytest.mark.parametrize(
    ("clocks", "error"),
    [({"TimeoutSeconds": 1}, "States.Timeout"), ({"HeartbeatSeconds": 1}, "States.HeartbeatTimeout")],
)
def test_the_clocks_start_when_a_worker_takes_the_task(
    aws: Aws, activity: str, clocks: dict[str, int], error: str
) -> None:
    states = aws.client("stepfunctions")
    execution = start(aws, activity, **clocks)
    time.sleep(1.5)
    assert states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    token = take(aws, activity)["taskToken"]
    end = wait_for_end(aws, execution)
    assert end["error"] == error
    with pytest.raises(ClientError, match="TaskTimedOut"):
        states.send_task_success(taskToken=token, output="{}")


def test_heartbeats_keep_a_task_alive(aws: Aws, activity: str) -> None:
    states = aws.client("stepfunctions")
    execution = start(aws, activity, HeartbeatSeconds=1)
    token = take(aws, activity)["taskToken"]
    for _ in range(8):
        time.sleep(0.3)
        states.send_task_heartbeat(taskToken=token)
    states.send_task_success(taskToken=token, output="{}")
    assert wait_for_end(aws, execution)["status"] == "SUCCEEDED"


def test_a_stopped_execution_takes_its_task_back(aws: Aws, activity: str) -> None:
    states = aws.client("stepfunctions")
    taken, waiting = start(aws, activity), None
    token = take(aws, activity)["taskToken"]
    waiting = start(aws, activity)
    time.sleep(0.5)
    for execution in (taken, waiting):
        states.stop_execution(executionArn=execution)
    until(lambda: refused(lambda: states.send_task_heartbeat(taskToken=token)))
    execution = start(aws, activity, "next")
    task = take(aws, activity)
    assert task["input"] == '"next"'
    states.send_task_success(taskToken=task["taskToken"], output="{}")
    assert wait_for_end(aws, execution)["status"] == "SUCCEEDED"


def refused(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError:
        return True
    return False


def test_a_worker_that_has_hung_up_gets_no_task(aws: Aws, activity: str) -> None:
    import http.client

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    body = json.dumps({"activityArn": activity}).encode()
    headers = {"X-Amz-Target": "AWSStepFunctions.GetActivityTask", "Content-Type": "application/x-amz-json-1.0"}
    request: Any = AWSRequest("POST", aws.server.endpoint + "/", headers, body)
    SigV4Auth(Credentials(aws.server.access_key, aws.server.secret_key), "states", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(server.HOST, aws.server.port)
    connection.request("POST", "/", body, dict(request.headers.items()))
    time.sleep(0.5)
    connection.close()
    time.sleep(0.5)
    execution = start(aws, activity)
    token = take(aws, activity)["taskToken"]
    aws.client("stepfunctions").send_task_success(taskToken=token, output="{}")
    assert wait_for_end(aws, execution)["status"] == "SUCCEEDED"


# ECS ------------------------------------------------------------------------------------------------------------------

WORKER = """
import json, os, signal, sys, boto3
states = boto3.client("stepfunctions")
token = None
def hand_back(*_):
    print("stopped", flush=True)
    if token:
        states.send_task_failure(taskToken=token, error="Stopped", cause="")
    sys.exit()
signal.signal(signal.SIGTERM, hand_back)
print("started", flush=True)
while True:
    task = states.get_activity_task(activityArn=os.environ["ACTIVITY"])
    token = task.get("taskToken")
    if token:
        data = json.loads(task["input"])
        if data == "crash":
            os._exit(3)
        if data == "wait":
            signal.pause()
        who = os.environ["AWS_ACCESS_KEY_ID"][:4] + os.environ.get("SECRET_OF_THE_USER", "")
        states.send_task_success(taskToken=token, output=json.dumps({"data": data, "who": who}))
        token = None
"""


@pytest.fixture
def service(aws: Aws, activity: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """A service of workers on the activity, without tasks at first; sets how many there shall be."""
    ecs, logs = aws.client("ecs"), aws.client("logs")
    ecs.create_cluster(clusterName="workers")
    if not logs.describe_log_groups(logGroupNamePrefix="workers")["logGroups"]:
        logs.create_log_group(logGroupName="workers")
    ecs.register_task_definition(
        family="worker",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        taskRoleArn=ROLE,
        containerDefinitions=[
            {
                "name": "worker",
                "image": "public.ecr.aws/lambda/python:3.13",
                "entryPoint": ["python", "-c"],
                "command": [WORKER],
                "environment": [{"name": "ACTIVITY", "value": activity}],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": "workers",
                        "awslogs-region": "us-east-1",
                        "awslogs-stream-prefix": "ecs",
                    },
                },
            }
        ],
    )
    name = f"service-{time.time_ns()}"
    network = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
    ecs.create_service(
        cluster="workers",
        serviceName=name,
        taskDefinition="worker",
        desiredCount=0,
        capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
        networkConfiguration=network,
    )

    def scale(count: int) -> None:
        ecs.update_service(cluster="workers", service=name, desiredCount=count)
        until(lambda: ecs.describe_services(cluster="workers", services=[name])["services"][0]["runningCount"] == count)

    yield scale
    scale(0)
    ecs.delete_service(cluster="workers", service=name, force=True)
    until(lambda: not processes(aws))


def processes(aws: Aws) -> list[int]:
    """The workers that run, by their process numbers (Linux; none elsewhere)."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"get_activity_task" in (path / "cmdline").read_bytes() and str(aws.server.pid) in parent(path):
                found.append(int(path.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def parent(path: Path) -> list[str]:
    return (path / "stat").read_text().rsplit(")", 1)[1].split()[1:2]


def test_a_service_runs_as_many_workers_as_it_is_told(aws: Aws, activity: str, service: Callable[[int], None]) -> None:
    service(2)
    executions = [start(aws, activity, number) for number in range(6)]
    outputs = [json.loads(wait_for_end(aws, execution)["output"]) for execution in executions]
    assert outputs == [{"data": number, "who": "ASIA"} for number in range(6)]
    assert len(processes(aws)) == 2
    service(0)
    until(lambda: not processes(aws))
    streams = aws.client("logs").describe_log_streams(logGroupName="workers")["logStreams"]
    assert len(streams) >= 2


def test_a_worker_that_is_stopped_hands_its_task_back(aws: Aws, activity: str, service: Callable[[int], None]) -> None:
    service(1)
    execution = start(aws, activity, "wait")
    states = aws.client("stepfunctions")
    until(lambda: "ActivityStarted" in history(states, execution))
    service(0)
    assert wait_for_end(aws, execution)["error"] == "Stopped"


def history(states: Any, execution: str) -> list[str]:
    return [event["type"] for event in states.get_execution_history(executionArn=execution)["events"]]


def test_a_worker_that_has_died_is_replaced(aws: Aws, activity: str, service: Callable[[int], None]) -> None:
    retry = [{"ErrorEquals": ["States.HeartbeatTimeout"], "MaxAttempts": 0}]
    service(1)
    (first,) = until(lambda: processes(aws))
    crashed = start(aws, activity, "crash", HeartbeatSeconds=1, Retry=retry)
    assert wait_for_end(aws, crashed)["error"] == "States.HeartbeatTimeout"
    (second,) = until(lambda: [each for each in processes(aws) if each != first])
    assert json.loads(wait_for_end(aws, start(aws, activity, 5))["output"])["data"] == 5
    assert second in processes(aws)


# Instances ------------------------------------------------------------------------------------------------------------

REQUIREMENTS = {"VCpuCount": {"Min": 2, "Max": 2}, "MemoryMiB": {"Min": 4096}}
"""Of instances that have room for two of the tasks below."""


@pytest.fixture
def group(aws: Aws) -> Iterator[str]:
    """An Auto Scaling group of two instances at most, and a service of three tasks that has its capacity provider."""
    ec2, groups, ecs = (aws.client(name) for name in ("ec2", "autoscaling", "ecs"))
    data = {"ImageId": "ami-1", "InstanceRequirements": REQUIREMENTS}
    template = ec2.create_launch_template(LaunchTemplateName="instances", LaunchTemplateData=data)["LaunchTemplate"]
    specification = {"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"}
    overrides: list[Any] = [{"InstanceRequirements": REQUIREMENTS}]
    mix: Any = {"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": overrides}}
    zone = {"VPCZoneIdentifier": "subnet-1"}
    groups.create_auto_scaling_group(
        AutoScalingGroupName="instances", MinSize=0, MaxSize=2, MixedInstancesPolicy=mix, **zone
    )
    (found,) = groups.describe_auto_scaling_groups(AutoScalingGroupNames=["instances"])["AutoScalingGroups"]
    provider = {"autoScalingGroupArn": found["AutoScalingGroupARN"], "managedScaling": {"status": "ENABLED"}}
    ecs.create_capacity_provider(name="provider", autoScalingGroupProvider=provider)
    ecs.create_cluster(clusterName="instances", capacityProviders=["provider"])
    ecs.register_task_definition(
        family="sleeper",
        requiresCompatibilities=["EC2"],
        networkMode="bridge",
        cpu="1024",
        memory="1792",
        containerDefinitions=[
            {"name": "sleeper", "image": "x", "entryPoint": ["python", "-c"], "command": [SLEEPER], "stopTimeout": 2}
        ],
    )
    strategy: Any = [{"capacityProvider": "provider", "weight": 1}]
    ecs.create_service(
        cluster="instances",
        serviceName="sleepers",
        taskDefinition="sleeper",
        desiredCount=3,
        capacityProviderStrategy=strategy,
    )
    yield "instances"
    ecs.delete_service(cluster="instances", service="sleepers", force=True)
    groups.delete_auto_scaling_group(AutoScalingGroupName="instances", ForceDelete=True)


SLEEPER = "import time; time.sleep(60)"


def test_tasks_wait_for_an_instance_with_room_and_go_with_it(aws: Aws, group: str) -> None:
    groups, ecs = aws.client("autoscaling"), aws.client("ecs")

    def running() -> int:
        return int(ecs.describe_services(cluster=group, services=["sleepers"])["services"][0]["runningCount"])

    with pytest.raises(ClientError, match="max value 2"):
        groups.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=3)
    time.sleep(0.5)
    assert running() == 0
    for instances, tasks in ((1, 2), (2, 3), (1, 2), (0, 0)):
        groups.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=instances)
        until(lambda tasks=tasks: running() == tasks)  # type: ignore[misc]
        listed = ecs.list_tasks(cluster=group)["taskArns"]
        places = {task["containerInstanceArn"] for task in ecs.describe_tasks(cluster=group, tasks=listed)["tasks"]
                  if task["lastStatus"] == "RUNNING"}  # fmt: skip
        assert len(places) == instances


# Events ---------------------------------------------------------------------------------------------------------------

LISTENER = """
import json, boto3
def handler(event, context):
    key = f"{event['detail']['name']}/{event['detail']['status']}"
    boto3.client("s3").put_object(Bucket="events", Key=key, Body=json.dumps(event))
"""


def test_every_change_of_an_execution_is_an_event(aws: Aws) -> None:
    s3, events, states = aws.client("s3"), aws.client("events"), aws.client("stepfunctions")
    s3.create_bucket(Bucket="events")
    listener = create_function(aws, "listener", LISTENER)
    pattern = {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"]}
    events.put_rule(Name="executions", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="executions", Targets=[{"Id": "listener", "Arn": listener}])
    wait = {"Type": "Wait", "Seconds": 60, "End": True}
    machines: dict[str, dict[str, Any]] = {
        "SUCCEEDED": {"States": {"Only": {"Type": "Succeed"}}},
        "FAILED": {"States": {"Only": {"Type": "Fail", "Error": "No", "Cause": "No"}}},
        "TIMED_OUT": {"States": {"Only": wait}, "TimeoutSeconds": 1},
        "ABORTED": {"States": {"Only": wait}},
    }
    for status, machine in machines.items():
        definition = json.dumps({"StartAt": "Only", **machine})
        arn = states.create_state_machine(name=f"event-{status}", definition=definition, roleArn=ROLE)
        execution = states.start_execution(stateMachineArn=arn["stateMachineArn"], name=status)["executionArn"]
        if status == "ABORTED":
            states.stop_execution(executionArn=execution)
    wanted = {f"{status}/{change}" for status in machines for change in ("RUNNING", status)}
    until(lambda: {item["Key"] for item in s3.list_objects_v2(Bucket="events").get("Contents", [])} == wanted)
    events.remove_targets(Rule="executions", Ids=["listener"])
    events.delete_rule(Name="executions")


# The parts of a stack -------------------------------------------------------------------------------------------------

STACK: dict[str, Any] = {
    "Resources": {
        "Activity": {"Type": "AWS::StepFunctions::Activity", "Properties": {"Name": "chunks"}},
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/24", "MapPublicIpOnLaunch": True},
        },
        "Gateway": {"Type": "AWS::EC2::InternetGateway"},
        "Attachment": {
            "Type": "AWS::EC2::VPCGatewayAttachment",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway"}},
        },
        "Routes": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
        "Route": {
            "Type": "AWS::EC2::Route",
            "Properties": {
                "RouteTableId": {"Ref": "Routes"},
                "DestinationCidrBlock": "0.0.0.0/0",
                "GatewayId": {"Ref": "Gateway"},
            },
        },
        "SubnetRoutes": {
            "Type": "AWS::EC2::SubnetRouteTableAssociation",
            "Properties": {"SubnetId": {"Ref": "Subnet"}, "RouteTableId": {"Ref": "Routes"}},
        },
        "S3": {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "ServiceName": {"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"},
                "RouteTableIds": [{"Ref": "Routes"}],
            },
        },
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "Workers", "VpcId": {"Ref": "Vpc"}},
        },
        "Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {"ImageId": "ami-1", "MetadataOptions": {"HttpTokens": "required"}}},
        },
        "Instances": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "MinSize": "0",
                "MaxSize": "10",
                "VPCZoneIdentifier": [{"Ref": "Subnet"}],
                "MixedInstancesPolicy": {
                    "LaunchTemplate": {
                        "LaunchTemplateSpecification": {
                            "LaunchTemplateId": {"Ref": "Template"},
                            "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                        }
                    },
                    "InstancesDistribution": {
                        "OnDemandPercentageAboveBaseCapacity": 0,
                        "SpotAllocationStrategy": "price-capacity-optimized",
                    },
                },
            },
        },
        "Provider": {
            "Type": "AWS::ECS::CapacityProvider",
            "Properties": {
                "AutoScalingGroupProvider": {
                    "AutoScalingGroupArn": {"Ref": "Instances"},
                    "ManagedScaling": {"Status": "ENABLED", "TargetCapacity": 100},
                    "ManagedTerminationProtection": "DISABLED",
                }
            },
        },
        "Cluster": {"Type": "AWS::ECS::Cluster"},
        "Providers": {
            "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
            "Properties": {
                "Cluster": {"Ref": "Cluster"},
                "CapacityProviders": [{"Ref": "Provider"}],
                "DefaultCapacityProviderStrategy": [{"CapacityProvider": {"Ref": "Provider"}, "Weight": 1}],
            },
        },
    },
    "Outputs": {
        "Activity": {"Value": {"Fn::GetAtt": ["Activity", "Arn"]}},
        "Cluster": {"Value": {"Ref": "Cluster"}},
        "Provider": {"Value": {"Ref": "Provider"}},
    },
}


def test_a_stack_of_workers_is_made_and_removed(aws: Aws) -> None:
    cloudformation, ecs, states = (aws.client(name) for name in ("cloudformation", "ecs", "stepfunctions"))
    cloudformation.create_stack(StackName="workers", TemplateBody=json.dumps(STACK), Capabilities=["CAPABILITY_IAM"])
    cloudformation.get_waiter("stack_create_complete").wait(StackName="workers", WaiterConfig={"Delay": 1})
    (stack,) = cloudformation.describe_stacks(StackName="workers")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert states.describe_activity(activityArn=outputs["Activity"])["name"] == "chunks"
    (cluster,) = ecs.describe_clusters(clusters=[outputs["Cluster"]])["clusters"]
    assert cluster["capacityProviders"] == [outputs["Provider"]]
    assert cluster["defaultCapacityProviderStrategy"] == [{"capacityProvider": outputs["Provider"], "weight": 1}]
    (provider,) = ecs.describe_capacity_providers(capacityProviders=[outputs["Provider"]])["capacityProviders"]
    assert provider["autoScalingGroupProvider"]["managedScaling"]["status"] == "ENABLED"
    name = provider["autoScalingGroupProvider"]["autoScalingGroupArn"]
    groups = aws.client("autoscaling")
    groups.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=2)  # which keep no stack from going
    (group,) = groups.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    assert len(group["Instances"]) == 2
    assert (
        group["MixedInstancesPolicy"]["InstancesDistribution"]["SpotAllocationStrategy"] == "price-capacity-optimized"
    )
    cloudformation.delete_stack(StackName="workers")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="workers", WaiterConfig={"Delay": 1})
    assert not states.list_activities()["activities"]
    assert not ecs.describe_capacity_providers(capacityProviders=[outputs["Provider"]])["capacityProviders"]


def test_capacity_is_told_as_it_was_given(aws: Aws) -> None:
    """Terraform would set again, with each plan, what it is not told."""
    ec2, groups, ecs = (aws.client(name) for name in ("ec2", "autoscaling", "ecs"))
    wanted = {
        "VCpuCount": {"Min": 2, "Max": 8},
        "MemoryMiB": {"Min": 4096},
        "CpuManufacturers": ["amazon-web-services"],
    }
    data = {"ImageId": "ami-1", "InstanceRequirements": wanted}
    created = ec2.create_launch_template(LaunchTemplateName="workers", LaunchTemplateData=data)["LaunchTemplate"]
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=created["LaunchTemplateId"])
    (version,) = versions["LaunchTemplateVersions"]
    assert version["LaunchTemplateData"]["InstanceRequirements"] == wanted

    specification = {"LaunchTemplateId": created["LaunchTemplateId"], "Version": "1"}
    for share in (0, 50):
        mix = {
            "LaunchTemplate": {
                "LaunchTemplateSpecification": specification,
                "Overrides": [{"InstanceType": "c7g.large"}, {"InstanceType": "c8g.large"}],
            },
            "InstancesDistribution": {
                "OnDemandPercentageAboveBaseCapacity": share,
                "SpotAllocationStrategy": "price-capacity-optimized",
            },
        }
        act = groups.update_auto_scaling_group if share else groups.create_auto_scaling_group
        act(AutoScalingGroupName="mixed", MinSize=0, MaxSize=10, VPCZoneIdentifier="subnet-1", MixedInstancesPolicy=mix)
        found = groups.describe_auto_scaling_groups(AutoScalingGroupNames=["mixed"])
        assert found["AutoScalingGroups"][0]["MixedInstancesPolicy"] == mix
    arn = found["AutoScalingGroups"][0]["AutoScalingGroupARN"]

    for name, given, kept in (("drains", {}, "ENABLED"), ("ends", {"managedDraining": "DISABLED"}, "DISABLED")):
        ecs.create_capacity_provider(name=name, autoScalingGroupProvider={"autoScalingGroupArn": arn, **given})
        (provider,) = ecs.describe_capacity_providers(capacityProviders=[name])["capacityProviders"]
        assert provider["autoScalingGroupProvider"]["managedDraining"] == kept

    ecs.create_cluster(clusterName="spread")
    container = {"name": "only", "image": "image", "command": ["sleep", "60"]}
    ecs.register_task_definition(family="spread", containerDefinitions=[container])
    service = {"cluster": "spread", "taskDefinition": "spread", "desiredCount": 0}
    ecs.create_service(serviceName="spread", **service)
    for change in (None, "ENABLED"):
        if change:
            ecs.update_service(service="spread", availabilityZoneRebalancing=change, **service)
        (told,) = ecs.describe_services(cluster="spread", services=["spread"])["services"]
        assert told["availabilityZoneRebalancing"] == (change or "DISABLED")
