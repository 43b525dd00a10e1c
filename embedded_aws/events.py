"""The events of an execution's history under AWS's names, and those that MiniStack leaves out.

MiniStack has one name for a task, whatever it calls, and tells nothing of what happens within a Map: AWS tells of the
Lambda function, of a Map's iterations with the states in them, of a Map Run, and of the states of its children. Imports
MiniStack and the standard library only.
"""

import contextlib
import contextvars
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from ministack.services import stepfunctions as engine

from embedded_aws.scope import STOPPED

LAST = ("ExecutionAborted", "ExecutionFailed", "ExecutionSucceeded", "ExecutionTimedOut")
"""Events that nothing comes after."""

TIMEOUT = "States.Timeout"

_adding = threading.Lock()
_add_event: Any = engine._add_event
_iterating: contextvars.ContextVar[str | None] = contextvars.ContextVar("iterating", default=None)


def patch() -> None:
    """Install the replacement."""
    engine._add_event = add_event


def add_event(execution: Any, name: str, details: Mapping[str, Any] | None = None) -> None:
    """Note an event, unless the execution has ended; a task that calls a function goes by the function's events."""
    told: Mapping[str, Any] = next(iter(details.values()), {}) if details else {}
    if told.get("error") == STOPPED:
        return  # what a stop has kept from starting is not told
    noted: list[tuple[str, Any]] = [(name, details)]
    if _is_function(told.get("resource")):
        noted = list(_as_lambda(name, told))
    elif name == "TaskScheduled" and str(told.get("resource")).startswith("arn:aws:states:::"):
        noted.append(("TaskStarted", {}))
    for event, about in noted:
        with _adding:
            if not execution["events"] or execution["events"][-1]["type"] not in LAST:
                _add_event(execution, event, about)


def _is_function(resource: Any) -> bool:
    return isinstance(resource, str) and resource.split(":")[2:3] == ["lambda"]


def _as_lambda(name: str, told: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    if name == "TaskScheduled":
        scheduled = {"lambdaFunctionScheduledEventDetails": {"resource": told["resource"]}}
        return [("LambdaFunctionScheduled", scheduled), ("LambdaFunctionStarted", {})]
    if name == "TaskSucceeded":
        return [("LambdaFunctionSucceeded", {"lambdaFunctionSucceededEventDetails": {"output": told["output"]}})]
    what = "TimedOut" if told["error"] == TIMEOUT else "Failed"
    failed = {"error": told["error"], "cause": told["cause"]}
    return [(f"LambdaFunction{what}", {f"lambdaFunction{what}EventDetails": failed})]


@contextlib.contextmanager
def map_state(execution: Any, state: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[None]:
    """Tell of an Inline Map: that it begins, its iterations, and its end."""
    processor = state.get("ItemProcessor") or state.get("Iterator") or {}
    if processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
        yield
        return
    with _told(execution, "MapState"), within(context["State"]["Name"]):
        yield


@contextlib.contextmanager
def map_run(execution: Any, arn: str) -> Iterator[None]:
    """Tell of a Map Run."""
    with _told(execution, "MapRun", {"mapRunStartedEventDetails": {"mapRunArn": arn}}):
        yield


@contextlib.contextmanager
def iteration(execution: Any, context: Mapping[str, Any]) -> Iterator[None]:
    """Tell of an iteration, where the states that follow are one."""
    name = _iterating.get()
    if name is None:
        yield
        return
    about = {"name": name, "index": context.get("Map", {}).get("Item", {}).get("Index", 0)}
    with _told(execution, "MapIteration", about=about), within(None):
        yield


@contextlib.contextmanager
def child(execution: Any) -> Iterator[None]:
    """Tell of a child of a Map Run as of any execution; its end is told once its status is known."""
    add_event(execution, "ExecutionStarted", {"executionStartedEventDetails": {"input": execution["input"]}})
    with within(None):
        yield
    name = {"TIMED_OUT": "TimedOut"}.get(execution["status"], execution["status"].capitalize())
    kind = f"execution{name}EventDetails"
    about = {key: execution[key] for key in ("output", "error", "cause") if execution.get(key)}
    add_event(execution, f"Execution{name}", {kind: about} if about.get("error") != STOPPED else None)


@contextlib.contextmanager
def within(map_name: str | None) -> Iterator[None]:
    """What is run within the block are iterations of the Map of this name, or of none."""
    token = _iterating.set(map_name)
    try:
        yield
    finally:
        _iterating.reset(token)


def entered(execution: Any, kind: str, name: str, data: Any) -> None:
    """Tell that a state begins."""
    add_event(execution, f"{kind}StateEntered", {"stateEnteredEventDetails": {"name": name, "input": json.dumps(data)}})


def exited(execution: Any, kind: str, name: str, data: Any) -> None:
    """Tell that a state has ended well."""
    add_event(execution, f"{kind}StateExited", {"stateExitedEventDetails": {"name": name, "output": json.dumps(data)}})


@contextlib.contextmanager
def _told(
    execution: Any, what: str, started: dict[str, Any] | None = None, about: dict[str, Any] | None = None
) -> Iterator[None]:
    """The beginning and the end of something, as succeeded, failed or aborted."""

    def details(end: str) -> dict[str, Any] | None:
        return {f"{what[0].lower()}{what[1:]}{end}EventDetails": about} if about else None

    add_event(execution, f"{what}Started", started or details("Started"))
    try:
        yield
    except BaseException as error:
        end = "Aborted" if getattr(error, "error", "") == STOPPED else "Failed"
        add_event(execution, f"{what}{end}", details(end))
        raise
    add_event(execution, f"{what}Succeeded", details("Succeeded"))
