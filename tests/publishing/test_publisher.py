"""The publisher answers CloudFormation whatever happens, and puts only what the template's author made."""

import base64
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from publishing import publisher

BUCKET = "artifacts"


class Objects:
    """Stands in for S3: one bucket, in memory."""

    class exceptions:  # noqa: N801  # boto3's name
        class NoSuchBucket(ClientError):
            def __init__(self) -> None:
                super().__init__({"Error": {"Code": "NoSuchBucket"}}, "DeleteObject")

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.gone = False

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        assert Bucket == BUCKET
        self.held[Key] = Body

    def get_object(self, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
        if Key not in self.held:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no such key"}}, "GetObject")
        return {"Body": io.BytesIO(self.held[Key])}

    def delete_object(self, Key: str, **_: object) -> None:  # noqa: N803
        if self.gone:
            raise self.exceptions.NoSuchBucket
        self.held.pop(Key, None)


class Stack:
    """Asks the publisher as CloudFormation does, and keeps its answers."""

    def __init__(self, objects: Objects, url: str, answers: list[dict[str, str]]) -> None:
        self.objects, self.url, self.answers = objects, url, answers

    def ask(self, act: str, physical_id: str | None = None, **properties: Any) -> dict[str, str]:
        event = {
            "RequestType": act,
            "ResponseURL": self.url,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Thing",
            "ResourceProperties": {"Bucket": BUCKET, **properties},
        }
        publisher.handler(event | ({} if physical_id is None else {"PhysicalResourceId": physical_id}), None)
        return self.answers[-1]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    answers: list[dict[str, str]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert self.headers["Content-Type"] == ""  # the address is signed for none
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert len(body) <= 4096  # CloudFormation's limit
            answers.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    objects = Objects()
    monkeypatch.setattr(publisher, "s3", objects)
    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Stack(objects, f"http://127.0.0.1:{server.server_port}/answer", answers)
    server.shutdown()
    server.server_close()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_text_is_put_with_its_characters_beyond_ascii_restored(stack: Stack) -> None:
    content = "ω ≥ 0 — &#38;".encode()
    answer = stack.ask("Create", Key="a.yaml", Sha256=sha256(content), Text="&#969; &#8805; 0 &#8212; &#38;#38;")
    assert answer == {
        "Status": "SUCCESS",
        "PhysicalResourceId": f"{BUCKET}/a.yaml",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Thing",
    }
    assert stack.objects.held == {"a.yaml": content}


def test_pieces_of_the_packed_sources_become_one_archive_that_depends_on_nothing_else(stack: Stack) -> None:
    files = {"plan.py": "print('plan')\n", "montecarlo/kernel.py": "", "aggregate.py": "ω = 1\n"}
    packed = publisher.packed(files)
    assert packed == publisher.packed(dict(reversed(files.items())))
    for key, piece in {"1": packed[:50], "2": packed[50:]}.items():
        lines = base64.encodebytes(piece).decode()
        stack.ask("Create", Key=key, Sha256=sha256(piece), Base64=lines)
        assert stack.objects.held[key] == piece
    archive = publisher.zipped(files)
    assert archive == publisher.zipped(dict(reversed(files.items())))
    answer = stack.ask("Create", Key="code.zip", Sha256=sha256(archive), Parts=["1", "2"])
    assert answer["Status"] == "SUCCESS"
    with zipfile.ZipFile(io.BytesIO(stack.objects.held["code.zip"])) as found:
        assert found.namelist() == sorted(files)
        assert {name: found.read(name).decode() for name in files} == files


def test_content_that_the_author_did_not_make_is_refused_at_once_with_the_reason(stack: Stack) -> None:
    answer = stack.ask("Create", Key="a.yaml", Sha256=sha256(b"theirs"), Text="mine")
    assert answer["Status"] == "FAILED"
    assert answer["PhysicalResourceId"] == f"{BUCKET}/a.yaml"  # by which the roll-back's Delete finds nothing
    assert "changed by hand" in answer["Reason"]
    assert "make console" in answer["Reason"]
    assert stack.objects.held == {}


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({}, "KeyError"),
        ({"Key": "code.zip", "Sha256": "", "Parts": ["missing"]}, "NoSuchKey"),
        ({"Key": "a", "Sha256": "", "Text": 3 * ["not a text"]}, "TypeError"),
        ({"Key": "a", "Sha256": "", "Base64": "cut"}, "Error: Incorrect padding"),
    ],
)
def test_every_failure_is_answered(stack: Stack, properties: dict[str, Any], reason: str) -> None:
    answer = stack.ask("Create", **properties)
    assert answer["Status"] == "FAILED"
    assert reason in answer["Reason"]


def test_a_role_that_s3_does_not_know_yet_is_waited_for(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    put, waits = stack.objects.put_object, list[float]()

    def denied_twice(**arguments: Any) -> None:
        if len(waits) < 2:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")
        put(**arguments)

    monkeypatch.setattr(stack.objects, "put_object", denied_twice)
    monkeypatch.setattr("time.sleep", waits.append)
    assert stack.ask("Create", Key="a", Sha256=sha256(b""), Text="")["Status"] == "SUCCESS"
    assert waits == [2, 4]
    assert set(stack.objects.held) == {"a"}


def test_a_role_that_may_not_is_reported_before_the_function_times_out(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "PutObject")

    waits = list[float]()
    monkeypatch.setattr(stack.objects, "put_object", denied)
    monkeypatch.setattr("time.sleep", waits.append)
    answer = stack.ask("Create", Key="a", Sha256=sha256(b""), Text="")
    assert answer["Status"] == "FAILED"
    assert "AccessDenied" in answer["Reason"]
    assert sum(waits) <= 30


def test_a_long_reason_is_cut_to_what_cloudformation_takes(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ValueError(9000 * "ω")

    monkeypatch.setattr(stack.objects, "put_object", fail)
    answer = stack.ask("Create", Key="a", Sha256=sha256(b""), Text="")
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("ValueError: ωωω")


def test_an_update_puts_the_new_object_and_leaves_the_old_one_for_the_delete_that_follows(stack: Stack) -> None:
    old = stack.ask("Create", Key="a-1", Sha256=sha256(b"1"), Text="1")["PhysicalResourceId"]
    new = stack.ask("Update", old, Key="a-2", Sha256=sha256(b"2"), Text="2")["PhysicalResourceId"]
    assert new != old
    assert set(stack.objects.held) == {"a-1", "a-2"}
    # whatever properties come with it, an object is deleted by its own id
    assert stack.ask("Delete", old, Key="a-2")["Status"] == "SUCCESS"
    assert set(stack.objects.held) == {"a-2"}


def test_deleting_what_is_not_there_succeeds_so_that_a_stack_can_always_be_deleted(stack: Stack) -> None:
    assert stack.ask("Delete", f"{BUCKET}/a", Key="a")["Status"] == "SUCCESS"
    stack.objects.gone = True
    assert stack.ask("Delete", f"{BUCKET}/a", Key="a")["Status"] == "SUCCESS"


def test_an_object_whose_put_was_never_answered_is_deleted_too(stack: Stack) -> None:
    stack.objects.held["a"] = b""
    assert stack.ask("Delete", "stack-Thing-1A2B3C", Key="a")["Status"] == "SUCCESS"
    assert stack.objects.held == {}


def test_a_resource_that_never_had_a_key_can_be_deleted(stack: Stack) -> None:
    failed = stack.ask("Create")
    assert stack.ask("Delete", failed["PhysicalResourceId"])["Status"] == "SUCCESS"
