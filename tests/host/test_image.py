"""The worker's image: built from the Dockerfile, closed, and its chunks those of a function.

`make image` runs it, where there is podman: the first build takes minutes. IMAGE_BASE names another base image, where
the Dockerfile's own cannot be fetched. The numbers of docs/compute.md are printed.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embedded_aws import server
from montecarlo.steps import simulate_chunk
from montecarlo.storage.store import Store
from tests.embedded_aws.application import Aws, wait_for_end
from tests.memory_run import MemoryHost, dataproc, figures, generate

ROOT = Path(__file__).resolve().parents[2]
NAME = "montecarlo-worker-of-the-tests"
LOANS: dict[str, Any] = {"name": "image", "loans": 600, "part_loans": 600}
REQUEST: dict[str, Any] = {"run": "image", "portfolio": "portfolios/image/", "scenarios": 200, "chunk_loans": 300}

pytestmark = [
    pytest.mark.skipif(shutil.which("podman") is None, reason="there is no podman to build and run the image with"),
    pytest.mark.skipif("IMAGE" not in os.environ, reason="`make image` runs it: the first build takes minutes"),
]


def podman(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["podman", "--runtime", "runc", *arguments], capture_output=True, text=True, check=False, timeout=1500
    )
    assert not check or done.returncode == 0, (
        f"podman {' '.join(arguments)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return done


@pytest.fixture(scope="module")
def image() -> str:
    """The image, built with the network and the certificates of this computer."""
    base = os.environ.get("IMAGE_BASE")
    options = ["--build-arg", f"BASE={base}"] if base else []
    began = time.monotonic()
    certificates = "/etc/ssl/certs:/etc/ssl/certs:ro"
    podman("build", "--network", "host", "--volume", certificates, *options, "--tag", NAME, str(ROOT))
    took = time.monotonic() - began
    size = int(podman("image", "inspect", "--format", "{{.Size}}", NAME).stdout)
    saving = subprocess.Popen(["podman", "save", NAME], stdout=subprocess.PIPE)
    packed = subprocess.run(["gzip", "-c", "-1"], stdin=saving.stdout, capture_output=True, check=True).stdout
    saving.wait()
    print(f"\nbuilt in {took:.0f} s; {size / 1e6:.0f} MB, {len(packed) / 1e6:.0f} MB packed")
    return NAME


CLOSED = (
    *("--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
    *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"),  # podman's own may be more than it may give
)
"""As the task's definition has it: a root that cannot be written to, one volume over /tmp, and no capability."""

PROBE = """
import os, pathlib, sys
assert os.getuid() != 0, "root"
assert int(next(line for line in open("/proc/self/status") if line.startswith("CapEff")).split()[1], 16) == 0
for place in ("/", "/worker", "/worker/code", "/usr", "/var", "/root"):
    try:
        pathlib.Path(place, "written").write_text("x")
    except OSError:
        continue
    sys.exit(f"{place} can be written to")
pathlib.Path("/tmp/written").write_text("x")
sys.path.insert(0, "/worker/code")
import numpy, pyarrow, boto3
from montecarlo.simulation.compiled import load
assert load(None) is not None, "no compiled kernel"
print(sys.version.split()[0], numpy.__version__, pyarrow.__version__)
"""


def test_a_container_is_nobody_writes_nothing_but_its_folder_and_has_the_compiled_kernel(image: str) -> None:
    done = podman("run", "--rm", "--network", "none", *CLOSED, "--entrypoint", "python3", image, "-c", PROBE)
    locked = (ROOT / "requirements/worker.txt").read_text(encoding="utf-8")
    version, numpy, pyarrow = done.stdout.split()
    print(f"Python {version}, numpy {numpy}, pyarrow {pyarrow}")
    assert version.startswith("3.13.")
    assert f"numpy=={numpy} " in locked
    assert f"pyarrow=={pyarrow} " in locked


def test_nothing_of_the_checkout_is_in_it_but_the_functions(image: str) -> None:
    done = podman("run", "--rm", "--network", "none", *CLOSED, "--entrypoint", "python3", image, "-c",
                  "import os; print(*sorted(os.listdir('/worker')), *sorted(os.listdir('/worker/code')))")  # fmt: skip
    functions = {path.name for path in (ROOT / "functions").iterdir()} | {"__pycache__"}
    assert set(done.stdout.split()) - functions == {"code", "libraries"}


class ServerHost(MemoryHost):
    """The host of the steps that are run here, with a bucket on an embedded AWS."""

    def __init__(self, aws: Aws) -> None:
        super().__init__()
        self.client = aws.client("s3")
        self.client.create_bucket(Bucket="bucket")
        self.store = Store("bucket", self.client)

    def json(self, key: str) -> Any:
        return json.load(self.client.get_object(Bucket="bucket", Key=key)["Body"])


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    running = server.start(tmp_path_factory.mktemp("embedded-aws"))
    yield Aws(running)
    running.stop()


def test_a_run_whose_chunks_the_container_simulates_is_that_of_the_functions(image: str, aws: Aws) -> None:
    states, here = aws.client("stepfunctions"), ServerHost(aws)
    activity = states.create_activity(name="chunks")["activityArn"]
    task = {"Type": "Task", "Resource": activity, "HeartbeatSeconds": 60, "End": True}
    definition = json.dumps({"StartAt": "SimulateChunk", "States": {"SimulateChunk": task}})
    role = f"arn:aws:iam::{server.ACCOUNT_ID}:role/any"
    machine = states.create_state_machine(name="chunk", definition=definition, roleArn=role)["stateMachineArn"]
    given = {
        "AWS_ENDPOINT_URL": aws.server.endpoint, "AWS_DEFAULT_REGION": aws.server.region,
        "AWS_ACCESS_KEY_ID": aws.server.access_key, "AWS_SECRET_ACCESS_KEY": aws.server.secret_key,
        "ACTIVITY_ARN": activity, "DATA_BUCKET": "bucket", "MONTECARLO_KERNEL": "compiled",
        "WORKER_CORES": "1", "WORKER_MEMORY": "1792", "MAX_WORKERS": "1",
    }  # fmt: skip
    variables = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
    began = time.monotonic()
    container = podman("run", "--detach", "--network", "host", *CLOSED, *variables, image).stdout.strip()
    try:
        while '"started"' not in podman("logs", container).stdout:
            assert time.monotonic() < began + 60, podman("logs", container, check=False)
        print(f"\nat work {time.monotonic() - began:.1f} s after `podman run`")
        generate(here, **LOANS)
        chunks = 0

        def call(module: Any, event: dict[str, Any]) -> dict[str, Any]:
            nonlocal chunks
            if module is not simulate_chunk:
                return here.call(module, event)
            chunks += 1
            execution = states.start_execution(stateMachineArn=machine, input=json.dumps(event))["executionArn"]
            end = wait_for_end(aws, execution)
            assert end["status"] == "SUCCEEDED", (end, podman("logs", container).stdout)
            output: dict[str, Any] = json.loads(end["output"])
            return output

        done = dataproc(here, call, **REQUEST)
        assert chunks == 2
        memory = MemoryHost()
        generate(memory, **LOANS)
        expected = memory.json(dataproc(memory, **REQUEST)["result"])
        assert figures(here.json(done["result"])) == figures(expected)
        stopping = time.monotonic()
        podman("stop", "--time", "60", container)
        assert time.monotonic() < stopping + 30, "SIGTERM did not end it"
        assert '"stopped"' in podman("logs", container).stdout
    finally:
        podman("rm", "--force", "--time", "1", container, check=False)
