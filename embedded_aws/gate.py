"""The gate before MiniStack: who may ask, and who is asked.

The embedded AWS runs code as the user, so that no web page and no other user of the computer may reach it. A request
passes only when it names this server as its Host and is signed with the key that the server was started with, or with
a session that it issued itself (to a function, say). There are no CORS headers, MiniStack's own pages are closed, and
nothing is answered to OPTIONS or WebSockets. Imports MiniStack and the standard library only.
"""

import asyncio
import contextlib
import contextvars
import datetime
import hashlib
import hmac
import re
import secrets
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from ministack.core import lambda_runtime, router
from ministack.core.iam_actions import access_denied_response
from ministack.services import lambda_svc, sts

from embedded_aws.signature import Refused, Request, Secret, Signature

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]

HOSTS = re.compile(r"(127\.0\.0\.1|\[::1\]|([a-z0-9.-]+\.)?localhost)(?::(\d+))?")
"""This computer, as addresses and as names; names below `localhost` are those of S3's buckets."""

HEALTH = "/_ministack/health"

CALL_BACK = re.compile(r"/_ministack/cfn-(response|signal)/[^/]+")
"""Where custom resources and wait conditions answer: the random token in the address, which MiniStack checks, is the
credential.
"""

DOWNLOAD = re.compile(r"/_ministack/lambda-(code|layers)/[^?]*")
"""Code of functions, whose address Lambda gives to those who may have it; it has a signature of its own."""

PRIVATE = ("/_ministack", "/_localstack", "/_aws")
"""MiniStack's own pages. No client of AWS asks for them, and one of them deletes everything."""


_connection: contextvars.ContextVar[Receive] = contextvars.ContextVar("connection")


@contextlib.contextmanager
def watching_the_client() -> Iterator[Callable[[], bool]]:
    """Within the block, tell whether the client of the current request, whose body was read, has hung up."""
    watcher = asyncio.ensure_future(_connection.get()())  # after a body the only thing to come is the end
    try:
        yield watcher.done
    finally:
        watcher.cancel()


@dataclass(frozen=True)
class Gate:
    """The application that checks each request, and hands it to another."""

    application: Application
    port: int
    root: str
    """The access key that the server was started with."""

    root_secret: str

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request; ASGI's entry point."""
        if scope["type"] == "lifespan":
            await self.application(scope, receive, send)
        elif scope["type"] == "http":
            try:
                _connection.set(receive)
                receive = await self._admit(scope, receive)
            except Refused as refused:
                await answer(scope, refused, send)
            else:
                # What does not leave this computer is as safe as TLS, and buckets' policies ask for that.
                await self.application({**scope, "scheme": "https"}, receive, without_cors(send))
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _admit(self, scope: Any, receive: Receive) -> Receive:
        """Let a request in: returns where to read its body from. Raises Refused."""
        headers = header_fields(scope)
        host = HOSTS.fullmatch(headers.get("host", "").lower())
        if host is None or int(host[3] or 80) != self.port:
            raise Refused("AccessDenied", "The request's Host is not the embedded AWS.")
        method, path = scope["method"], scope["path"]
        if method == "OPTIONS":
            raise Refused("AccessDenied", "The embedded AWS is not for web pages.")
        if (path == HEALTH and method in ("GET", "HEAD")) or (CALL_BACK.fullmatch(path) and method == "PUT"):
            return receive
        if DOWNLOAD.fullmatch(path) and method == "GET" and has_download_signature(path, scope["query_string"]):
            return receive
        if path.startswith(PRIVATE):
            raise Refused("AccessDenied", "This is not a page of AWS.")
        signature = Signature(
            Request(method, scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"), headers)
        )
        secret = self._secret(signature.access_key)
        signature.check(secret, datetime.datetime.now(datetime.UTC))
        if not signature.covers_body:
            return receive
        body = await read_body(receive)
        signature.check_body(secret, body)
        return replay(body, receive)

    def _secret(self, access_key: str) -> Secret:
        if access_key == self.root:
            return Secret(self.root_secret)
        session = sts._sessions.get(access_key)
        if session is None:
            raise Refused(
                "UnrecognizedClientException",
                "The access key is not of this embedded AWS: `montecarlo up` prints the one that is.",
            )
        if sts._session_expired(session):
            raise Refused("ExpiredTokenException", "The session has expired.")
        return Secret(session["SecretAccessKey"], session["SessionToken"])


def header_fields(scope: Any) -> dict[str, str]:
    """The headers by lower-case name; those that decide who asks may not be given twice. Raises Refused."""
    fields: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("utf-8", "surrogateescape")
        if name in fields and (name in ("host", "authorization") or name.startswith("x-amz-")):
            raise Refused("IncompleteSignature", f"The header {name} is given twice.")
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    return fields


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request whose access key is known."""
    parts = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
    raise Refused("IncompleteSignature", "The request ended before its body did.")


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, and then what comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again


def without_cors(send: Send) -> Send:
    """A `send` that leaves out the headers by which MiniStack lets every web page read its answers."""

    async def send_rest(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [item for item in message["headers"] if not item[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": kept}
        await send(message)

    return send_rest


async def answer(scope: Any, refused: Refused, send: Send) -> None:
    """Refuse as the service that was asked would, so that every client understands it."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    service = router.detect_service(scope["method"], scope["path"], headers, query)
    status, fields, body = access_denied_response(
        service, "", "", str(uuid.uuid4()), error_code=refused.code, message=refused.message, headers=headers
    )
    encoded = [(name.encode(), value.encode()) for name, value in {**fields, "Connection": "close"}.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


# Addresses to download from ----------------------------------------------------------------------------------------

_download_key = secrets.token_bytes(32)


def download_signature(path: str) -> str:
    """What makes an address to download from a credential, as that of a signed address of S3 does."""
    return hmac.new(_download_key, path.encode(), hashlib.sha256).hexdigest()


def has_download_signature(path: str, query: bytes) -> bool:
    """Whether an address was given out by this server."""
    given = parse_qs(query.decode("latin-1")).get("X-Amz-Signature", [""])[-1]
    return hmac.compare_digest(given, download_signature(path))


# Sessions of functions and tasks --------------------------------------------------------------------------------------

_issued: dict[str, dict[str, str]] = {}
_issuing = threading.Lock()


def patch() -> None:
    """Give functions sessions that cannot be guessed."""
    lambda_runtime.execution_credentials = execution_credentials
    lambda_svc.execution_credentials = execution_credentials


def execution_credentials(config: Any) -> dict[str, str]:
    """The session of a function in its role, as environment variables.

    MiniStack gives functions the account's own key; under AUTH=true a session whose secret follows from the names of
    function and role.
    """
    account, _ = lambda_runtime._account_region_from_function_config(config)
    return session(account, config.get("Role", ""), config["FunctionName"])


def session(account: str, role_arn: str, who: str) -> dict[str, str]:
    """The session of a function or a task in a role, as environment variables; the same one each time."""
    role = role_arn.rsplit("/", 1)[-1]
    name = f"arn:aws:sts::{account}:assumed-role/{role}/{who[:64]}"
    with _issuing:
        if name not in _issued:
            key = f"ASIA{secrets.token_hex(8).upper()}"
            issued = {"SecretAccessKey": secrets.token_urlsafe(30), "SessionToken": secrets.token_urlsafe(60)}
            sts.register_session(key, {**issued, "Arn": name, "UserId": f"{role}:{who[:64]}"})
            _issued[name] = {
                "AWS_ACCESS_KEY_ID": key,
                "AWS_SECRET_ACCESS_KEY": issued["SecretAccessKey"],
                "AWS_SESSION_TOKEN": issued["SessionToken"],
            }
        return _issued[name]
