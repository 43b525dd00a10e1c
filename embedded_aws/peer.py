"""Whose process is at the other end of a connection within this computer. Imports the standard library only."""

import functools
import os
import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST = 1
ANY = 0xFFFFFFFF
UID_AT = 80
"""Where an answer has the user: after its header (16 bytes), four states, the connection (48) and three counters."""


def is_of_this_user(client_port: int, server_port: int) -> bool:
    """Whether this process's user holds the client's end of a connection on 127.0.0.1.

    The kernel tells on Linux; where it does not, everyone is taken for this user.
    """
    return not _kernel_tells() or owner(client_port, server_port) == os.getuid()


def owner(client_port: int, server_port: int) -> int | None:
    """The user who holds the client's end of a connection on 127.0.0.1; None when there is no such connection.

    It is asked for alone: the table of all connections, /proc/net/tcp, can lack one while others come and go.

    Raises:
        OSError: the kernel does not answer such questions.
    """
    loopback = socket.inet_aton("127.0.0.1") + bytes(12)
    connection = struct.pack("!HH", client_port, server_port) + loopback * 2 + struct.pack("=III", 0, ANY, ANY)
    question = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, ANY) + connection
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(1)
        kernel.send(struct.pack("=IHHII", 16 + len(question), SOCK_DIAG_BY_FAMILY, REQUEST, 0, 0) + question)
        answer = kernel.recv(4096)
    if struct.unpack_from("=H", answer, 4)[0] != SOCK_DIAG_BY_FAMILY:
        return None
    uid: int = struct.unpack_from("=I", answer, UID_AT)[0]
    return uid


@functools.cache
def _kernel_tells() -> bool:
    """Whether the kernel knows the owner of a connection that is certainly this user's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            try:
                return owner(client.getsockname()[1], port) == os.getuid()
            except (OSError, AttributeError):  # there is no AF_NETLINK elsewhere
                return False
