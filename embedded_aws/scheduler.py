"""EventBridge Scheduler as it is on AWS, but that it looks every second for what is due: it starts what it starts in a
schedule's role, puts the time for which the start was meant, and the like, into the input, and sends what could not be
started to the schedule's dead-letter queue, at the first refusal. It takes the expressions that AWS takes.

Imports MiniStack and the standard library only.
"""

import json
import re
from datetime import datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import eventbridge, scheduler, sqs, stepfunctions

from embedded_aws import permissions

_invoke_target: Any = eventbridge._invoke_target
_create_schedule: Any = scheduler._create_schedule
_update_schedule: Any = scheduler._update_schedule

RATE = re.compile(r"rate\([1-9]\d* (minute|hour|day)s?\)")
CRON = re.compile(r"cron\((?P<fields>[^()]*)\)")
AT = re.compile(r"at\((?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")


def patch() -> None:
    """Install the replacement."""
    scheduler._SCHEDULE_TICK_INTERVAL = 1
    scheduler._create_schedule = create_schedule
    scheduler._update_schedule = update_schedule
    eventbridge._invoke_target = invoke_target


def create_schedule(name: str, body: Any) -> Any:
    """Create a schedule, unless AWS would refuse its expression."""
    return refusal(body.get("ScheduleExpression")) or _create_schedule(name, body)


def update_schedule(name: str, body: Any) -> Any:
    """Change a schedule, which then begins anew: one that is for a single time starts once more."""
    if refused := refusal(body.get("ScheduleExpression")):
        return refused
    response = _update_schedule(name, body)
    key = f"{body.get('GroupName', 'default')}/{name}"
    scheduler._schedule_last_fired.pop((get_account_id(), get_region(), key), None)
    return response


def refusal(expression: Any) -> Any:
    """What AWS answers to an expression that is none of a schedule; None where it is one."""
    if is_expression(str(expression)):
        return None
    return scheduler._error(400, "ValidationException", f"Invalid Schedule Expression {expression}.")


def is_expression(text: str) -> bool:
    """Whether it is rate(value unit), cron(six fields) with one ? for a day, or at(yyyy-mm-ddThh:mm:ss)."""
    if cron := CRON.fullmatch(text):
        fields = cron["fields"].split()
        return len(fields) == 6 and [fields[2], fields[4]].count("?") == 1
    if at := AT.fullmatch(text):
        try:
            datetime.fromisoformat(at["time"])
        except ValueError:
            return False
        return True
    return RATE.fullmatch(text) is not None


def invoke_target(target: Any, event: Any, rule: Any, view: Any = None) -> Any:
    """Invoke the target of a rule, or of a schedule; what a state machine refuses goes to the dead-letter queue."""
    if event.get("Source") != "aws.scheduler":
        return _invoke_target(target, event, rule, view)
    target = {**target, "Input": filled(target.get("Input", "{}"), event)}
    if ":states:" not in target["Arn"]:
        return _invoke_target(target, event, rule, view)
    if refused := start(target):
        bury(target, event, *refused)
    return None


def start(target: Any) -> tuple[str, str] | None:
    """Start a state machine in the role of a schedule. Returns the error and its message if it is refused."""
    role, arn = target["RoleArn"].rsplit("/", 1)[-1], target["Arn"]
    if not permissions.judge(target["RoleArn"], "states:StartExecution", arn):
        return (
            "AccessDeniedException",
            f"User: arn:aws:sts::{get_account_id()}:assumed-role/{role}/scheduler is not authorized to perform: "
            f"states:StartExecution on resource: {arn} because no identity-based policy allows it",
        )
    status, _, body = stepfunctions._start_execution({"stateMachineArn": arn, "input": target["Input"]})
    if status < 400:
        return None
    told = json.loads(body)
    return told["__type"], told["message"]


def bury(target: Any, event: Any, error: str, message: str) -> None:
    """Send what could not be started to the schedule's dead-letter queue, if it has one that its role may send to."""
    arn = str((target.get("DeadLetterConfig") or {}).get("Arn"))
    queue = sqs._queue_by_arn(arn)
    if not queue or not permissions.judge(target["RoleArn"], "sqs:SendMessage", arn):
        return
    told = {
        "ERROR_CODE": error,
        "ERROR_MESSAGE": message,
        "RETRY_ATTEMPTS": "0",
        "SCHEDULED_TIME": eventbridge._event_time_string(event),
        "SCHEDULE_ARN": event["Resources"][0],
        "TARGET_ARN": target["Arn"],
    }
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in told.items() if text}
    sqs._act_send_message({"MessageBody": target["Input"], "MessageAttributes": attributes}, queue["url"])


def filled(text: str, event: Any) -> str:
    """The input with what stands for the schedule's ARN and for this start of it."""
    attributes = {
        "schedule-arn": event["Resources"][0],
        "scheduled-time": eventbridge._event_time_string(event),
        "execution-id": new_uuid().replace("-", "")[:16],
        "attempt-number": "1",
    }
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text
