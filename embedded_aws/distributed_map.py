"""The Distributed Map: a Map Run whose items are child executions, with its results written to S3 by ResultWriter.

Written after MiniStack's own, which keeps going after a failure and writes no results. What differs from AWS: at most
`LOCAL_CONCURRENCY` children of a Map Run are under way at once, whatever MaxConcurrency says, since more could not
run anyway; result files are not split at 5 GB; there is no redrive, and no ItemBatcher. Imports MiniStack and the
standard library only.
"""

import contextlib
import contextvars
import itertools
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ministack.services import s3
from ministack.services import stepfunctions as engine

from embedded_aws import events, permissions
from embedded_aws.profile import LENIENT, Profile, Rate
from embedded_aws.scope import STOPPED, Scope, current_scope, enter

LOCAL_CONCURRENCY = 32

READER_FAILED = "States.ItemReaderFailed"
EXPRESS_TIMEOUT = "An Express execution may take five minutes"
THRESHOLD_EXCEEDED = "States.ExceedToleratedFailureThreshold"

COUNTERS = (
    "pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten",
    "failuresNotRedrivable", "pendingRedrive",
)  # fmt: skip


_profile: Profile = LENIENT
_reader_failures = 0
_in_express: contextvars.ContextVar[bool] = contextvars.ContextVar("in_express", default=False)


def use(profile: Profile) -> None:
    """Work under a profile from now on."""
    global _profile, _reader_failures
    _profile, _reader_failures = profile, profile.item_reader_failures


def in_express_child() -> bool:
    """Whether the calling thread works for an Express child, whose states are no transitions."""
    return _in_express.get()


def run(state: Any, raw_input: Any, effective_input: Any, processor: Any, execution: Any, context: Any) -> Any:
    """Run a Map state in distributed mode; returns its output and the name of the next state."""
    map_run = MapRun(state, effective_input, processor, execution, context)
    result = engine._apply_result_selector(state, map_run.run())
    output = engine._apply_result_path(state, raw_input, result)
    return engine._apply_output_path(state, output, context), engine._next_or_end(state)


class MapRun:
    """One run of a Distributed Map."""

    def __init__(self, state: Any, effective_input: Any, processor: Any, execution: Any, context: Any) -> None:
        self.state, self.input, self.context, self.parent = state, effective_input, context, execution
        self.processor = processor
        kind = processor.get("ProcessorConfig", {}).get("ExecutionType", "STANDARD")
        self.express = kind == "EXPRESS"
        self.dispatch = Rate(_profile.express_dispatch if self.express else _profile.standard_dispatch)
        permissions.require("states:StartExecution", execution["stateMachineArn"], "States.Permissions")
        self.items = self._read_items()
        self.children: list[Any] = [None] * len(self.items)
        self.results: list[Any] = [None] * len(self.items)
        self.scope = Scope(current_scope())
        self.lock = threading.Lock()

        _, _, _, region, account, _, machine = execution["stateMachineArn"].split(":", 6)
        self.path = f"{machine}/{state.get('Label') or engine.new_uuid()}"
        self.prefix = f"arn:aws:states:{region}:{account}"
        self.id = engine.new_uuid()
        self.arn = f"{self.prefix}:mapRun:{self.path}:{self.id}"
        self.machine_arn = f"{self.prefix}:stateMachine:{self.path}"
        self.record = self._new_record()
        engine._map_runs[self.arn] = self.record

    def run(self) -> Any:
        """Run all children; returns their outputs, or where they were written when there is a ResultWriter.

        Raises States.ExceedToleratedFailureThreshold once too many children have failed: those not yet started then
        stay pending. Results are written in that case too.
        """
        with events.map_run(self.parent, self.arn):
            return self._run()

    def _run(self) -> Any:
        workers = min(self.record["maxConcurrency"] or len(self.items), len(self.items), LOCAL_CONCURRENCY)
        with enter(self.scope), ThreadPoolExecutor(max_workers=workers or 1) as pool:
            for index in range(len(self.items)):
                pool.submit(contextvars.copy_context().run, self._run_child, index)
        failure = self.scope.reason
        self.record["status"] = "FAILED" if failure else "ABORTED" if self.scope.stopped else "SUCCEEDED"
        self.record["stopDate"] = engine.now_iso()
        written = self._write_results() if self.state.get("ResultWriter") else None
        if failure:
            raise failure
        if self.scope.stopped:
            raise engine._ExecutionError(STOPPED, "The execution was stopped during its Map Run")
        return written or self.results

    # Items ------------------------------------------------------------------------------------------------------------

    def _read_items(self) -> list[Any]:
        """The items. Raises States.ItemReaderFailed when an ItemReader cannot read them."""
        reader = self.state.get("ItemReader")
        if not reader:
            items = engine._resolve_path_or_ctx(self.state.get("ItemsPath", "$"), self.input, self.context)
            return items if isinstance(items, list) else [items]
        where = engine._resolve_params_obj(reader.get("Parameters") or {}, self.input, self.context)
        listing = reader.get("Resource", "").endswith("listObjectsV2")
        bucket = f"arn:aws:s3:::{where.get('Bucket')}"
        permissions.require(
            "s3:ListBucket" if listing else "s3:GetObject",
            bucket if listing else f"{bucket}/{where.get('Key')}",
            READER_FAILED,
            {"s3:prefix": where.get("Prefix", "")} if listing else None,
        )
        fail_as_told()
        try:
            items = engine._read_map_items(reader, self.input, self.context)
        except (ValueError, LookupError, TypeError) as error:
            raise engine._ExecutionError(READER_FAILED, f"Unable to parse the items: {error}") from None
        if not isinstance(items, list):
            raise engine._ExecutionError(READER_FAILED, "Attempting to map over non-iterable node.")
        return items

    def _setting(self, name: str) -> float:
        """A number given as `name` or, as a path into the input, as `namePath`; 0 when it is not given."""
        path = self.state.get(f"{name}Path")
        value = engine._resolve_path_or_ctx(path, self.input, self.context) if path else self.state.get(name)
        return float(value or 0)

    def _new_record(self) -> dict[str, Any]:
        counts = dict.fromkeys(COUNTERS, 0) | {"total": len(self.items), "pending": len(self.items)}
        return {
            "mapRunArn": self.arn,
            "executionArn": self.parent["executionArn"],
            "status": "RUNNING",
            "startDate": engine.now_iso(),
            "maxConcurrency": int(self._setting("MaxConcurrency")),
            "toleratedFailurePercentage": self._setting("ToleratedFailurePercentage"),
            "toleratedFailureCount": int(self._setting("ToleratedFailureCount")),
            "itemCounts": dict(counts),
            "executionCounts": dict(counts),
            "redriveCount": 0,
            "_stateMachineArn": self.machine_arn,
        }

    # Children ---------------------------------------------------------------------------------------------------------

    def _run_child(self, index: int) -> None:
        """Run one item as a child execution, unless the Map Run has been stopped meanwhile."""
        child = self.children[index] = self._new_child(index)
        self.dispatch.take()
        if self.scope.stopped:
            return
        child.update(status="RUNNING", startDate=engine.now_iso())
        engine._executions[child["executionArn"]] = child
        self._count("pending", "running")
        with events.child(child):
            self._work_on(child, index)
        self._count("running", {"TIMED_OUT": "timedOut"}.get(child["status"], child["status"].lower()))
        self._stop_if_too_many_failed()

    def _work_on(self, child: Any, index: int) -> None:
        """Bring a child to its end."""
        data = json.loads(child["input"])
        expired = threading.Event()
        try:
            with enter(Scope(self.scope)) as scope, self._time_limit(scope, expired):
                states, start_at = self.processor.get("States", {}), self.processor.get("StartAt")
                self.results[index] = engine._run_sub_machine(
                    states, start_at, data, child, self._child_context(child, data)
                )
            child.update(status="SUCCEEDED", output=json.dumps(self.results[index]))
        except engine._ExecutionError as error:
            child.update(status="ABORTED" if error.error == STOPPED else "FAILED", error=error.error, cause=error.cause)
            if expired.is_set():
                child.update(status="TIMED_OUT", error="States.Timeout", cause=EXPRESS_TIMEOUT)
        except Exception as error:  # a defect of the engine must not be taken for success
            child.update(status="FAILED", error="States.Runtime", cause=repr(error))
        child["stopDate"] = engine.now_iso()

    @contextlib.contextmanager
    def _time_limit(self, scope: Scope, expired: threading.Event) -> Iterator[None]:
        """End an Express child when its time is over, and tell so; a task that runs is waited for, unlike on AWS."""
        seconds = _profile.express_seconds if self.express else None
        token = _in_express.set(self.express)

        def expire() -> None:
            expired.set()
            scope.stop()

        timer = threading.Timer(seconds or 0, expire)
        timer.daemon = True
        if seconds:
            timer.start()
        try:
            yield
            if expired.is_set():
                raise engine._ExecutionError(STOPPED, EXPRESS_TIMEOUT)
        finally:
            timer.cancel()
            _in_express.reset(token)

    def _new_child(self, index: int) -> dict[str, Any]:
        name = engine.new_uuid()
        return {
            "executionArn": f"{self.prefix}:execution:{self.path}:{name}",
            "stateMachineArn": self.machine_arn,
            "name": name,
            "status": "PENDING",
            "startDate": None,
            "stopDate": None,
            "input": json.dumps(self._child_input(index)),
            "inputDetails": {"included": True},
            "output": None,
            "outputDetails": {"included": True},
            "mapRunArn": self.arn,
            "events": [],
            "testCase": self.parent.get("testCase"),
            "mockAttempts": {},
        }

    def _child_context(self, child: Any, data: Any) -> dict[str, Any]:
        """The context object (`$$`) of a child: the execution it names is the child, as on AWS."""
        execution = {
            "Id": child["executionArn"],
            "Input": data,
            "Name": child["name"],
            "StartTime": child["startDate"],
        }
        return {**self.context, "Execution": execution, "variables": {}}

    def _child_input(self, index: int) -> Any:
        selector = self.state.get("ItemSelector") or self.state.get("Parameters")
        if not selector:
            return self.items[index]
        context = {**self.context, "Map": {"Item": {"Index": index, "Value": self.items[index]}}}
        return engine._resolve_params_obj(selector, self.input, context)

    def _count(self, before: str, after: str) -> None:
        with self.lock:
            for counts in (self.record["itemCounts"], self.record["executionCounts"]):
                counts[before] -= 1
                counts[after] += 1

    def _stop_if_too_many_failed(self) -> None:
        """Apply the tolerated failures: none unless a percentage or a count is given."""
        failed = self.record["itemCounts"]["failed"] + self.record["itemCounts"]["timedOut"]
        limits = []
        if any(name in self.state for name in ("ToleratedFailureCount", "ToleratedFailureCountPath")):
            limits.append(self.record["toleratedFailureCount"])
        if any(name in self.state for name in ("ToleratedFailurePercentage", "ToleratedFailurePercentagePath")):
            limits.append(self.record["toleratedFailurePercentage"] * len(self.items) / 100)
        if failed > min(limits, default=0):
            cause = "The specified tolerated failure threshold was exceeded"
            self.scope.stop(engine._ExecutionError(THRESHOLD_EXCEEDED, cause))

    # Results ----------------------------------------------------------------------------------------------------------

    def _write_results(self) -> dict[str, Any]:
        """Write manifest.json and a file of the children of each status, in the format and under the keys of AWS."""
        writer = engine._resolve_params_obj(
            self.state["ResultWriter"].get("Parameters") or {}, self.input, self.context
        )
        bucket = writer["Bucket"]
        folder = "/".join(part for part in (writer.get("Prefix", "").strip("/"), self.id) if part)
        files: dict[str, list[Any]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        by_file = sorted((child for child in self.children if child), key=result_file)
        for name, children in itertools.groupby(by_file, key=result_file):
            rows = [result_row(child) for child in children]
            key = f"{folder}/{name}_0.json"
            files[name].append({"Key": key, "Size": put_json(bucket, key, rows)})
        manifest = f"{folder}/manifest.json"
        put_json(bucket, manifest, {"DestinationBucket": bucket, "MapRunArn": self.arn, "ResultFiles": files})
        for counts in (self.record["itemCounts"], self.record["executionCounts"]):
            counts["resultsWritten"] = len(by_file)
        return {"MapRunArn": self.arn, "ResultWriterDetails": {"Bucket": bucket, "Key": manifest}}


def result_file(child: Any) -> str:
    """Which of the result files a child goes to: a child that was stopped counts as failed."""
    status: str = child["status"]
    return status if status in ("SUCCEEDED", "PENDING") else "FAILED"


def result_row(child: Any) -> dict[str, Any]:
    """A child as it stands in a result file: capitalised keys, absent ones left out."""
    keys = ["executionArn", "input", "inputDetails", "name", "startDate", "stateMachineArn", "status", "stopDate"]
    keys += ["output", "outputDetails"] if child["status"] == "SUCCEEDED" else ["error", "cause"]
    row = {key[0].upper() + key[1:]: child[key] for key in keys if child.get(key) is not None}
    for details in row.keys() & {"InputDetails", "OutputDetails"}:
        row[details] = {"Included": True}
    status = child["status"]
    reason = f"Execution is {status} and cannot be redriven"
    return row | {"RedriveCount": 0, "RedriveStatus": "NOT_REDRIVABLE", "RedriveStatusReason": reason}


def fail_as_told() -> None:
    """Fail as often as the profile says, as ItemReaders do when S3 has a bad moment."""
    global _reader_failures
    if _reader_failures:
        _reader_failures -= 1
        print("An ItemReader fails as told", flush=True)
        raise engine._ExecutionError(READER_FAILED, "Please reduce your request rate. (Service: S3, Status Code: 503)")


def put_json(bucket: str, key: str, value: Any) -> int:
    """Write an object and return its size; raises States.ResultWriterFailed when S3 refuses it."""
    permissions.require("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}", "States.ResultWriterFailed")
    body = json.dumps(value).encode()
    status, _headers, answer = s3._put_object(bucket, key, body, {"content-type": "application/json"})
    if status != 200:
        raise engine._ExecutionError("States.ResultWriterFailed", f"s3://{bucket}/{key} was not written: {answer!r}")
    return len(body)
