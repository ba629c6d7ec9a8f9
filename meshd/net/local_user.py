"""Whose program is at the other end of a local connection, as the system knows it and not as the program says."""

from __future__ import annotations

import asyncio
import os
import socket
import struct

_PEER_CREDENTIALS = struct.Struct("3i")
"""Process, user and group: ucred of Linux, unix(7)."""


def local_user(transport: asyncio.BaseTransport) -> str:
    """Return the user at the other end of a unix socket; where the system does not tell, it is this daemon's.

    That is so on a loopback port: its token stands in a file that only this daemon's user can read.
    """
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return f"uid {os.getuid()}"
    content = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
    return f"uid {_PEER_CREDENTIALS.unpack(content)[1]}"
