"""Python Lambda functions on AWS's own runtime client (awslambdaric).

MiniStack's Python worker loses the names of exceptions and kills its process at every error. MiniStack also has a
Runtime API server, meant for custom runtimes, which is what awslambdaric speaks to in the real service; here both are
put together. The functions then report their errors, log and import as on AWS. Imports MiniStack and the standard
library only.
"""

import base64
import collections
import contextlib
import contextvars
import hashlib
import json
import os
import pathlib
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id
from ministack.services import lambda_svc

from embedded_aws import gate, permissions
from embedded_aws.peer import is_of_this_user
from embedded_aws.profile import LENIENT, Profile

WORKERS = int(os.environ.get("MONTECARLO_WORKERS") or os.cpu_count() or 1)
"""Processes per function. A chunk keeps a CPU busy and may take 1 GB: more of them than CPUs would only cost memory."""

BOOTSTRAP = '#!/bin/sh\nexec "$LAMBDA_INTERPRETER" -m awslambdaric "$_HANDLER"\n'

_code_dir: Any = lambda_svc._provided_runtime_code_dir
_worker_env: Any = lambda_svc._provided_worker_env
_worker_class_for: Any = lambda_runtime._worker_class_for
_execute_warm: Any = lambda_svc._execute_function_warm
_throttle_response: Any = lambda_svc._throttle_response
_peak_memory_mb: Any = lambda_svc._probe_peak_memory_mb
_presigned_code_url: Any = lambda_svc._presigned_code_url
_get_layer_version_by_arn: Any = lambda_svc._get_layer_version_by_arn
_serve_function_code: Any = lambda_svc.serve_function_code

_invoked_worker: contextvars.ContextVar["PythonWorker | None"] = contextvars.ContextVar("invoked_worker", default=None)


_profile: Profile = LENIENT

MEMORY_CHECK_SECONDS = 0.02


def patch(profile: Profile) -> None:
    """Install the replacements."""
    global _profile
    _profile = profile
    slots.limit, slots.throttled_first = profile.concurrency, profile.throttled_first
    lambda_svc._ACCOUNT_CONCURRENCY_CAP = profile.concurrency or 0  # which GetAccountSettings tells
    lambda_svc._provided_runtime_code_dir = code_dir_with_bootstrap
    lambda_svc._provided_worker_env = worker_environment
    lambda_svc._execute_function_warm = execute_when_a_worker_is_free
    lambda_svc._throttle_response = throttle_response
    lambda_svc._probe_peak_memory_mb = peak_memory_mb
    lambda_runtime._worker_class_for = worker_class_for
    lambda_svc._presigned_code_url = presigned_code_url
    lambda_svc._get_layer_version_by_arn = get_layer_version_by_arn
    lambda_svc.serve_function_code = serve_function_code


def is_python(config: Any) -> bool:
    """Whether a function's configuration names a Python runtime."""
    return str(config.get("Runtime", "")).startswith("python")


class PythonWorker(lambda_runtime.ProvidedWorker):  # type: ignore[misc]  # MiniStack is untyped
    """An execution environment: one awslambdaric process, used again and again as AWS uses a warm environment."""

    peak_memory_mb = 0

    def _build_handler_class(self, *args: Any) -> Any:
        return guarded(super()._build_handler_class(*args))

    def _drain_stderr_bounded(
        self, first_line_wait: float = 0.002, idle_confirm: float = 0.001, hard_cap: float = 0.05
    ) -> Any:
        """Collect log lines without a wait of 50 ms; a line that comes later joins the next invocation's log."""
        return super()._drain_stderr_bounded(first_line_wait, idle_confirm, hard_cap)

    def _await_init(self, init_timeout: float | None = None) -> None:
        """Fail as AWS does when a handler cannot be imported: with Runtime.ImportModuleError or the like."""
        try:
            super()._await_init(init_timeout)
        except RuntimeError as error:
            report = self._init_error
            if not isinstance(report, dict):
                raise
            message, name = report.get("errorMessage", str(error)), report.get("errorType", "Runtime.Unknown")
            raise lambda_runtime.ProvidedRuntimeError(message, name) from error

    def invoke(self, event: Any, request_id: str, **context: Any) -> Any:
        """Have the process answer one event; notes the most memory that it took."""
        _invoked_worker.set(self)
        self._forget_peak_memory()
        with self._limited_memory() as has_run_out:
            result = super().invoke(event, request_id, **context)
        if has_run_out.is_set():
            message = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
            result["error_payload"] = {"errorType": _profile.out_of_memory, "errorMessage": message}
        self.peak_memory_mb = self._memory_mb("VmHWM")
        return result

    @contextlib.contextmanager
    def _limited_memory(self) -> Iterator[threading.Event]:
        """Kill the process once it takes more than the function's MemorySize, as Lambda does; tells whether it did."""
        over, run_out = threading.Event(), threading.Event()

        def watch() -> None:
            while not over.wait(MEMORY_CHECK_SECONDS):
                if self._memory_mb("VmRSS") > self.config.get("MemorySize", 128):
                    run_out.set()
                    self._proc.kill()
                    return

        if _profile.out_of_memory:
            threading.Thread(target=watch, name="memory-watch", daemon=True).start()
        try:
            yield run_out
        finally:
            over.set()

    def _forget_peak_memory(self) -> None:
        """Let the kernel's high-water mark start afresh, so that it is this invocation's (Linux; nothing elsewhere)."""
        with contextlib.suppress(OSError, AttributeError):
            pathlib.Path(f"/proc/{self._proc.pid}/clear_refs").write_text("5")

    def _memory_mb(self, name: str) -> int:
        """The process's resident memory in MB, VmRSS or its high-water mark VmHWM; 0 where the system does not tell."""
        with contextlib.suppress(OSError, AttributeError):
            for line in pathlib.Path(f"/proc/{self._proc.pid}/status").read_text().splitlines():
                if line.startswith(f"{name}:"):
                    return int(line.split()[1]) // 1024
        return 0


def guarded(handler: Any) -> Any:
    """MiniStack's Runtime API, for this user's own processes only.

    Whoever may ask it takes an invocation's event away and answers in its place. awslambdaric knows no credentials, so
    that the kernel is asked whose the connection is, once for each: a worker keeps its one.
    """

    class Guarded(handler):  # type: ignore[misc]  # MiniStack is untyped
        disable_nagle_algorithm = True  # Nagle's algorithm and delayed ACKs would add 40 ms to each invocation

        def setup(self) -> None:
            super().setup()
            self.is_ours = is_of_this_user(self.client_address[1], self.server.server_address[1])

        def parse_request(self) -> bool:
            if not super().parse_request():
                return False
            own_host = self.headers.get("Host") == f"127.0.0.1:{self.server.server_address[1]}"
            if self.is_ours and own_host and not any(name in self.headers for name in BROWSER_HEADERS):
                return True
            self.send_error(403)
            return False

    return Guarded


BROWSER_HEADERS = ("Origin", "Sec-Fetch-Site")
"""Browsers send one of them with every request that a page makes; no runtime client does."""


def worker_class_for(config: Any) -> Any:
    """Choose the kind of execution environment for a function."""
    return PythonWorker if is_python(config) else _worker_class_for(config)


def peak_memory_mb(function: Any) -> Any:
    """The "Max Memory Used" of the REPORT log line: this invocation's own; MiniStack has the largest of all."""
    worker = _invoked_worker.get()
    return worker.peak_memory_mb if worker is not None else _peak_memory_mb(function)


def code_dir_with_bootstrap(code_zip: bytes) -> str:
    """Unpack a deployment package, and add the `bootstrap` that MiniStack's Runtime API starts."""
    directory: str = _code_dir(code_zip)
    with lambda_svc._provided_code_lock:  # no process may be forked while the file is open for writing (ETXTBSY)
        bootstrap = pathlib.Path(directory, "bootstrap")
        if not bootstrap.exists():
            bootstrap.write_text(BOOTSTRAP)
            bootstrap.chmod(0o755)
    return directory


def worker_environment(config: Any, code_dir: str, port: int) -> Any:
    """Environment variables of an execution environment.

    A layer stored in the emulator is put on the path as /opt/python is. A layer that is not, such as the managed
    layers of AWS (numpy, pyarrow, Powertools), stands for packages that the interpreter itself must have, so that
    templates need no change.
    """
    environment = _worker_env(config, code_dir, port)
    if not is_python(config):
        return environment
    layer_zips = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or []]
    layers = [str(pathlib.Path(_code_dir(content), "python")) for content in layer_zips if content]
    environment.update(
        PYTHONPATH=os.pathsep.join([code_dir, *layers]),
        LAMBDA_INTERPRETER=os.environ.get("LAMBDA_PYTHON", sys.executable),
        AWS_LAMBDA_LOG_GROUP_NAME=f"/aws/lambda/{config['FunctionName']}",
        AWS_EXECUTION_ENV=f"AWS_Lambda_{config['Runtime']}",
        TZ=":UTC",
        # Workers share the CPUs: one thread each, as a function of 1,769 MB has one vCPU.
        OPENBLAS_NUM_THREADS="1",
        OMP_NUM_THREADS="1",
    )
    return environment


# Code to download -----------------------------------------------------------------------------------------------------

EMPTY_ARCHIVE = b"PK\5\6" + bytes(18)
ELSEWHERE = "layer-of-another-account"


def presigned_code_url(name: str) -> str:
    """Where a function's code can be fetched, by whoever has the address."""
    address, _, _ = str(_presigned_code_url(name)).partition("?")
    path = urllib.parse.urlsplit(address).path
    return f"{address}?X-Amz-Signature={gate.download_signature(path)}"


def get_layer_version_by_arn(arn: str) -> Any:
    """GetLayerVersionByArn. A layer that others publish is empty here: the interpreter has its packages, see above."""
    response = _get_layer_version_by_arn(arn)
    stored = response[0] == 200 and json.loads(response[2]).get("Content", {}).get("Location")
    if stored or arn.split(":")[4:5] == [get_account_id()]:
        return response
    if _profile.unreadable_layers and _profile.unreadable_layers in arn:
        message = (
            f"User: arn:aws:iam::{get_account_id()}:root is not authorized to perform: lambda:GetLayerVersion on "
            f"resource: {arn} because no resource-based policy allows the lambda:GetLayerVersion action"
        )
        return lambda_svc.error_response_json("AccessDeniedException", message, 403)
    digest = base64.b64encode(hashlib.sha256(EMPTY_ARCHIVE).digest()).decode()
    content = {"Location": presigned_code_url(ELSEWHERE), "CodeSha256": digest, "CodeSize": len(EMPTY_ARCHIVE)}
    return lambda_svc.json_response({"LayerVersionArn": arn, "Content": content})


def serve_function_code(name: str, account_id: str | None = None, region: str | None = None) -> Any:
    """The archive at such an address."""
    if name == ELSEWHERE:
        return 200, {"Content-Type": "application/zip"}, EMPTY_ARCHIVE
    return _serve_function_code(name, account_id, region)


class Throttled(Exception):
    """The account has no function left for an invocation."""


class WorkerSlots:
    """Bounds how many invocations of each function run at once; the others wait.

    AWS answers a thousand invocations with a thousand environments; a laptop is better served by a queue. Those that
    wait count as running towards the limits: the account's, if there is one, and what is reserved for the function.
    """

    def __init__(self, per_function: int) -> None:
        self.limit: int | None = None
        self.throttled_first = 0
        self._under_way: collections.Counter[str] = collections.Counter()
        self._throttled: collections.Counter[str] = collections.Counter()
        self._free: dict[str, threading.BoundedSemaphore] = collections.defaultdict(
            lambda: threading.BoundedSemaphore(per_function)
        )
        self._lock = threading.Lock()
        self._held: contextvars.ContextVar[str | None] = contextvars.ContextVar("held_slot", default=None)

    @contextlib.contextmanager
    def hold(self, function_name: str, reserved: int | None = None) -> Iterator[None]:
        """Wait for a free slot of the function. Within the block, holding it again is free.

        Raises Throttled at once when the account's limit is reached or the function's own, its
        ReservedConcurrentExecutions, or as the profile tells.
        """
        if self._held.get() == function_name:
            yield
            return
        with self._lock:
            free = self._free[function_name]
            if self.limit is not None and self._under_way.total() >= self.limit:
                raise Throttled
            if reserved is not None and self._under_way[function_name] >= reserved:
                raise Throttled
            if self._throttled[function_name] < self.throttled_first:
                self._throttled[function_name] += 1
                raise Throttled
            self._under_way[function_name] += 1
        try:
            with free:
                token = self._held.set(function_name)
                try:
                    yield
                finally:
                    self._held.reset(token)
        finally:
            with self._lock:
                self._under_way[function_name] -= 1


slots = WorkerSlots(WORKERS)


def execute_when_a_worker_is_free(function: Any, event: Any, request_id: str) -> Any:
    """Invoke a Python function in its turn."""
    config = function.get("config") or function
    if not is_python(config):
        return _execute_warm(function, event, request_id)
    try:
        with slots.hold(config["FunctionName"], function.get("concurrency")):
            permissions.note_invocation(config)
            return lambda_svc._execute_function_provided_warm(function, event, request_id)
    except Throttled:
        return throttle_response("ConcurrentInvocationLimitExceeded", "Rate Exceeded.")


def throttle_response(*args: Any, **kwargs: Any) -> Any:
    """Name a throttled invocation's error as Step Functions does, so that state machines can retry on it."""
    response = _throttle_response(*args, **kwargs)
    response["body"]["errorType"] = "Lambda.TooManyRequestsException"
    return response


@contextlib.contextmanager
def measured(function: str | None) -> Iterator[None]:
    """CloudWatch's metrics of an invocation by Step Functions; MiniStack has those of the API's own calls only."""
    began, error = time.monotonic(), ""
    try:
        yield
    except Exception as failure:
        error = getattr(failure, "error", "") or type(failure).__name__
        raise
    finally:
        if function:
            throttled = error == "Lambda.TooManyRequestsException"
            milliseconds = 0.0 if throttled else (time.monotonic() - began) * 1e3
            lambda_svc._emit_lambda_metrics(
                function, duration_ms=milliseconds, error=bool(error) and not throttled, throttle=throttled
            )
