"""ECS tasks as processes of this computer.

MiniStack's ECS keeps services, deployments and tasks, and asks Docker to run containers. Here it gets another Docker,
which runs a container's entry point and command as a process, with the container's variables and a session of the
task's role. There are no images: `python` is this Python, with what is installed for it, and every other program is
looked for on the PATH. A task that is stopped gets SIGTERM, and SIGKILL when its stopTimeout is over. Imports
MiniStack and the standard library only.
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ecs

from embedded_aws import gate, permissions

STOP_SECONDS = 30
"""ECS's own stopTimeout."""

LOOK_SECONDS = 0.1

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "AWS_ENDPOINT_URL", "AWS_EC2_METADATA_DISABLED")
"""Variables of this computer that a container needs; the user's others are none of its business."""

WITHOUT = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "ECS_CONTAINER_METADATA_URI_V4")
"""Variables by which MiniStack's containers would ask for what is not served here."""


def patch() -> None:
    """Install the replacement."""
    docker = Docker()
    ecs._get_docker = lambda: docker


class Container:
    """A container: one process. Its methods are those of the Docker SDK that MiniStack calls."""

    attrs: Mapping[str, Any] = {"NetworkSettings": {"Networks": {}}}

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], stop_seconds: float) -> None:
        self._stop_seconds = stop_seconds
        folder = pathlib.Path(tempfile.mkdtemp(prefix="container-"))
        self.id = hashlib.sha256(str(folder).encode()).hexdigest()
        self._log = folder / "log"
        program, *arguments = command
        if program in ("python", "python3"):
            program = os.environ.get("LAMBDA_PYTHON", sys.executable)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *arguments],
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def status(self) -> str:
        """`running` or `exited`."""
        return "running" if self._process.poll() is None else "exited"

    def reload(self) -> None:
        """Look again: the status is always looked up."""

    def wait(self) -> dict[str, int]:
        """The exit code as Docker has it: 128 and the signal for a process that a signal has ended."""
        code = self._process.wait()
        return {"StatusCode": code if code >= 0 else 128 - code}

    def stop(self, **_: Any) -> None:
        """Send SIGTERM now and SIGKILL when the container's own time is over, without waiting."""
        self._process.terminate()
        timer = threading.Timer(self._stop_seconds, self._process.kill)
        timer.daemon = True
        timer.start()

    def remove(self, **_: Any) -> None:
        """Forget it: nothing is left of a process."""

    def logs(self, stream: bool = False, **_: Any) -> Any:
        """What the process has written, or with `stream` its lines as they come, to the end."""
        return self._lines() if stream else self._log.read_bytes()

    def _lines(self) -> Iterator[bytes]:
        with self._log.open("rb") as file:
            rest = b""
            while True:
                ended = self.status == "exited"
                *lines, rest = (rest + file.read()).split(b"\n")
                yield from (line for line in lines if line)
                if ended:
                    if rest:
                        yield rest
                    return
                time.sleep(LOOK_SECONDS)


class Docker:
    """What MiniStack takes for Docker's client."""

    def __init__(self) -> None:
        self.containers, self.images = Containers(), Images()


class Containers:
    """The containers that were started."""

    def __init__(self) -> None:
        self._known: dict[str, Container] = {}

    def run(self, _image: str, *, command: Any, environment: Mapping[str, str], labels: Any, **_: Any) -> Container:
        """Start the container that the labels name."""
        task = ecs._tasks[labels["com.amazonaws.ecs.task-arn"]]
        definition = ecs._task_defs[ecs._resolve_td_key(task["taskDefinitionArn"])]
        name = labels["com.amazonaws.ecs.container-name"]
        (container,) = (each for each in definition["containerDefinitions"] if each["name"] == name)
        started = Container(
            [*(container.get("entryPoint") or []), *(command or [])],
            variables(definition, task, environment),
            container.get("stopTimeout", STOP_SECONDS),
        )
        self._known[started.id] = started
        note_logs(definition, container)
        return started

    def get(self, identity: str) -> Container:
        """A container by its id. Raises KeyError."""
        return self._known[identity]

    def list(self, **_: Any) -> list[Container]:
        """All that were started."""
        return [*self._known.values()]


class Images:
    """Images, of which there are none: every name is taken for one."""

    def get_registry_data(self, name: str, **_: Any) -> "Image":
        """The image as a registry would know it."""
        return Image(name)

    def pull(self, name: str, **_: Any) -> "Image":
        """The image, as if it had been fetched."""
        return Image(name)

    def get(self, name: str) -> "Image":
        """The image."""
        return Image(name)


class Image:
    """An image's name, and a digest that belongs to it."""

    def __init__(self, name: str) -> None:
        self.id = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"

    def tag(self, *_: Any, **__: Any) -> bool:
        """Give it another name."""
        return True


def variables(definition: Any, task: Any, environment: Mapping[str, str]) -> dict[str, str]:
    """A container's environment: its own variables, and what ECS gives it, with a session of the task's role."""
    role = (task.get("overrides") or {}).get("taskRoleArn") or definition.get("taskRoleArn")
    who = task["taskArn"].rsplit("/", 1)[-1]
    own = {name: value for name, value in environment.items() if name not in WITHOUT}
    kind = task.get("launchType") or "FARGATE"
    return {
        **own,
        **{name: os.environ[name] for name in INHERITED if name in os.environ},
        "AWS_EXECUTION_ENV": f"AWS_ECS_{kind}",
        # On an instance ECS does not say where it is.
        **({"AWS_REGION": get_region(), "AWS_DEFAULT_REGION": get_region()} if kind == "FARGATE" else {}),
        **(gate.session(get_account_id(), role, who) if role else {}),
    }


def note_logs(definition: Any, container: Any) -> None:
    """The task's execution role writes the container's log."""
    options = (container.get("logConfiguration") or {}).get("options") or {}
    group = options.get("awslogs-group")
    if group and definition.get("executionRoleArn"):
        stream = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}:log-stream:stream"
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            permissions.judge(definition["executionRoleArn"], action, stream)
