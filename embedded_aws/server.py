"""Start, find and stop the embedded AWS as a child process. Imports its profile and the standard library only.

Everything listens on 127.0.0.1. The data directory holds S3's objects (`s3/`), the other services' state (`state/`),
scratch files (`tmp/`, emptied at each start), the log (`embedded-aws.log`), `server.json`, by which another process
finds a running server, and `server.lock`, which the server holds as long as it lives, with its process's number. All
of it is the user's alone: `server.json` has the key that opens the gate, made anew at each start. After any end of the
process, a SIGKILL included, the next start on the directory brings back all objects and what was deployed. Executions
and logs since the last deployment come back only after an orderly stop, Map Runs and their children never; what was
running is then FAILED with States.ServiceRestart.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from embedded_aws.profile import LENIENT, Profile, to_environment

HOST = "127.0.0.1"
PREFERRED_PORT = 4566
ACCOUNT_ID = "123456789012"
START_SECONDS = 60.0
STOP_SECONDS = 5.0
LOCK_SECONDS = 1.0

STATE_FILE = "server.json"
LOCK_FILE = "server.lock"
LOG_FILE = "embedded-aws.log"
PROJECT = Path(__file__).resolve().parent.parent


class ServerError(Exception):
    """The embedded AWS could not be started or stopped."""


@dataclass(frozen=True)
class Server:
    """A running embedded AWS, with the key that its gate asks for."""

    pid: int
    port: int
    endpoint: str
    data_dir: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    strict: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point boto3, the AWS CLI, the SAM CLI and Terraform at this server, with its key."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": "",  # one of the user's own would not go with this key
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def is_running(self) -> bool:
        """Whether the very process that was started is there still, and not another that got its number later."""
        child = _children.get(self.pid)
        if child is not None:
            return child.poll() is None
        return holder(Path(self.data_dir)) == self.pid and recorded(Path(self.data_dir)) == self

    def stop(self) -> None:
        """Stop the server and its Lambda workers; nothing is left running. Stopping one that has gone does no harm."""
        if self.is_running:
            end(self.pid, lambda: self.is_running)
        if recorded(Path(self.data_dir)) == self:
            Path(self.data_dir, STATE_FILE).unlink(missing_ok=True)


def start(data_dir: Path, port: int | None = None, *, detached: bool = False, profile: Profile = LENIENT) -> Server:
    """Start the embedded AWS and wait until it answers.

    Args:
        data_dir: where it keeps its objects; made if it does not exist.
        port: port to listen on; a free one is chosen by default.
        profile: what of AWS's permissions, quotas and faults is enforced.
        detached: let it outlive this process. Otherwise it ends when this process ends, however that happens.

    Raises:
        ServerError: it is already running on this directory, the port is taken, or it did not come up; the message
            ends with the last lines of its log.
    """
    data_dir = data_dir.resolve()
    for place in (data_dir, *data_dir.parents):
        if place.exists() and not place.is_dir():
            raise ServerError(f"{place} is a file where the embedded AWS needs a folder: remove it.")
    data_dir.mkdir(parents=True, exist_ok=True)
    data_dir.chmod(0o700)
    if port is not None and not port_is_free(port):
        raise ServerError(f"Port {port} on {HOST} is taken by another program: stop that one or choose another port.")
    lock = acquire_lock(data_dir)
    try:
        (data_dir / STATE_FILE).unlink(missing_ok=True)
        shutil.rmtree(data_dir / "tmp", ignore_errors=True)
        (data_dir / "tmp").mkdir()
        port = port or free_port()
        region = os.environ.get("AWS_REGION") or "us-east-1"
        key = f"AKIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)
        with open_private(data_dir / LOG_FILE) as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "embedded_aws"],
                env=process_environment(data_dir, port, region, key, profile, watched=not detached),
                cwd=data_dir,
                stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a process group of its own, so that stopping reaches the Lambda workers too
                pass_fds=(lock,),  # the lock stays with the server, and ends when the server does
                umask=0o077,
            )
        os.write(lock, b"%d" % process.pid)
    finally:
        os.close(lock)
    _children[process.pid] = process
    server = Server(process.pid, port, f"http://{HOST}:{port}", str(data_dir), region, *key, strict=profile != LENIENT)
    try:
        wait_until_healthy(server, process)
    except BaseException:  # Ctrl-C while waiting leaves nothing behind either
        server.stop()
        raise
    with open_private(data_dir / STATE_FILE) as file:
        file.write(json.dumps(asdict(server), indent=2).encode() + b"\n")
    return server


def find_running(state_dir: Path) -> Server | None:
    """The server that runs on this data directory, or None."""
    server = recorded(state_dir.resolve())
    return server if server is not None and server.is_running else None


def recorded(data_dir: Path) -> Server | None:
    """The server that was last started on a data directory, running or not; None where none has been, or the file that
    says so is damaged.
    """
    try:
        return Server(**json.loads((data_dir / STATE_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def holder(data_dir: Path) -> int | None:
    """The process of the server that lives on a data directory, 0 where it is only about to start; None without one."""
    if not is_locked(data_dir):
        return None
    text = (data_dir / LOCK_FILE).read_bytes()
    return int(text) if text.isdigit() else 0


def stop_holder(data_dir: Path) -> bool:
    """Stop the server that lives on a data directory by its lock alone, and say whether there was one.

    Raises ServerError where the lock does not say which process it is.
    """
    data_dir = data_dir.resolve()
    pid = holder(data_dir)
    if pid == 0:
        raise ServerError(
            f"An embedded AWS is starting on {data_dir}: try again in a moment, or end its process, `-m embedded_aws`."
        )
    if pid is None:
        return False
    end(pid, lambda: holder(data_dir) == pid)
    return True


def acquire_lock(data_dir: Path) -> int:
    """Lock a data directory for a server to come; returns the file descriptor that keeps it locked.

    Raises ServerError when a server is there already.
    """
    lock = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS  # one who only looks, in `is_locked`, holds it for a moment too
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)  # the number of a process that has ended
            return lock
        except BlockingIOError:
            running = recorded(data_dir)
            if running or time.monotonic() > deadline:
                os.close(lock)
                which = f"process {running.pid}, {running.endpoint}" if running else "it is starting"
                raise ServerError(
                    f"An embedded AWS is already running on {data_dir} ({which}): use it or stop it."
                ) from None
            time.sleep(0.02)


def is_locked(data_dir: Path) -> bool:
    """Whether a server lives on this data directory. The lock is the kernel's, and ends with whoever holds it."""
    try:
        lock = os.open(data_dir / LOCK_FILE, os.O_RDWR)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def open_private(path: Path) -> BinaryIO:
    """Open a file to be written anew, which only the user can read."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


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


def process_environment(
    data_dir: Path, port: int, region: str, key: tuple[str, str], profile: Profile, *, watched: bool
) -> dict[str, str]:
    """Environment of the embedded AWS. None of the user's own AWS settings or credentials reach it or its functions."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHONPATH"))}
    return (
        inherited
        | to_environment(profile)
        | {
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
            "LAMBDA_ACCOUNT_CONCURRENCY": "0",  # `lambda_functions` counts, together with those that wait for a worker
            "AUTH": "true" if profile.permissions else "false",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",  # never look for containers
            # for the functions, which get sessions instead of the key, and for the gate
            "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
            "AWS_ACCESS_KEY_ID": key[0],
            "AWS_SECRET_ACCESS_KEY": key[1],
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    )


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


def end(pid: int, is_running: Callable[[], bool]) -> None:
    """End a server's process and its Lambda workers."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    wait_while(is_running, STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # the workers, and the server itself if it did not listen
    wait_while(is_running, STOP_SECONDS)


def wait_while(is_running: Callable[[], bool], seconds: float) -> None:
    """Wait as long as something runs, at most for so long."""
    deadline = time.monotonic() + seconds
    while is_running() and time.monotonic() < deadline:
        time.sleep(0.02)


# Processes ------------------------------------------------------------------------------------------------------------

_children: dict[int, subprocess.Popen[bytes]] = {}  # those that this process started, which it must also reap
