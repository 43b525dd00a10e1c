"""Two habits of Hypercorn, MiniStack's server, by which clients lose the answer to a request that was run.

They send it again then, and what it had created is there already.

- It closes a connection without a request for 75 s, and does so some turns of its event loop after it has decided to,
  more of them the busier it is. A request that came in between was run, and its answer was thrown away.
- It sends the head of an answer by itself, and the body when its loop comes round again. The AWS SDK for Go, by which
  Terraform's provider asks, closes its connection now and then between the two where CPUs are busy ("decomposing
  response: use of closed network connection"). What comes in one piece it has read before it does.

Imports Hypercorn and h11 only.
"""

from typing import Any

import h11
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import RawData
from hypercorn.protocol.h11 import H11Protocol

_close: Any = TCPServer._initiate_server_close


def patch() -> None:
    """Install the replacements."""
    TCPServer._initiate_server_close = close_if_idle  # type: ignore[method-assign]
    H11Protocol._send_h11_event = send_together  # type: ignore[method-assign]


async def send_together(self: Any, event: Any) -> None:
    """Send the head of an answer in one piece with the beginning of its body, or with its end where it has none."""
    try:
        data = self.connection.send(event)
    except h11.LocalProtocolError:
        if self.connection.their_state != h11.ERROR:
            raise
        return
    if isinstance(event, h11.Response):
        self.head = data
    else:
        await self.send(RawData(data=self.__dict__.pop("head", b"") + data))


async def close_if_idle(self: TCPServer) -> None:
    """Close the connection unless a request has come; then the time begins anew after its answer."""
    if not has_request(self):
        await _close(self)  # it does not let go of the event loop before nothing more is read


def has_request(connection: Any) -> bool:
    """Whether a request of HTTP/1 is being read or answered, or waits to be read."""
    protocol = connection.protocol.protocol
    if not isinstance(protocol, H11Protocol):
        return False
    return bool(connection.reader._buffer) or protocol.connection.their_state is not h11.IDLE
