"""What a web page, another user, or a program without the key gets from the embedded AWS: nothing."""

import http.client
import json
import os
import queue
import socket
import socketserver
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from embedded_aws import peer, server
from tests.embedded_aws.application import Application, Aws, create_function


def ask(
    aws: Aws, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send a request as it is; returns status, headers and body."""
    connection = http.client.HTTPConnection(server.HOST, aws.server.port, timeout=30)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def signed(aws: Aws, method: str, path: str, host: str | None = None) -> dict[str, str]:
    """Headers of a request to S3, signed with the server's key."""
    request: Any = AWSRequest(method, f"http://{host or aws.server.endpoint[7:]}{path}", {"Host": host} if host else {})
    S3SigV4Auth(Credentials(aws.server.access_key, aws.server.secret_key), "s3", "us-east-1").add_auth(request)
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}


def client(aws: Aws, service: str, key: str, secret: str, token: str | None = None) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # the stubs want a literal
        endpoint_url=aws.server.endpoint,
        region_name=aws.server.region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"max_attempts": 0}, signature_version="v4" if service != "s3" else "s3v4"),
    )


@pytest.fixture(scope="module")
def secrets_bucket(aws: Aws) -> str:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="secrets")
    s3.put_object(Bucket="secrets", Key="key", Body=b"confidential")
    return "secrets"


# Keys -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["s3", "stepfunctions", "cloudformation", "iam", "lambda", "logs", "ec2"])
@pytest.mark.parametrize("key", ["test", "123456789012", "000000000000", "AKIAAAAAAAAAAAAAAAAA", "own"])
def test_only_the_key_with_its_secret_is_known(aws: Aws, service: str, key: str) -> None:
    operation = {
        "s3": "list_buckets",
        "stepfunctions": "list_state_machines",
        "cloudformation": "describe_stacks",
        "iam": "list_roles",
        "lambda": "list_functions",
        "logs": "describe_log_groups",
        "ec2": "describe_vpcs",
    }[service]
    getattr(aws.client(service), operation)()
    wrong = client(aws, service, aws.server.access_key, "test") if key == "own" else client(aws, service, key, "test")
    with pytest.raises(ClientError) as e:
        getattr(wrong, operation)()
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 401, 403)


@pytest.mark.parametrize("key", ["test", "123456789012", ""])
def test_no_other_name_for_the_account_has_its_secret(aws: Aws, key: str) -> None:
    request: Any = AWSRequest("GET", f"{aws.server.endpoint}/")
    S3SigV4Auth(Credentials(key or "x", aws.server.secret_key), "s3", "us-east-1").add_auth(request)
    headers = {**request.headers}
    headers["Authorization"] = headers["Authorization"].replace("Credential=x/", "Credential=/")
    assert ask(aws, "GET", "/", headers)[0] == 403


def test_a_session_needs_its_token(aws: Aws) -> None:
    session = aws.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/any", RoleSessionName="test")
    key, secret, token = (session["Credentials"][n] for n in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    client(aws, "s3", key, secret, token).list_buckets()
    for wrong in (None, token + "x"):
        with pytest.raises(ClientError):
            client(aws, "s3", key, secret, wrong).list_buckets()


def test_a_presigned_address_opens_what_it_was_made_for(aws: Aws, secrets_bucket: str) -> None:
    s3 = client(aws, "s3", aws.server.access_key, aws.server.secret_key)
    url = s3.generate_presigned_url("get_object", {"Bucket": secrets_bucket, "Key": "key"})
    path = url.removeprefix(aws.server.endpoint)
    assert ask(aws, "GET", path)[2] == b"confidential"
    assert ask(aws, "DELETE", path)[0] == 403
    assert ask(aws, "GET", path.replace("/key?", "/other?"))[0] == 403
    with_test_key = client(aws, "s3", "test", "test").generate_presigned_url(
        "get_object", {"Bucket": secrets_bucket, "Key": "key"}
    )
    assert ask(aws, "GET", with_test_key.removeprefix(aws.server.endpoint))[0] == 403


def test_a_function_has_a_session_and_not_the_key(aws: Aws) -> None:
    source = "import os\ndef handler(event, context):\n    return dict(os.environ)\n"
    create_function(aws, "environment", source)
    answer = aws.client("lambda").invoke(FunctionName="environment")
    environment = json.load(answer["Payload"])
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert environment["AWS_SESSION_TOKEN"]
    assert aws.server.secret_key not in environment.values()
    assert aws.server.access_key not in environment.values()


# Web pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/secrets/key", "/_ministack/reset", "/_ministack/health"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_a_web_page_gets_no_answer_that_it_could_read(aws: Aws, secrets_bucket: str, method: str, path: str) -> None:
    page = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    status, headers, body = ask(aws, method, path, page)
    assert status == (200 if (method, path) == ("GET", "/_ministack/health") else 403)
    assert b"confidential" not in body
    assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_no_answer_allows_other_origins(aws: Aws, secrets_bucket: str) -> None:
    for path in ("/", "/secrets/key"):
        status, headers, _ = ask(aws, "GET", path, signed(aws, "GET", path) | {"Origin": "https://evil.example"})
        assert status == 200
        assert not [name for name in headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("path", ["/secrets/key", "/_ministack/health"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "localhost.evil.example:{port}", "127.0.0.1", "127.0.0.1:1",
             "169.254.169.254:{port}", "evillocalhost:{port}", "0.0.0.0:{port}"]
)  # fmt: skip
def test_a_name_bound_to_this_address_does_not_help(aws: Aws, secrets_bucket: str, host: str, path: str) -> None:
    host = host.format(port=aws.server.port)
    status, _, body = ask(aws, "GET", path, signed(aws, "GET", path, host))
    assert (status, b"confidential" in body) == (403, False)


@pytest.mark.parametrize(
    ("host", "path"),
    [("localhost", "/secrets/key"), ("secrets.localhost", "/key"), ("secrets.s3.us-east-1.localhost", "/key")],
)
def test_its_own_names_are_known(aws: Aws, secrets_bucket: str, host: str, path: str) -> None:
    host = f"{host}:{aws.server.port}"
    assert ask(aws, "GET", path, signed(aws, "GET", path, host))[2] == b"confidential"


def test_there_are_no_web_sockets(aws: Aws) -> None:
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    assert ask(aws, "GET", "/", upgrade)[0] == 403


# MiniStack's own pages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/_ministack/reset", "/_ministack/reset?init=1", "/%5Fministack/reset", "/_ministack/config",
     "/_ministack/lambda-code/environment", "/_ministack/rds/iam-auth", "/_localstack/health", "/_ministack/ready",
     "/_ministack/eks-auth/1/2/3", "/_aws/execute-api/a/b", "/health", "/secrets/key"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_pages_that_are_not_of_aws_are_closed(aws: Aws, secrets_bucket: str, method: str, path: str) -> None:
    assert ask(aws, method, path, body=b"{}")[0] == 403
    if path.startswith(("/_", "/%5F")):
        assert ask(aws, method, path, signed(aws, method, path))[0] == 403
    assert aws.client("s3").get_object(Bucket=secrets_bucket, Key="key")["Body"].read() == b"confidential"


def test_a_call_back_needs_its_token(aws: Aws) -> None:
    body = json.dumps({"Status": "SUCCESS"}).encode()
    for path in ("/_ministack/cfn-response/", "/_ministack/cfn-response/a/b", "/_ministack/cfn-signal/"):
        assert ask(aws, "PUT", path, body=body)[0] == 403
    assert ask(aws, "PUT", "/_ministack/cfn-response/guessed", body=body)[0] == 200  # as S3 does, and nothing happens
    assert ask(aws, "POST", "/_ministack/cfn-response/guessed", body=body)[0] == 403


# Other users, other processes -----------------------------------------------------------------------------------------


def test_nothing_of_it_can_be_read_by_others(aws: Aws, application: Application, secrets_bucket: str) -> None:
    folder = Path(aws.server.data_dir)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in (server.STATE_FILE, server.LOG_FILE, server.LOCK_FILE):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    for path in (folder / "s3").rglob("*"):
        assert not path.stat().st_mode & 0o077, path
    assert aws.server.secret_key not in (folder / server.LOG_FILE).read_text()
    assert aws.server.secret_key not in repr(aws.server)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_key_is_not_in_the_list_of_processes(aws: Aws) -> None:
    assert aws.server.secret_key.encode() not in Path(f"/proc/{aws.server.pid}/cmdline").read_bytes()


@pytest.fixture
def runtime_api() -> Iterator[tuple[int, "queue.Queue[Any]"]]:
    """The Runtime API of one worker: its port, and the events that it hands out."""
    from embedded_aws.lambda_functions import PythonWorker

    worker = PythonWorker("function", {}, b"")
    worker._stopping = False
    events: queue.Queue[Any] = queue.Queue()
    events.put(("id", {"loan": 1}, 0, "", "arn"))
    with socketserver.ThreadingTCPServer((server.HOST, 0), worker._build_handler_class(0, events)) as api:
        threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield api.server_address[1], events
        worker._stopping = True
        api.shutdown()


NEXT = "/2018-06-01/runtime/invocation/next"


def next_event(port: int, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.HOST, port, timeout=5)
    connection.request("GET", NEXT, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_web_page_takes_no_event_away(runtime_api: tuple[int, Any], headers: dict[str, str]) -> None:
    port, events = runtime_api
    assert next_event(port, headers)[0] == 403
    assert events.qsize() == 1
    assert next_event(port, {}) == (200, b'{"loan": 1}')


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root can be another user")
def test_another_user_takes_no_event_away(runtime_api: tuple[int, Any]) -> None:
    port, events = runtime_api
    program = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}{NEXT}', timeout=5)"
    other = subprocess.run(["/usr/bin/env", "python3", "-c", program], user=65534, capture_output=True, text=True)
    assert "HTTP Error 403" in other.stderr
    assert events.qsize() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel does not tell")
def test_the_kernel_tells_whose_a_connection_is_while_others_come_and_go() -> None:
    over = threading.Event()

    def come_and_go(port: int) -> None:
        while not over.is_set():
            with socket.create_connection((server.HOST, port)) as passing:
                passing.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )  # leaves nothing behind

    with socketserver.ThreadingTCPServer((server.HOST, 0), socketserver.BaseRequestHandler) as others:
        threading.Thread(target=others.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        busy = [threading.Thread(target=come_and_go, args=(others.server_address[1],)) for _ in range(4)]
        for thread in busy:
            thread.start()
        with socket.create_server((server.HOST, 0)) as mine:
            port = mine.getsockname()[1]
            with socket.create_connection((server.HOST, port)) as client:
                asked = {peer.owner(client.getsockname()[1], port) for _ in range(2000)}
                assert peer.owner(1, port) is None
        over.set()
        for thread in busy:
            thread.join()
        others.shutdown()
    assert asked == {os.getuid()}


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """Another program, which has got the process number of a server that has ended."""
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_stopping_ends_no_other_process(tmp_path: Path, bystander: "subprocess.Popen[bytes]") -> None:
    record = {"port": 1, "endpoint": "", "data_dir": str(tmp_path), "region": "", "access_key": "", "secret_key": ""}
    (tmp_path / server.STATE_FILE).write_text(json.dumps({"pid": bystander.pid, **record}))
    assert server.find_running(tmp_path) is None
    old = server.Server(bystander.pid, 1, "", str(tmp_path), "", "", "")
    old.stop()
    assert bystander.poll() is None

    # not even when another server lives on the directory by now
    running = server.start(tmp_path)
    try:
        old.stop()
        assert bystander.poll() is None
        assert server.find_running(tmp_path) == running
    finally:
        running.stop()


def test_two_starts_at_once_make_one_server(tmp_path: Path) -> None:
    program = f"from embedded_aws import server; import pathlib; print(server.start(pathlib.Path({str(tmp_path)!r})))"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program + "; import time; time.sleep(5)"],
            cwd=server.PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [process.communicate() for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    assert sum("already running" in error for _, error in said) == 1
    deadline = time.monotonic() + 10
    while server.find_running(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.find_running(tmp_path) is None
