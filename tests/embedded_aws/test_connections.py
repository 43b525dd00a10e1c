"""Connections that clients keep are closed after a while, but never with a request in them."""

import asyncio
import random
import socket
import time
from collections import Counter
from typing import Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config

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
    monkeypatch.setattr(TCPServer, "_initiate_server_close", TCPServer._initiate_server_close)  # taken back at the end
    connections.patch()
    application, unanswered = asyncio.run(storm())
    assert 0 < len(unanswered) < AT_ONCE * ROUNDS  # the moment was met
    assert [path for path in unanswered if application.runs[path]] == []


async def storm() -> tuple[Counted, list[str]]:
    """The application, and what got no answer."""
    application, config, end = Counted(), Config(), asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config.bind, config.keep_alive_timeout = [f"127.0.0.1:{port}"], KEPT_SECONDS
    server = asyncio.create_task(serve(application, config, shutdown_trigger=end.wait))
    while not server.done():
        try:
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
    unanswered: list[str] = []
    for each in range(ROUNDS):
        asked = [ask_late(port, f"/{each}/{client}") for client in range(AT_ONCE)]
        unanswered += [path for path in await asyncio.gather(*asked) if path]
    end.set()
    await server
    return application, unanswered


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
