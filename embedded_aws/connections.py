"""When Hypercorn, MiniStack's server, closes a connection that a client keeps.

It closes one without a request for 75 s, and does so some turns of its event loop after it has decided to, more of them
the busier it is. A request that came in between was run, its answer was thrown away, and the client, who cannot know,
sent it again: what it had created was there already. Imports Hypercorn and h11 only.
"""

from typing import Any

import h11
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.protocol.h11 import H11Protocol

_close: Any = TCPServer._initiate_server_close


def patch() -> None:
    """Install the replacement."""
    TCPServer._initiate_server_close = close_if_idle  # type: ignore[method-assign]


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
