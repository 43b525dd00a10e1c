"""Schedules: the expressions that are taken, what is started, and where what could not be started goes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from embedded_aws import scheduler, server
from embedded_aws.profile import STRICT
from tests.embedded_aws.application import Aws
from tests.embedded_aws.test_strict import allow, role

ONCE = "at(2020-01-01T00:00:00)"
MACHINE = f"arn:aws:states:us-east-1:{server.ACCOUNT_ID}:stateMachine:"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """Permissions are enforced; there are a state machine and a queue."""
    running = server.start(tmp_path_factory.mktemp("schedules"), profile=STRICT)
    aws = Aws(running)
    nothing = {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}}
    aws.client("stepfunctions").create_state_machine(
        name="nothing", definition=json.dumps(nothing), roleArn=role(aws, "nothing", START)
    )
    aws.client("sqs").create_queue(QueueName="not-started")
    yield aws
    running.stop()


def schedule(aws: Aws, name: str, expression: str, machine: str, text: str, *statements: dict[str, Any]) -> None:
    """A schedule of a role that may do so much, and whose dead-letter queue is `not-started`."""
    aws.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": MACHINE + machine,
            "RoleArn": role(aws, name, *statements),
            "Input": text,
            "DeadLetterConfig": {"Arn": queue_arn()},
        },
    )


def queue_arn() -> str:
    return f"arn:aws:sqs:us-east-1:{server.ACCOUNT_ID}:not-started"


START, SEND = allow("states:StartExecution", arn="*"), allow("sqs:SendMessage", arn=queue_arn())


@pytest.mark.parametrize(
    ("name", "machine", "text", "allowed", "error"),
    [
        ("forbidden", "nothing", '{"run": "forbidden"}', [SEND], "AccessDeniedException"),
        ("no-json", "nothing", "{run: nightly}", [START, SEND], "InvalidExecutionInput"),
        ("gone", "deleted", "{}", [START, SEND], "StateMachineDoesNotExist"),
    ],
)
def test_what_cannot_be_started_goes_to_the_queue_with_the_reason(
    strict: Aws, name: str, machine: str, text: str, allowed: list[dict[str, Any]], error: str
) -> None:
    schedule(strict, name, ONCE, machine, text, *allowed)
    sqs = strict.client("sqs")
    url = sqs.get_queue_url(QueueName="not-started")["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10, MessageAttributeNames=["All"])["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    told = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert (message["Body"], told["ERROR_CODE"], told["TARGET_ARN"]) == (text, error, MACHINE + machine)
    assert told["SCHEDULE_ARN"].endswith(f":schedule/default/{name}")
    assert told["ERROR_MESSAGE"]


def test_what_was_started_and_what_the_role_may_not_send_goes_to_no_queue(strict: Aws) -> None:
    schedule(strict, "silent", ONCE, "deleted", "{}", START)
    schedule(strict, "well", ONCE, "nothing", '{"run": "well"}', START, SEND)
    states, sqs = strict.client("stepfunctions"), strict.client("sqs")
    url = sqs.get_queue_url(QueueName="not-started")["QueueUrl"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2)
    (execution,) = states.list_executions(stateMachineArn=MACHINE + "nothing")["executions"]
    assert states.describe_execution(executionArn=execution["executionArn"])["input"] == '{"run": "well"}'


@pytest.mark.parametrize(
    "text",
    ["rate(1 minute)", "rate(5 minutes)", "rate(7 days)", "rate(12 hours)", "cron(0 2 * * ? *)",
     "cron(0/10 8 ? * 2-6 *)", "cron(0 2 L * ? 2026)", "cron( 0 2 * * ? * )", ONCE],
)  # fmt: skip
def test_an_expression_of_a_schedule_is_taken(text: str) -> None:
    assert scheduler.is_expression(text)


@pytest.mark.parametrize(
    "text",
    ["", "every night", "rate(0 days)", "rate(1.5 hours)", "rate(5 weeks)", "rate(5)", "rate(5 minutes",
     "cron(0 2 * * ?)", "cron(0 2 * * * *)", "cron(0 2 ? * ? *)", "cron(0 2 * * ? * *)", "at(2026-02-30T00:00:00)",
     "at(2026-01-31)", "at(2026-01-31 00:00:00)", "rate(5 minutes) ", "cron(0 2 * * ? *)\n"],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text: str) -> None:
    assert not scheduler.is_expression(text)


def test_it_is_refused_by_the_service_and_by_cloudformation_and_what_is_there_stays(strict: Aws) -> None:
    client = strict.client("scheduler")
    with pytest.raises(ClientError, match=r"ValidationException.*Invalid Schedule Expression cron\(0 2 \* \* \?\)"):
        schedule(strict, "bad", "cron(0 2 * * ?)", "nothing", "{}", START)
    schedule(strict, "good", "cron(0 2 1 1 ? 2099)", "nothing", "{}", START)
    there = client.get_schedule(Name="good")
    changed = {name: there[name] for name in ("Name", "FlexibleTimeWindow", "Target")}
    with pytest.raises(ClientError, match="Invalid Schedule Expression tonight"):
        client.update_schedule(**changed, ScheduleExpression="tonight")
    assert client.get_schedule(Name="good")["ScheduleExpression"] == "cron(0 2 1 1 ? 2099)"
    properties = {**changed, "Name": "by-template", "ScheduleExpression": "tonight"}
    template = {"Resources": {"Nightly": {"Type": "AWS::Scheduler::Schedule", "Properties": properties}}}
    formation = strict.client("cloudformation")
    formation.create_stack(StackName="bad", TemplateBody=json.dumps(template))
    with pytest.raises(Exception, match="ROLLBACK"):
        formation.get_waiter("stack_create_complete").wait(StackName="bad", WaiterConfig={"Delay": 1})
    reasons = [
        each.get("ResourceStatusReason", "") for each in formation.describe_stack_events(StackName="bad")["StackEvents"]
    ]
    assert any("Invalid Schedule Expression tonight." in reason for reason in reasons)
