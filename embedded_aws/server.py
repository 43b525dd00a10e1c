"""Start, find and stop the embedded AWS (`embedded_aws`) as a child process. Imports the standard library only.

Everything listens on 127.0.0.1. The data directory holds S3's objects (`s3/`), the other services' state (`state/`),
scratch files (`tmp/`, emptied at each start), the log (`embedded-aws.log`) and `server.json`, by which another
process finds a running server. After any end of the process, a SIGKILL included, the next start on the directory
brings back all objects and what was deployed. Executions and logs since the last deployment come back only after an
orderly stop, Map Runs and their children never; what was running is then FAILED with States.ServiceRestart.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

HOST = "127.0.0.1"
PREFERRED_PORT = 4566
ACCOUNT_ID = "123456789012"
START_SECONDS = 60.0
STOP_SECONDS = 5.0

STATE_FILE = "server.json"
LOG_FILE = "embedded-aws.log"
PROJECT = Path(__file__).resolve().parent.parent


class ServerError(Exception):
    """The embedded AWS could not be started or stopped."""


@dataclass(frozen=True)
class Server:
    """A running embedded AWS."""

    pid: int
    port: int
    endpoint: str
    data_dir: str
    region: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point boto3, the AWS CLI, the SAM CLI and Terraform at this server, with dummy credentials."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stop(self) -> None:
        """Stop the server and its Lambda workers; nothing is left running. Stopping one that has gone does no harm."""
        if exists(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            wait_for_exit(self.pid, STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)  # the workers, and the server itself if it did not listen
            wait_for_exit(self.pid, STOP_SECONDS)
        Path(self.data_dir, STATE_FILE).unlink(missing_ok=True)


def start(data_dir: Path, port: int | None = None, *, detached: bool = False) -> Server:
    """Start the embedded AWS and wait until it answers.

    Args:
        data_dir: where it keeps its objects; made if it does not exist.
        port: port to listen on; a free one is chosen by default.
        detached: let it outlive this process. Otherwise it ends when this process ends, however that happens.

    Raises:
        ServerError: it is already running on this directory, the port is taken, or it did not come up; the message
            ends with the last lines of its log.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    running = find_running(data_dir)
    if running:
        raise ServerError(
            f"An embedded AWS is already running on {data_dir} "
            f"(process {running.pid}, {running.endpoint}): use it or stop it."
        )
    if port is not None and not port_is_free(port):
        raise ServerError(f"Port {port} on {HOST} is taken by another program: stop that one or choose another port.")
    shutil.rmtree(data_dir / "tmp", ignore_errors=True)
    (data_dir / "tmp").mkdir()

    port = port or free_port()
    region = os.environ.get("AWS_REGION") or "us-east-1"
    with (data_dir / LOG_FILE).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "embedded_aws"],
            env=process_environment(data_dir, port, region, watched=not detached),
            cwd=data_dir,
            stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a process group of its own, so that stopping reaches the Lambda workers too
        )
    _children[process.pid] = process
    server = Server(process.pid, port, f"http://{HOST}:{port}", str(data_dir), region)
    try:
        wait_until_healthy(server, process)
    except BaseException:  # Ctrl-C while waiting leaves nothing behind either
        server.stop()
        raise
    (data_dir / STATE_FILE).write_text(json.dumps(asdict(server), indent=2) + "\n")
    return server


def find_running(state_dir: Path) -> Server | None:
    """The server that runs on this data directory, or None. A state file left by one that has died is removed."""
    file = state_dir.resolve() / STATE_FILE
    try:
        server = Server(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        file.unlink(missing_ok=True)
        return None
    if exists(server.pid) and is_healthy(server.endpoint):
        return server
    file.unlink(missing_ok=True)
    return None


def free_port(preferred: int | None = None) -> int:
    """The preferred port if it is free, otherwise one that the system chooses."""
    if preferred is not None and port_is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def process_environment(data_dir: Path, port: int, region: str, *, watched: bool) -> dict[str, str]:
    """Environment of the embedded AWS. None of the user's own AWS settings or credentials reach it or its functions."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHONPATH"))}
    return inherited | {
        "PYTHONPATH": str(PROJECT),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(data_dir / "tmp"),
        "MONTECARLO_WATCHED": "1" if watched else "0",
        # MiniStack's own settings
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": region,
        "MINISTACK_WORKER_THREADS": "256",
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(data_dir / "s3"),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(data_dir / "state"),
        "LAMBDA_ACCOUNT_CONCURRENCY": "0",  # unlimited: invocations queue for a worker and are never throttled
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",  # never look for containers
        # for the functions and for MiniStack's own calls
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def wait_until_healthy(server: Server, process: subprocess.Popen[bytes]) -> None:
    """Return once the server answers; raises ServerError when it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not is_healthy(server.endpoint):
        code = process.poll()
        if code is not None:
            raise ServerError(f"The embedded AWS ended with code {code} while starting. {log_tail(server)}")
        if time.monotonic() > deadline:
            raise ServerError(f"The embedded AWS did not answer within {START_SECONDS:g} s. {log_tail(server)}")
        time.sleep(0.05)


def is_healthy(endpoint: str) -> bool:
    """Whether an embedded AWS answers at this address."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy: it is this computer
    try:
        with opener.open(f"{endpoint}/_ministack/health", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def log_tail(server: Server, lines: int = 20) -> str:
    """The log's last lines, introduced by where the whole of it is."""
    path = Path(server.data_dir, LOG_FILE)
    tail = path.read_text(errors="replace").splitlines()[-lines:]
    return f"The last lines of {path}:\n" + "\n".join(tail)


# Processes ------------------------------------------------------------------------------------------------------------

_children: dict[int, subprocess.Popen[bytes]] = {}  # those that this process started, which it must also reap


def exists(pid: int) -> bool:
    """Whether a process is running; one that has ended and is ours is reaped."""
    child = _children.get(pid)
    if child is not None:
        return child.poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait_for_exit(pid: int, seconds: float) -> None:
    """Wait until a process has ended, at most for so long."""
    deadline = time.monotonic() + seconds
    while exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
