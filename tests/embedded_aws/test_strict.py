"""Under a strict profile the embedded AWS says no where AWS does, in AWS's words."""

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from embedded_aws import server
from embedded_aws.permissions import Call, recorded
from embedded_aws.profile import LENIENT, STRICT, Profile, Rate, from_environment, to_environment
from tests.embedded_aws.application import Aws, create_function, wait_for_end

ACCOUNT = server.ACCOUNT_ID
LIMITS = replace(LENIENT, concurrency=3, express_seconds=1, out_of_memory="Runtime.OutOfMemory", item_reader_failures=1)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """Permissions are enforced; there is a bucket, and a function that does what its event says."""
    running = server.start(tmp_path_factory.mktemp("strict"), profile=STRICT)
    aws = Aws(running)
    aws.client("s3").create_bucket(Bucket="data")
    aws.client("s3").put_object(Bucket="data", Key="items.json", Body=b"[1, 2]")
    role(aws, "function", allow(["s3:GetObject", "s3:PutObject"], "data/mine/*"), allow("logs:*", arn="*"))
    create_function(aws, "s3", S3_CALL, role="function")
    yield aws
    running.stop()


S3_CALL = """
import boto3
s3 = boto3.client("s3")
def handler(event, context):
    try:
        getattr(s3, event["call"])(Bucket="data", **event["arguments"])
    except Exception as error:
        return error.response["Error"]["Code"]
    return "done"
"""


def allow(actions: Any, *keys: str, arn: Any = None, **condition: Any) -> dict[str, Any]:
    """A statement on keys of S3, or on an ARN."""
    resource = arn or [f"arn:aws:s3:::{key}" for key in keys]
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **condition}


def role(aws: Aws, name: str, *statements: dict[str, Any]) -> str:
    """Make a role, or replace what it allows; returns its ARN."""
    iam = aws.client("iam")
    if name not in {each["RoleName"] for each in iam.list_roles()["Roles"]}:
        services = {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]}
        trust = {"Statement": [{"Effect": "Allow", "Principal": services, "Action": "sts:AssumeRole"}]}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(
        RoleName=name,
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}),
    )
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def call_s3(aws: Aws, operation: str, **arguments: Any) -> Any:
    """What the function gets from S3: an error's code, or `done`."""
    event = json.dumps({"call": operation, "arguments": arguments})
    return json.load(aws.client("lambda").invoke(FunctionName="s3", Payload=event)["Payload"])


def run(aws: Aws, name: str, role_arn: str, state: dict[str, Any], data: Any = None, **more: Any) -> dict[str, Any]:
    """Run a state machine of one state to its end; returns what DescribeExecution says."""
    states = aws.client("stepfunctions")
    definition = {"StartAt": "Only", "States": {"Only": {**state, "End": True}}}
    machine = states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role_arn, **more)
    started = states.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(data or {}))
    return wait_for_end(aws, started["executionArn"])


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"


def distributed(item: dict[str, Any], kind: str = "STANDARD", **more: Any) -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": kind}
    processor = {"ProcessorConfig": config, "StartAt": "Item", "States": {"Item": {**item, "End": True}}}
    return {"Type": "Map", "ItemProcessor": processor, **more}


# Permissions ----------------------------------------------------------------------------------------------------------


def test_a_function_may_do_what_its_role_allows_and_no_more(strict: Aws) -> None:
    assert call_s3(strict, "put_object", Key="mine/a", Body="x") == "done"
    assert call_s3(strict, "get_object", Key="mine/a") == "done"
    assert call_s3(strict, "put_object", Key="yours/a", Body="x") == "AccessDenied"
    assert call_s3(strict, "delete_object", Key="mine/a") == "AccessDenied"
    assert call_s3(strict, "list_objects_v2") == "AccessDenied"
    calls = recorded(Path(strict.server.data_dir))
    assert Call("function", "s3:PutObject", "arn:aws:s3:::data/mine/a") in calls
    assert Call("function", "s3:DeleteObject", "arn:aws:s3:::data/mine/a", allowed=False) in calls


def test_only_who_may_list_the_bucket_learns_that_an_object_is_missing(strict: Aws) -> None:
    objects = allow(["s3:GetObject", "s3:PutObject"], "data/mine/*")
    assert call_s3(strict, "get_object", Key="mine/none") == "AccessDenied"
    assert call_s3(strict, "head_object", Key="mine/none") == "403"
    below = allow("s3:ListBucket", "data", Condition={"StringLike": {"s3:prefix": "mine/*"}})
    role(strict, "function", objects, below)
    assert call_s3(strict, "list_objects_v2", Prefix="mine/") == "done"
    assert call_s3(strict, "list_objects_v2", Prefix="yours/") == "AccessDenied"
    assert call_s3(strict, "get_object", Key="mine/none") == "AccessDenied"
    role(strict, "function", objects, allow("s3:ListBucket", "data"))
    assert call_s3(strict, "get_object", Key="mine/none") == "NoSuchKey"
    assert call_s3(strict, "head_object", Key="mine/none") == "404"
    role(strict, "function", objects)


def test_an_unknown_action_is_refused(strict: Aws) -> None:
    """A service that MiniStack does not know; it takes the request for one to S3."""
    role(strict, "curious", allow(["codeguru-profiler:*", "logs:*"], arn="*"))
    source = """
import boto3
def handler(event, context):
    try:
        boto3.client("codeguruprofiler").list_profiling_groups()
    except Exception as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
"""
    create_function(strict, "curious", source, role="curious")
    assert json.load(strict.client("lambda").invoke(FunctionName="curious")["Payload"]) == 403


TASK = {"Type": "Task", "Resource": function_arn("s3"), "Parameters": {"call": "list_objects_v2", "arguments": {}}}
READER = {
    "Resource": "arn:aws:states:::s3:getObject",
    "ReaderConfig": {"InputType": "JSON"},
    "Parameters": {"Bucket": "data", "Key": "items.json"},
}
WRITER = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "data", "Prefix": "out"}}
MAP = distributed({"Type": "Pass"}, ItemReader=READER, ResultWriter=WRITER)
LAMBDA = ["LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded"]
CHILDREN = allow("states:StartExecution", arn="*")
READ, WRITE = allow("s3:GetObject", "data/items.json"), allow("s3:PutObject", "data/out/*")


@pytest.mark.parametrize(
    ("state", "statements", "error"),
    [
        (TASK, [allow("lambda:InvokeFunction", arn=function_arn("s3"))], None),
        (TASK, [allow("lambda:InvokeFunction", arn=function_arn("other"))], "Lambda.AWSLambdaException"),
        (MAP, [CHILDREN, READ, WRITE], None),
        (MAP, [READ, WRITE], "States.Permissions"),
        (MAP, [CHILDREN, WRITE], "States.ItemReaderFailed"),
        (MAP, [CHILDREN, READ], "States.ResultWriterFailed"),
    ],
    ids=["task", "no task", "map", "no children", "no reader", "no writer"],
)
def test_step_functions_works_in_the_role_of_the_state_machine(
    strict: Aws, request: pytest.FixtureRequest, state: Any, statements: Any, error: str | None
) -> None:
    name = request.node.callspec.id.replace(" ", "-")
    end = run(strict, name, role(strict, name, *statements), state)
    assert end.get("error") == error, end
    assert error is None or "is not authorized to perform" in end["cause"]


def test_a_state_machine_that_logs_needs_a_role_that_may(strict: Aws) -> None:
    from embedded_aws.permissions import LOG_DELIVERY

    logging = {"level": "ERROR", "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": "arn"}}]}
    poor = role(strict, "silent", *(allow(action, arn="*") for action in LOG_DELIVERY[1:]))
    with pytest.raises(ClientError, match="not authorized to access the Log Destination"):
        run(strict, "logs", poor, {"Type": "Pass"}, loggingConfiguration=logging)
    rich = role(strict, "talkative", *(allow(action, arn="*") for action in LOG_DELIVERY))
    assert run(strict, "logs", rich, {"Type": "Pass"}, loggingConfiguration=logging)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("state", "inside"),
    [
        (TASK, ["TaskStateEntered", *LAMBDA, "TaskStateExited"]),
        (MAP, ["MapStateEntered", "MapRunStarted", "MapRunSucceeded", "MapStateExited"]),
        (
            {"Type": "Map", "ItemProcessor": {"StartAt": "Item", "States": {"Item": {**TASK, "End": True}}}},
            [
                *("MapStateEntered", "MapStateStarted", "MapIterationStarted", "TaskStateEntered", *LAMBDA),
                *("TaskStateExited", "MapIterationSucceeded", "MapStateSucceeded", "MapStateExited"),
            ],
        ),
    ],
    ids=["task", "distributed", "inline"],
)
def test_a_history_has_the_events_of_aws(
    strict: Aws, request: pytest.FixtureRequest, state: Any, inside: list[str]
) -> None:
    name = f"history-{request.node.callspec.id}"
    everything = role(strict, name, CHILDREN, READ, WRITE, allow("lambda:InvokeFunction", arn=function_arn("s3")))
    end = run(strict, name, everything, state, [1])
    assert history(strict, end["executionArn"]) == ["ExecutionStarted", *inside, "ExecutionSucceeded"]
    if state is MAP:
        for child in children(strict, end, "SUCCEEDED"):
            assert history(strict, child["executionArn"]) == [
                *("ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"),
            ]


def history(aws: Aws, execution: str) -> list[str]:
    events = aws.client("stepfunctions").get_execution_history(executionArn=execution)["events"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    return [event["type"] for event in events]


def test_a_role_must_exist(strict: Aws) -> None:
    with pytest.raises(ClientError, match="role"):
        create_function(strict, "homeless", "", role="nobody")


# Quotas and faults ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    running = server.start(tmp_path_factory.mktemp("limited"), profile=LIMITS)
    aws = Aws(running)
    create_function(
        aws, "sleep", "import time\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"
    )
    create_function(aws, "take", "def handler(event, context):\n    return len(b'x' * (event << 20))\n", MemorySize=256)
    yield aws
    running.stop()


ANY_ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
SLEEP = {"Type": "Task", "Resource": function_arn("sleep")}


def test_an_item_reader_fails_as_often_as_told(limited: Aws) -> None:
    s3 = limited.client("s3")
    s3.create_bucket(Bucket="data")
    for body in (b"[1, 2]", b"no JSON", b'{"no": "list"}'):
        s3.put_object(Bucket="data", Key="items.json", Body=body)
        state = distributed({"Type": "Pass"}, ItemReader=READER)
        if body == b"[1, 2]":
            first = run(limited, "reader-once", ANY_ROLE, state)
            assert (first["status"], first["error"]) == ("FAILED", "States.ItemReaderFailed")
        end = run(limited, f"reader-{len(body)}", ANY_ROLE, state)
        assert end.get("error") == (None if body == b"[1, 2]" else "States.ItemReaderFailed")


def test_more_invocations_than_the_account_may_have_are_throttled(limited: Aws) -> None:
    once = run(limited, "throttled", ANY_ROLE, distributed(SLEEP), [0.3] * 9)
    assert once["error"] == "States.ExceedToleratedFailureThreshold"
    failed = children(limited, once, "FAILED")
    assert {child["error"] for child in failed} == {"Lambda.TooManyRequestsException"}
    assert {child["cause"].partition(" (Service: Lambda, Status Code: 429, ")[0] for child in failed} == {
        "Rate Exceeded."
    }
    retry = {"ErrorEquals": ["Lambda.TooManyRequestsException"], "IntervalSeconds": 1, "MaxAttempts": 9}
    again = run(limited, "patient", ANY_ROLE, distributed({**SLEEP, "Retry": [retry]}), [0.1] * 9)
    assert again["status"] == "SUCCEEDED", again


def test_the_account_tells_how_many_invocations_it_may_have(limited: Aws, strict: Aws) -> None:
    told = [each.client("lambda").get_account_settings()["AccountLimit"] for each in (limited, strict)]
    assert [limit["UnreservedConcurrentExecutions"] for limit in told] == [3, 1000]


def test_the_api_throttles_too(limited: Aws) -> None:
    client = limited.client("lambda")
    with ThreadPoolExecutor() as pool:
        for _ in range(5):
            pool.submit(client.invoke, FunctionName="sleep", Payload="2")
        with pytest.raises(ClientError) as refused:
            ask_until_refused(limited)
    answer: Any = refused.value.response
    assert answer["Error"]["Code"] == "TooManyRequestsException"
    assert answer["Reason"] == "ConcurrentInvocationLimitExceeded"


def ask_until_refused(aws: Aws) -> None:
    """Invoke a function whose own workers are free."""
    for _ in range(100):
        invoke(aws, "take", 1)


def children(aws: Aws, execution: dict[str, Any], status: str) -> list[dict[str, Any]]:
    states = aws.client("stepfunctions")
    (map_run,) = states.list_map_runs(executionArn=execution["executionArn"])["mapRuns"]
    found = states.list_executions(mapRunArn=map_run["mapRunArn"], statusFilter=status)["executions"]
    return [states.describe_execution(executionArn=child["executionArn"]) for child in found]


def invoke(aws: Aws, function: str, event: Any) -> dict[str, Any]:
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    return {"error": answer.get("FunctionError"), "payload": json.load(answer["Payload"])}


def test_an_express_child_ends_when_its_time_is_over(limited: Aws) -> None:
    end = run(limited, "express", ANY_ROLE, distributed(SLEEP, "EXPRESS"), [0, 1.5])
    assert end["error"] == "States.ExceedToleratedFailureThreshold"
    (child,) = children(limited, end, "TIMED_OUT")
    assert child["error"] == "States.Timeout"
    assert run(limited, "standard", ANY_ROLE, distributed(SLEEP), [0, 1.5])["status"] == "SUCCEEDED"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_an_invocation_out_of_memory_ends(limited: Aws) -> None:
    for _ in range(2):  # the environment after it is a new one
        answer = invoke(limited, "take", 1000)
        assert answer["error"]
        assert answer["payload"]["errorType"] == "Runtime.OutOfMemory"
        assert answer["payload"]["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
        assert invoke(limited, "take", 1) == {"error": None, "payload": 1 << 20}


def test_a_rate_lets_so_many_through_in_a_second() -> None:
    started = time.monotonic()
    rate = Rate(50)
    for _ in range(6):
        rate.take()
    assert time.monotonic() - started >= 0.1
    Rate(None).take()


def test_a_profile_reaches_the_process_as_it_is() -> None:
    for profile in (LENIENT, STRICT, LIMITS, Profile(item_reader_failures=3)):
        assert from_environment(to_environment(profile)) == profile
    assert from_environment({}) == LENIENT
