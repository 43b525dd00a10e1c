"""Connections that are kept are closed after a while, but never with a request in them; answers begin in one piece."""

import asyncio
import contextlib
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config
from hypercorn.events import RawData
from hypercorn.protocol.h11 import H11Protocol

from embedded_aws import connections

KEPT_SECONDS = 0.1
AT_ONCE, ROUNDS = 50, 12


class Counted:
    """An application that takes a moment, and counts how often it was asked for a path."""

    def __init__(self) -> None:
        self.runs = Counter[str]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        self.runs[scope["path"]] += 1
        await asyncio.sleep(0.005)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def test_what_is_run_is_answered_however_late_the_request_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests at the very moment at which their connection is to be closed."""
    patched(monkeypatch)
    application, unanswered = asyncio.run(storm())
    assert 0 < len(unanswered) < AT_ONCE * ROUNDS  # the moment was met
    assert [path for path in unanswered if application.runs[path]] == []


def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the replacements, which are taken back at the end."""
    monkeypatch.setattr(TCPServer, "_initiate_server_close", TCPServer._initiate_server_close)
    monkeypatch.setattr(H11Protocol, "_send_h11_event", H11Protocol._send_h11_event)
    connections.patch()


@contextlib.asynccontextmanager
async def served(application: Any, kept_seconds: float = 5.0) -> AsyncIterator[int]:
    """The application on a port."""
    config, end = Config(), asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config.bind, config.keep_alive_timeout = [f"127.0.0.1:{port}"], kept_seconds
    server = asyncio.create_task(serve(application, config, shutdown_trigger=end.wait))
    while not server.done():
        try:
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
    yield port
    end.set()
    await server


async def storm() -> tuple[Counted, list[str]]:
    """The application, and what got no answer."""
    application, unanswered = Counted(), list[str]()
    async with served(application, KEPT_SECONDS) as port:
        for each in range(ROUNDS):
            asked = [ask_late(port, f"/{each}/{client}") for client in range(AT_ONCE)]
            unanswered += [path for path in await asyncio.gather(*asked) if path]
    return application, unanswered


ANSWERS = {
    "whole": [b"ok"],
    "in parts": [b"first", b"HTTP/1.1 200 OK\r\n\r\n", b"", b"last"],
    "empty": [b""],
    "nothing after a while": [b"", b""],
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("parts", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_begins_in_one_piece(monkeypatch: pytest.MonkeyPatch, method: str, parts: list[bytes]) -> None:
    """Head and body in one write, however long the application takes between them; and the next answer is whole."""
    patched(monkeypatch)
    pieces, send = list[bytes](), TCPServer.protocol_send

    async def noted(self: TCPServer, event: Any) -> None:
        if isinstance(event, RawData) and event.data:
            pieces.append(event.data)
        await send(self, event)

    monkeypatch.setattr(TCPServer, "protocol_send", noted)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await Counted()(scope, receive, send)
            return
        length = str(len(b"".join(parts))).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for number, part in enumerate(parts):
            await asyncio.sleep(0.01)
            body = part if method == "GET" else b""
            await send({"type": "http.response.body", "body": body, "more_body": number < len(parts) - 1})

    async def ask() -> list[bytes]:
        answers = []
        async with served(application) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2):
                writer.write(f"{method} / HTTP/1.1\r\nHost: here\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                size = len(b"".join(parts)) if method == "GET" else 0
                answers.append(head[:12] + await reader.readexactly(size))
            writer.close()
        return answers

    body = b"".join(parts) if method == "GET" else b""
    assert asyncio.run(ask()) == [b"HTTP/1.1 200" + body] * 2
    divided = [piece.partition(b"\r\n\r\n") for piece in pieces]
    assert [rest for head, _, rest in divided if b"content-length" in head] == [parts[0] * (method == "GET")] * 2


async def ask_late(port: int, path: str) -> str | None:
    """Ask, let the connection rest for about as long as it is kept, and ask for the path; the path if none answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(what: str) -> None:
        writer.write(f"POST {what} HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nhi".encode())
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)

    try:
        await ask(f"/first{path}")
        due = time.monotonic() + KEPT_SECONDS + random.uniform(-0.002, 0.003)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await ask(path)
    except (OSError, EOFError):
        return path
    finally:
        writer.close()
    return None
