"""What MiniStack's Step Functions leave out, apart from the Distributed Map itself (see `distributed_map`).

Stopping, time-outs and the failure of one iteration reach everything below them; retries know MaxDelaySeconds and
JitterStrategy; payloads are limited to 256 KiB; maps know MaxConcurrencyPath. Imports MiniStack and the standard
library only.
"""

import contextlib
import contextvars
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions as engine

from embedded_aws import distributed_map, events, lambda_functions, permissions
from embedded_aws.profile import LENIENT, Profile, Rate
from embedded_aws.scope import STOPPED, Scope, current_scope, enter

PAYLOAD_LIMIT = 256 * 1024
"""Bytes of JSON (UTF-8) that a task, a state or an execution may take or return."""

UNCATCHABLE_BY_WILDCARD = {"States.DataLimitExceeded", "States.Runtime"}

_run_execution: Any = engine._run_execution
_stop_execution: Any = engine._stop_execution
_start_execution: Any = engine._start_execution
_fail_execution: Any = engine._fail_execution
_run_map_items: Any = engine._run_map_items
_run_parallel_branches: Any = engine._run_parallel_branches
_run_sub_machine: Any = engine._run_sub_machine
_invoke_resource: Any = engine._invoke_resource
_invoke_resource_with_timeout: Any = engine._invoke_resource_with_timeout
_apply_output_path: Any = engine._apply_output_path
_find_matching_retrier: Any = engine._find_matching_retrier
_error_matches: Any = engine._error_matches

_create_state_machine: Any = engine._create_state_machine
_update_state_machine: Any = engine._update_state_machine

_running: dict[str, Scope] = {}  # execution ARN -> its scope
_transitions = Rate(LENIENT.transitions)


def patch(profile: Profile) -> None:
    """Install the replacements."""
    global _transitions
    _transitions = Rate(profile.transitions)
    distributed_map.use(profile)
    events.patch()
    engine._create_state_machine = create_state_machine
    engine._update_state_machine = update_state_machine
    engine._run_distributed_map = distributed_map.run
    engine._run_execution = run_execution
    engine._start_execution = start_execution
    engine._stop_execution = stop_execution
    engine._fail_execution = fail_execution
    engine._run_map_items = run_map_items
    engine._run_parallel_branches = run_parallel_branches
    engine._run_sub_machine = run_sub_machine
    engine._invoke_resource = invoke_resource
    engine._invoke_resource_with_timeout = invoke_resource_with_timeout
    engine._apply_output_path = apply_output_path
    engine._find_matching_retrier = find_matching_retrier
    engine._error_matches = error_matches
    engine._scaled_sleep = sleep_unless_stopped


# State machines -------------------------------------------------------------------------------------------------------


def create_state_machine(request: Any) -> Any:
    """CreateStateMachine keeps the tracing configuration, and refuses a role that may not write the logs asked for."""
    if not permissions.may_write_logs(request.get("roleArn", ""), request.get("loggingConfiguration")):
        return log_refusal()
    response = _create_state_machine(request)
    arn = json.loads(response[2]).get("stateMachineArn")
    if arn:
        keep_tracing(arn, (request.get("tracingConfiguration") or {}).get("enabled", False))
    return response


def update_state_machine(request: Any) -> Any:
    """UpdateStateMachine does the same."""
    machine = engine._state_machines.get(request.get("stateMachineArn"), {})
    logging = request.get("loggingConfiguration", machine.get("loggingConfiguration"))
    if not permissions.may_write_logs(request.get("roleArn") or machine.get("roleArn", ""), logging):
        return log_refusal()
    response = _update_state_machine(request)
    if "tracingConfiguration" in request and response[0] == 200:
        keep_tracing(request["stateMachineArn"], request["tracingConfiguration"].get("enabled", False))
    return response


def keep_tracing(arn: str, enabled: bool) -> None:
    """Keep whether a state machine is traced, so that DescribeStateMachine says so."""
    engine._state_machines[arn]["tracingConfiguration"] = {"enabled": enabled}


LOG_REFUSAL = "The state machine IAM Role is not authorized to access the Log Destination"


def log_refusal() -> Any:
    """AWS's answer for a role that may not write the state machine's logs."""
    return engine.error_response_json("AccessDeniedException", LOG_REFUSAL, 400)


# Stopping -------------------------------------------------------------------------------------------------------------


def run_execution(arn: str) -> None:
    """Run an execution in a scope of its own, in its state machine's role and within its TimeoutSeconds."""
    execution = engine._executions.get(arn) or {}
    machine = engine._state_machines.get(execution.get("stateMachineArn")) or {}
    role = machine.get("roleArn", "")
    if machine.get("tracingConfiguration", {}).get("enabled"):
        for action in permissions.TRACES:
            permissions.judge(role, action, "*")
    with permissions.acting_as(role), enter(Scope()) as scope, time_limit(arn, scope):
        _running[arn] = scope
        try:
            _run_execution(arn)
        finally:
            del _running[arn]


@contextlib.contextmanager
def time_limit(arn: str, scope: Scope) -> Iterator[None]:
    """End an execution with States.Timeout and status TIMED_OUT when its state machine's TimeoutSeconds have passed."""
    execution = engine._executions.get(arn)
    machine = engine._state_machines.get(execution["stateMachineArn"]) if execution else None
    seconds = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
    if seconds is None:
        yield
        return

    def expire() -> None:
        if execution["status"] == "RUNNING":
            execution.update(status="TIMED_OUT", error="States.Timeout", stopDate=engine.now_iso())
            engine._add_event(
                execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
            )
            engine._emit_execution_status_event(execution)
            scope.stop()

    timer = threading.Timer(seconds, contextvars.copy_context().run, (expire,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def stop_execution(request: Any) -> Any:
    """StopExecution: nothing below the execution starts any more (on AWS its children end as ABORTED)."""
    response = _stop_execution(request)
    scope = _running.get(request.get("executionArn"))
    if scope is not None:
        scope.stop()
    return response


def fail_execution(execution: Any, error: str, cause: str) -> None:
    """An execution that was stopped or timed out keeps that status, whatever its last task says."""
    if execution["status"] == "RUNNING":
        _fail_execution(execution, error, cause)


def run_map_items(state: Any, raw_input: Any, execution: Any, context: Any) -> Any:
    """A Map state: the first iteration that fails stops the others, and MaxConcurrencyPath is looked up."""
    if "MaxConcurrencyPath" in state:
        effective = engine._apply_input_path(state, raw_input, context)
        concurrency = engine._resolve_path_or_ctx(state["MaxConcurrencyPath"], effective, context)
        state = {**state, "MaxConcurrency": concurrency}
    with events.map_state(execution, state, context):
        return until_first_failure(_run_map_items, state, raw_input, execution, context)


def run_parallel_branches(state: Any, raw_input: Any, execution: Any, context: Any) -> Any:
    """A Parallel state: the first branch that fails stops the others."""
    with events.within(None):
        return until_first_failure(_run_parallel_branches, state, raw_input, execution, context)


def until_first_failure(run: Callable[..., Any], *args: Any) -> Any:
    """Run iterations in a scope that ends at the first failure; raise that failure, not the stops it caused."""
    with enter(Scope(current_scope())) as scope:
        try:
            return run(*args)
        except engine._ExecutionError as error:
            raise (scope.reason or error) from None


def run_sub_machine(states: Any, start_at: str, data: Any, execution: Any, context: Any) -> Any:
    """Run an iteration, a branch or a child, and tell of its states; its failure ends the scope it runs in."""
    with events.iteration(execution, context):
        try:
            return _run_states(states, start_at, data, execution, context)
        except engine._ExecutionError as error:
            if error.error != STOPPED:
                current_scope().stop(error)
            raise


def _run_states(states: Any, name: str | None, data: Any, execution: Any, context: Any) -> Any:
    while name:
        state = states.get(name)
        if not state:
            raise engine._ExecutionError("States.Runtime", f"State '{name}' not found")
        kind, here = state.get("Type"), name
        context["State"] = {"Name": here, "EnteredTime": engine.now_iso(), "RetryCount": 0}
        events.entered(execution, kind, here, data)
        if kind in ("Succeed", "Fail"):  # MiniStack's own loop ends with them
            data, name = _run_sub_machine({here: state}, here, data, execution, context), None
        else:
            run = getattr(engine, f"_execute_{kind.lower()}", None)
            if run is None:
                raise engine._ExecutionError("States.Runtime", f"Unknown state type: {kind}")
            more = (execution,) if kind in ("Task", "Parallel", "Map") else ()
            data, name = run(state, data, *more, context)
        events.exited(execution, kind, here, data)
    return data


def sleep_unless_stopped(seconds: float) -> None:
    """Wait for a retry or in a Wait state, but no longer than the execution lasts."""
    end = time.monotonic() + seconds * engine._SFN_WAIT_SCALE
    scope = current_scope()
    while not scope.stopped and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.2))


# Tasks ----------------------------------------------------------------------------------------------------------------


def invoke_resource(resource: str, data: Any) -> Any:
    """Run a task, unless its execution has been stopped; its result is limited in size."""
    if current_scope().stopped:
        raise engine._ExecutionError(STOPPED, "The execution was stopped before this task started")
    function = engine._extract_lambda_ref(resource)
    if function:
        permissions.require("lambda:InvokeFunction", resource, "Lambda.AWSLambdaException")
    if resource == PUT_EVENTS:
        for entry in data["Entries"]:
            bus = f"arn:aws:events:{get_region()}:{get_account_id()}:event-bus/{entry.get('EventBusName', 'default')}"
            permissions.require("events:PutEvents", bus, DENIED, {"events:source": entry["Source"]})
    with lambda_functions.measured(engine._extract_lambda_name(resource) if function else None):
        try:
            result = _invoke_resource(resource, data)
        except engine._ExecutionError as error:
            raise (throttled() if error.error == THROTTLED else error) from None
    return within_limit(result, f"The state/task '{resource}' returned a result with a size")


def invoke_resource_with_timeout(resource: str, data: Any, seconds: float) -> Any:
    """Run a task within its TimeoutSeconds, counted from when a worker is free: AWS has one for every child at once."""
    function = engine._extract_lambda_name(resource)
    if not function:
        return _invoke_resource_with_timeout(resource, data, seconds)
    try:
        with lambda_functions.slots.hold(function):
            return _invoke_resource_with_timeout(resource, data, seconds)
    except lambda_functions.Throttled:
        raise throttled() from None


PUT_EVENTS = "arn:aws:states:::events:putEvents"
DENIED = "EventBridge.AmazonEventBridgeException"

THROTTLED = "Lambda.TooManyRequestsException"


def throttled() -> Exception:
    """The error of a task whose function may not run once more at the same time, in Lambda's words."""
    cause = f"Rate Exceeded. (Service: Lambda, Status Code: 429, Request ID: {engine.new_uuid()})"
    error: Exception = engine._ExecutionError(THROTTLED, cause)
    return error


# Payload limit --------------------------------------------------------------------------------------------------------


def within_limit(value: Any, what: str) -> Any:
    """Return the value, or raise States.DataLimitExceeded when its JSON is over the limit."""
    if len(json.dumps(value, ensure_ascii=False).encode()) > PAYLOAD_LIMIT:
        raise engine._ExecutionError(
            "States.DataLimitExceeded", f"{what} exceeding the maximum number of bytes service limit."
        )
    return value


def apply_output_path(state: Any, data: Any, context: Any = None) -> Any:
    """Every state ends here: it counts as a transition, and its output is limited in size, a Map's results included."""
    if not distributed_map.in_express_child():
        _transitions.take()
    return within_limit(_apply_output_path(state, data, context), f"The {state.get('Type')} state's output has a size")


def start_execution(request: Any) -> Any:
    """StartExecution refuses an input over the limit, and one that is no JSON."""
    try:
        json.loads(request.get("input", "{}"))
    except ValueError as error:
        said = f"Invalid State Machine Execution Input: '{error}'"
        return engine.error_response_json("InvalidExecutionInput", said, 400)
    if len(request.get("input", "").encode()) > PAYLOAD_LIMIT:
        return engine.error_response_json("InvalidExecutionInput", "Input exceeds the limit of 262144 bytes", 400)
    return _start_execution(request)


# Retry and Catch ------------------------------------------------------------------------------------------------------


def error_matches(names: list[str], error: str) -> bool:
    """Whether a retrier or catcher takes an error: a stop is never taken, terminal errors only when they are named."""
    if error == STOPPED:
        return False
    if error in UNCATCHABLE_BY_WILDCARD:
        return error in names
    return bool(_error_matches(names, error))


def find_matching_retrier(retriers: Any, error: str, attempts: dict[int, int]) -> Any:
    """Find the retrier for an error, with its next delay as IntervalSeconds.

    MaxDelaySeconds caps the delay and full jitter spreads it. MiniStack itself waits at most 60 s.
    """
    retrier, index = _find_matching_retrier(retriers, error, attempts)
    if retrier is None:
        return retrier, index
    delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** attempts.get(index, 0)
    delay = min(delay, retrier.get("MaxDelaySeconds", delay))
    if retrier.get("JitterStrategy") == "FULL":
        delay = random.uniform(0, delay)
    return {**retrier, "IntervalSeconds": delay, "BackoffRate": 1}, index
