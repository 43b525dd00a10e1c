"""Activities: tasks that workers ask for, with the clocks of AWS.

TimeoutSeconds and HeartbeatSeconds count from when a worker has taken the task, as on AWS: a task that nobody takes
waits as long as its execution does. MiniStack knows no time-outs here. Imports MiniStack and the standard library
only.
"""

import asyncio
import contextvars
import json
import threading
import time
from typing import Any

from ministack.services import stepfunctions as engine

from embedded_aws import gate
from embedded_aws.scope import STOPPED, Scope, current_scope

POLL_SECONDS = 60
"""How long GetActivityTask waits for a task."""

LOOK_SECONDS = 0.05

OUTPUT_LIMIT = 256 * 1024
"""Bytes of JSON that a worker may answer with."""

_execute_task: Any = engine._execute_task
_send_task_success: Any = engine._send_task_success
_send_task_failure: Any = engine._send_task_failure
_send_task_heartbeat: Any = engine._send_task_heartbeat
_state: contextvars.ContextVar[Any] = contextvars.ContextVar("activity_state")
_execution: contextvars.ContextVar[Any] = contextvars.ContextVar("activity_execution", default=None)

_open: dict[str, "Task"] = {}  # token -> task that has no answer yet
_closed: set[str] = set()  # tokens whose task has been answered, has timed out or was stopped


def patch() -> None:
    """Install the replacements."""
    engine._execute_task = execute_task
    engine._invoke_activity = invoke_activity
    engine._get_activity_task = get_activity_task
    engine._send_task_success = send_task_success
    engine._send_task_failure = send_task_failure
    engine._send_task_heartbeat = send_task_heartbeat


class Task:
    """A task of an activity, from when it is scheduled to its answer."""

    def __init__(self, data: Any, state: Any, execution: Any) -> None:
        self.token: str = engine.new_uuid()
        self.input = json.dumps(data)
        self.execution = execution
        self.timeout: float | None = state.get("TimeoutSeconds")
        self.heartbeat: float | None = state.get("HeartbeatSeconds")
        self._changed = threading.Condition()
        self._answer: tuple[bool, Any] | None = None
        self._taken_at: float | None = None
        self._beat_at = 0.0

    def take(self, worker: str) -> None:
        """A worker has the task: its clocks start."""
        with self._changed:
            self._taken_at = self._beat_at = time.monotonic()
            self._changed.notify_all()
        self.tell("ActivityStarted", {"workerName": worker})

    def beat(self) -> None:
        """The worker lives."""
        with self._changed:
            self._beat_at = time.monotonic()

    def answer(self, succeeded: bool, value: Any) -> None:
        """The worker's answer: an output, or an execution error."""
        with self._changed:
            self._answer = succeeded, value
            self._changed.notify_all()

    def wait(self, scope: Scope) -> Any:
        """The output. Raises the worker's error, a time-out, or that the execution was stopped."""
        with self._changed:
            while self._answer is None:
                if scope.stopped:
                    raise engine._ExecutionError(STOPPED, "The execution was stopped before the worker answered")
                now = time.monotonic()
                for name, since, seconds in (
                    ("States.Timeout", self._taken_at, self.timeout),
                    ("States.HeartbeatTimeout", self._beat_at, self.heartbeat),
                ):
                    if self._taken_at is not None and since is not None and seconds and now > since + seconds:
                        self.tell("ActivityTimedOut", {"error": name})
                        raise engine._ExecutionError(name, f"The worker did not answer within {seconds} seconds")
                self._changed.wait(LOOK_SECONDS)
            succeeded, value = self._answer
        if succeeded:
            return value
        raise value

    def tell(self, event: str, details: dict[str, Any]) -> None:
        """Write an event of the task into the execution's history."""
        if self.execution is not None:
            engine._add_event(self.execution, event, {event[0].lower() + event[1:] + "EventDetails": details})


def execute_task(state: Any, raw_input: Any, execution: Any, context: Any) -> Any:
    """A Task state; an activity finds its time-outs there."""
    states, executions = _state.set(state), _execution.set(execution)
    try:
        return _execute_task(state, raw_input, execution, context)
    finally:
        _state.reset(states)
        _execution.reset(executions)


def _queue(arn: str) -> list[Task]:
    """The tasks of an activity that no worker has taken yet, the oldest first."""
    if arn not in engine._activity_tasks:
        engine._activity_tasks[arn] = []
    queue: list[Task] = engine._activity_tasks[arn]
    return queue


def invoke_activity(arn: str, data: Any) -> Any:
    """Schedule a task and wait for a worker's answer."""
    if arn not in engine._activities:
        raise engine._ExecutionError("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
    task = Task(data, _state.get(), _execution.get())
    task.tell("ActivityScheduled", {"resource": arn, "input": task.input})
    _open[task.token] = task
    queue = _queue(arn)
    queue.append(task)
    try:
        return task.wait(current_scope())
    finally:
        if task in queue:
            queue.remove(task)
        _open.pop(task.token, None)
        _closed.add(task.token)


# What workers call ----------------------------------------------------------------------------------------------------


async def get_activity_task(request: Any) -> Any:
    """GetActivityTask: the task that has waited longest, or nothing after a minute. Who has hung up gets none."""
    arn = request.get("activityArn")
    if arn not in engine._activities:
        return refusal("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
    deadline = time.monotonic() + POLL_SECONDS
    with gate.watching_the_client() as has_hung_up:
        while time.monotonic() < deadline and not has_hung_up():
            queue = _queue(arn)
            if queue:
                task = queue.pop(0)
                task.take(request.get("workerName", ""))
                return engine.json_response({"taskToken": task.token, "input": task.input})
            await asyncio.sleep(LOOK_SECONDS)
    return engine.json_response({})


def send_task_success(request: Any) -> Any:
    """SendTaskSuccess, which refuses what is no JSON or too long."""
    if request.get("taskToken") in engine._task_tokens:  # a call-back's, which is MiniStack's
        return _send_task_success(request)
    output = request.get("output", "")
    if len(output.encode()) > OUTPUT_LIMIT:
        return refusal("InvalidOutput", f"Invalid Output: longer than {OUTPUT_LIMIT} bytes")
    try:
        value = json.loads(output)
    except ValueError:
        return refusal("InvalidOutput", "Invalid Output: no JSON")
    return on_task(request, lambda task: task.answer(True, value), last=True)


def send_task_failure(request: Any) -> Any:
    """SendTaskFailure."""
    if request.get("taskToken") in engine._task_tokens:
        return _send_task_failure(request)
    error = engine._ExecutionError(request.get("error", ""), request.get("cause", ""))
    return on_task(request, lambda task: task.answer(False, error), last=True)


def send_task_heartbeat(request: Any) -> Any:
    """SendTaskHeartbeat."""
    if request.get("taskToken") in engine._task_tokens:
        return _send_task_heartbeat(request)
    return on_task(request, Task.beat)


def on_task(request: Any, act: Any, last: bool = False) -> Any:
    """Do something to the task that a token names, or refuse a token that is wrong or whose time is over. last: after
    which it is.
    """
    token = request.get("taskToken", "")
    task = _open.get(token)
    if last and task is not None and _open.pop(token, None) is None:  # of two at once, the other was the first
        task = None
    if task is not None:
        if last:
            _closed.add(token)
        act(task)
        return engine.json_response({})
    if token in _closed:
        return refusal("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
    return refusal("InvalidToken", "Invalid Token: 'Invalid token'")


def refusal(code: str, message: str) -> Any:
    """An error answer of Step Functions."""
    return engine.error_response_json(code, message, 400)
