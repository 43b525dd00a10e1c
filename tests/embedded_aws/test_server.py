"""Starting, finding and stopping the server; what outlives it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedded_aws import server
from tests.embedded_aws.application import Application, Aws, deploy, upload


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "aws"


def test_objects_survive_a_kill(data_dir: Path) -> None:
    first = server.start(data_dir)
    s3 = Aws(first).client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="deep/er/object.json", Body=b"0123456789", ContentType="application/json")
    s3.create_bucket(Bucket="empty")
    os.killpg(first.pid, signal.SIGKILL)
    first.stop()

    second = server.start(data_dir)
    try:
        s3 = Aws(second).client("s3")
        (listed,) = s3.list_objects_v2(Bucket="kept")["Contents"]
        assert (listed["Key"], listed["Size"]) == ("deep/er/object.json", 10)
        answer = s3.get_object(Bucket="kept", Key="deep/er/object.json", Range="bytes=2-4")
        assert (answer["Body"].read(), answer["ContentType"]) == (b"234", "application/json")
    finally:
        second.stop()


def test_a_deployed_application_survives_a_kill(data_dir: Path) -> None:
    first = Aws(server.start(data_dir))
    upload(first)
    outputs = deploy(first)
    deadline = time.monotonic() + 10
    while len(list((data_dir / "state").glob("*.json"))) < 10 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # for the last of the files
    os.killpg(first.server.pid, signal.SIGKILL)
    first.server.stop()

    second = Aws(server.start(data_dir))
    try:
        end = Application(second, outputs).run([{"name": "a", "chunks": [{"value": 3}, {"value": 4}]}])
        assert end["status"] == "SUCCEEDED", end
        assert deploy(second, Greeting="welcome back") == outputs
    finally:
        second.server.stop()


def test_a_large_file_is_uploaded_in_parts_and_read_in_ranges(aws: Aws, tmp_path: Path) -> None:
    path = tmp_path / "large"
    content = os.urandom(1 << 20) * 50
    path.write_bytes(content)
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="large")
    s3.upload_file(str(path), "large", "file")
    assert s3.head_object(Bucket="large", Key="file")["ETag"].strip('"').endswith("-7")
    assert s3.get_object(Bucket="large", Key="file", Range="bytes=52428700-")["Body"].read() == content[52428700:]
    s3.download_file("large", "file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content


def test_a_running_server_is_found_until_it_stops(data_dir: Path) -> None:
    assert server.find_running(data_dir) is None
    running = server.start(data_dir)
    assert server.find_running(data_dir) == running
    with pytest.raises(server.ServerError, match="already running"):
        server.start(data_dir)
    running.stop()
    assert server.find_running(data_dir) is None
    running.stop()


def test_a_state_file_of_a_dead_server_is_ignored(data_dir: Path) -> None:
    running = server.start(data_dir)
    os.killpg(running.pid, signal.SIGKILL)
    server.wait_while(lambda: running.is_running, 5)
    assert server.find_running(data_dir) is None


def test_a_taken_port_is_refused(data_dir: Path) -> None:
    with socket.socket() as other:
        other.bind((server.HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(server.ServerError, match=f"Port {taken} "):
            server.start(data_dir, taken)
        assert server.free_port(taken) != taken


def test_a_server_that_does_not_come_up_shows_its_log(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONTECARLO_WORKERS", "many")
    with pytest.raises(server.ServerError, match=r"(?s)ended with code 1.*invalid literal for int.*'many'"):
        server.start(data_dir)
    assert server.find_running(data_dir) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/net/tcp")
def test_only_this_computer_can_reach_it(aws: Aws) -> None:
    ports = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"]
    listening = [address for address in ports if address.endswith(f":{aws.server.port:04X}")]
    assert listening == [f"0100007F:{aws.server.port:04X}"]


def test_the_server_ends_with_its_parent(data_dir: Path) -> None:
    program = f"""
import pathlib, time
from embedded_aws import server
from tests.embedded_aws.application import Application, Aws, deploy, upload
print(server.start(pathlib.Path({str(data_dir)!r})).pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=server.PROJECT)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped by someone else does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
