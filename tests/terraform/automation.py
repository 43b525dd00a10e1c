"""What starts runs and tells of them in a deployed stack, whoever deployed it, in a form that can be compared: see
`faces`. Starts from the state machine, which the schedule starts and of which the rules are.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cli.deployment import Stack

Json = dict[str, Any]

OF_A_SCHEDULE = ("Description", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "State")
OF_A_TARGET = ("Arn", "Input", "RetryPolicy", "DeadLetterConfig")
OF_A_QUEUE = ("SqsManagedSseEnabled", "MessageRetentionPeriod", "VisibilityTimeout", "Policy")


@dataclass
class Automation:
    """names: what is found on the way, by what it stands for."""

    stack: Stack
    machine: str
    """The ARN of dataproc."""

    names: dict[str, str] = field(default_factory=dict)

    def schedules(self) -> Iterator[Json]:
        """What starts the state machine."""
        scheduler = self.stack.client("scheduler")
        for name in [each["Name"] for each in scheduler.list_schedules()["Schedules"]]:
            schedule = scheduler.get_schedule(Name=name)
            if schedule["Target"]["Arn"] == self.machine:
                yield schedule

    def rules(self) -> Iterator[Json]:
        """The rules on its events whose target is a topic."""
        events = self.stack.client("events")
        for rule in events.list_rules()["Rules"]:
            (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            if ":sns:" in target["Arn"] and self.machine in rule.get("EventPattern", ""):
                yield {**rule, "Target": target}

    def topic(self) -> str:
        """The ARN of the topic that both rules tell."""
        (arn,) = {rule["Target"]["Arn"] for rule in self.rules()}
        return str(arn)

    def queue(self) -> str:
        """The name of the queue of what a schedule could not start, empty without a schedule."""
        arns = [schedule["Target"]["DeadLetterConfig"]["Arn"] for schedule in self.schedules()]
        return arns[0].rsplit(":", 1)[-1] if arns else ""

    def described_queue(self) -> Json:
        sqs, name = self.stack.client("sqs"), self.queue()
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        (alarm,) = (
            each["AlarmName"]
            for each in self.stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
            if each["Dimensions"] == [{"Name": "QueueName", "Value": name}]
        )
        self.names |= {name: "<queue>", alarm: "<alarm>"}
        described = {each: attributes.get(each) for each in OF_A_QUEUE}
        return described | {"Policy": json.loads(attributes["Policy"])["Statement"]}

    def describe(self, role: Any) -> Json:
        """All that is made. role: describes a role, given its ARN."""
        schedules, rules = list(self.schedules()), list(self.rules())
        for schedule in schedules:
            self.names[schedule["Name"]] = "<schedule>"
            self.names[schedule["Target"]["RoleArn"].rsplit("/", 1)[-1]] = "<role of schedule>"
        return {
            "schedules": [
                {name: schedule.get(name) for name in OF_A_SCHEDULE}
                | {"Target": {name: schedule["Target"].get(name) for name in OF_A_TARGET}}
                | {"Role": role(schedule["Target"]["RoleArn"])}
                for schedule in schedules
            ],
            "rules": {
                rule["Description"]: {
                    "EventPattern": json.loads(rule["EventPattern"]),
                    "InputTransformer": rule["Target"]["InputTransformer"],
                }
                for rule in rules
            },
            "topic": self.described_topic() if rules else None,
            "queue": self.described_queue() if schedules else None,
        }

    def described_topic(self) -> Json:
        sns, kms, arn = self.stack.client("sns"), self.stack.client("kms"), self.topic()
        attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
        key = attributes["KmsMasterKeyId"]
        self.names |= {arn.rsplit(":", 1)[-1]: "<topic>", key: "<key>"}
        return {
            "Policy": {"Statements": json.loads(attributes["Policy"])["Statement"]},
            "Subscriptions": [
                {name: each[name] for name in ("Protocol", "Endpoint")}
                for each in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
            ],
            "Key": {
                "Description": kms.describe_key(KeyId=key)["KeyMetadata"]["Description"],
                "Rotated": kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
                "Policy": {
                    "Statements": json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])["Statement"]
                },
            },
        }
