"""EventBridge Scheduler as it is on AWS, but that it looks every second for what is due: it starts what it starts in a
schedule's role, and puts the time for which the start was meant, and the like, into the input.

Imports MiniStack and the standard library only.
"""

from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import eventbridge, scheduler

from embedded_aws import permissions

_invoke_target: Any = eventbridge._invoke_target
_update_schedule: Any = scheduler._update_schedule


def patch() -> None:
    """Install the replacement."""
    scheduler._SCHEDULE_TICK_INTERVAL = 1
    scheduler._update_schedule = update_schedule
    eventbridge._invoke_target = invoke_target


def update_schedule(name: str, body: Any) -> Any:
    """Change a schedule, which then begins anew: one that is for a single time starts once more."""
    response = _update_schedule(name, body)
    key = f"{body.get('GroupName', 'default')}/{name}"
    scheduler._schedule_last_fired.pop((get_account_id(), get_region(), key), None)
    return response


def invoke_target(target: Any, event: Any, rule: Any, view: Any = None) -> Any:
    """Invoke the target of a rule, or of a schedule if its role may; without that nothing happens, as on AWS."""
    if event.get("Source") == "aws.scheduler":
        if ":states:" in target["Arn"] and not permissions.judge(
            target["RoleArn"], "states:StartExecution", target["Arn"]
        ):
            return None
        target = {**target, "Input": filled(target.get("Input", "{}"), event)}
    return _invoke_target(target, event, rule, view)


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
