"""What starts runs by themselves, and the mail: the very events of a run, matched and worded as EventBridge does."""

import json
from typing import Any

import pytest

from montecarlo.report.headline import headline
from tests.infrastructure.templates import ROOTS, resources, template
from tests.report.sample import full_result

PATH = "cloudformation/automation.yaml"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:dataproc"
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:dataproc:june"
FILLED = {
    "DataProcStateMachineArn": MACHINE,
    "Notifications": "topic",
    "ConsoleHost": "console.aws.amazon.com",
    "AWS::Region": "eu-west-1",
}


def filled(tree: Any) -> Any:
    """A part of the template with the values that CloudFormation puts in."""
    if isinstance(tree, list):
        return [filled(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    if set(tree) == {"Ref"}:
        return FILLED[tree["Ref"]]
    if set(tree) == {"Fn::Sub"}:
        text = tree["Fn::Sub"]
        for name, value in FILLED.items():
            text = text.replace(f"${{{name}}}", value)
        return text
    return {name: filled(each) for name, each in tree.items()}


def mails(source: str, kind: str, detail: dict[str, Any]) -> list[str]:
    """What an event makes the topic say."""
    eventbridge = pytest.importorskip("ministack.services.eventbridge", reason="the embedded AWS is not installed")
    event = {"Source": source, "DetailType": kind, "Detail": json.dumps(detail), "Resources": [], "Time": 0}
    said = []
    for rule in resources(PATH, "AWS::Events::Rule").values():
        properties = filled(rule["Properties"])
        if eventbridge._matches_pattern(json.dumps(properties["EventPattern"]), event):
            (target,) = properties["Targets"]
            view = eventbridge._pattern_event_view(event)
            said.append(eventbridge._apply_input_transformer(target["InputTransformer"], None, view))
    return said


def published(machine: str = MACHINE) -> dict[str, Any]:
    report = "https://console.aws.amazon.com/s3/object/data?region=eu-west-1&prefix=runs%2Fjune%2Freport.html"
    told = headline({**full_result(), "run": "june", "currency": "EUR"})
    output = {"run": "june", "headline": told, "console": {"report": report}}
    return {"machine": machine, "execution": EXECUTION, "published": output}


def ended(status: str, machine: str = MACHINE) -> dict[str, Any]:
    cause = 'a cause with "quotes"\nand a line break'
    return {
        "executionArn": EXECUTION, "stateMachineArn": machine, "name": "june", "status": status,
        "error": "InvalidPortfolio" if status == "FAILED" else None, "cause": cause if status == "FAILED" else None,
    }  # fmt: skip


def test_a_run_that_is_published_is_told_with_its_headline() -> None:
    (mail,) = mails("montecarlo", "Run published", published())
    first, second = mail.split("\n")
    assert json.loads(first) == published()["published"]["headline"]["text"]
    assert json.loads(second).startswith("The report: https://console.aws.amazon.com/s3/object/data?")


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_every_other_end_is_told_once_with_where_to_read_why(status: str) -> None:
    (mail,) = mails("aws.states", "Step Functions Execution Status Change", ended(status))
    first, second = mail.split("\n")
    assert json.loads(first).startswith(f"The execution june of dataproc has ended as {status}. ")
    assert json.loads(second).endswith(
        f"https://console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/{EXECUTION}"
    )
    assert "cause" not in mail


def test_nothing_is_told_twice_and_nothing_of_other_stacks() -> None:
    for status in ("RUNNING", "SUCCEEDED"):
        assert mails("aws.states", "Step Functions Execution Status Change", ended(status)) == []
    other = MACHINE.replace("dataproc", "other")
    assert mails("montecarlo", "Run published", published(other)) == []
    assert mails("aws.states", "Step Functions Execution Status Change", ended("FAILED", other)) == []


def test_nothing_is_made_that_is_not_asked_for() -> None:
    conditions = {name: body["Condition"] for name, body in template(PATH)["Resources"].items()}
    assert set(conditions.values()) == {"HasSchedule", "HasEmail"}
    for path in ROOTS:
        root = template(path)
        assert root["Resources"]["Automation"]["Condition"] == "Automates"
        asked = [each["Fn::Not"][0]["Fn::Equals"] for each in root["Conditions"]["Automates"]["Fn::Or"]]
        assert asked == [[{"Ref": "Schedule"}, ""], [{"Ref": "NotificationEmail"}, ""]]
        assert [root["Parameters"][name]["Default"] for name in ("Schedule", "NotificationEmail")] == ["", ""]


def test_the_schedule_may_start_this_state_machine_tell_that_it_could_not_and_nothing_else() -> None:
    role = template(PATH)["Resources"]["NightlyRunRole"]["Properties"]
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert set(trusted["Condition"]["StringEquals"]) == {"aws:SourceAccount", "aws:SourceArn"}
    (policy,) = role["Policies"]
    allowed = [(each["Action"], each["Resource"]) for each in policy["PolicyDocument"]["Statement"]]
    assert allowed == [
        ("states:StartExecution", {"Ref": "DataProcStateMachineArn"}),
        ("sqs:SendMessage", {"Fn::GetAtt": ["NotStarted", "Arn"]}),
    ]


def test_what_could_not_be_started_is_kept_encrypted_for_as_long_as_aws_lets_and_told() -> None:
    made = template(PATH)["Resources"]
    assert made["NightlyRun"]["Properties"]["Target"]["DeadLetterConfig"] == {
        "Arn": {"Fn::GetAtt": ["NotStarted", "Arn"]}
    }
    assert made["NotStarted"]["Properties"] == {"MessageRetentionPeriod": 14 * 86_400, "SqsManagedSseEnabled": True}
    (tls,) = made["NotStartedPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (tls["Effect"], tls["Principal"], tls["Action"]) == ("Deny", "*", "sqs:*")
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    alarm = made["RunNotStarted"]["Properties"]
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["NotStarted", "QueueName"]}}]
    assert (alarm["MetricName"], alarm["Threshold"]) == ("ApproximateNumberOfMessagesVisible", 0)
    told = [(action["Fn::If"][0], action["Fn::If"][1]["Ref"]) for action in alarm["AlarmActions"]]
    assert told == [("HasTopic", "AlarmTopicArn"), ("HasEmail", "Notifications")]


def test_eventbridge_meets_no_condition_on_the_topic_or_its_key_so_that_there_is_none() -> None:
    """With one the mail would never come, and nothing but a metric would tell."""
    made = template(PATH)["Resources"]
    allowed, publish = made["NotificationsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    account, service, encrypt = made["NotificationKey"]["Properties"]["KeyPolicy"]["Statement"]
    for statement in (allowed, service):
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert "Condition" not in statement
    assert service["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    for statement in (publish, encrypt):  # of the alarm, which is there with the schedule only
        condition, given, nothing = statement["Fn::If"]
        assert (condition, nothing) == ("HasSchedule", {"Ref": "AWS::NoValue"})
        assert given["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert publish["Fn::If"][1]["Condition"]["ArnEquals"] == {"aws:SourceArn": {"Fn::GetAtt": ["RunNotStarted", "Arn"]}}
    assert encrypt["Fn::If"][1]["Action"] == service["Action"]
    assert account["Principal"]["AWS"]["Fn::Sub"].endswith(":root")
    assert made["Notifications"]["Properties"]["KmsMasterKeyId"] == {"Ref": "NotificationKey"}


def test_the_mails_stay_within_what_eventbridge_takes() -> None:
    for rule in resources(PATH, "AWS::Events::Rule").values():
        (target,) = rule["Properties"]["Targets"]
        assert len(filled(target["InputTransformer"]["InputTemplate"])) < 8192
