"""Where a daemon listens for clients, as a string a person can type."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from msgspec import Struct
from typing_extensions import override

from meshd.config import default_socket, load
from meshd.config.places import SYSTEM_SOCKET
from meshd.errors import ConfigInvalid


class Endpoint(Struct, frozen=True, kw_only=True):
    """A unix socket, or a loopback TCP port with a token."""

    socket: Path | None = None
    host: str = ""
    port: int = 0
    token: str | None = None

    @classmethod
    def parse(cls, text: str | os.PathLike[str], token: str | None = None) -> Self:
        """Read ``unix:/path``, ``/path`` or ``tcp://host:port``.

        Raises:
            ConfigInvalid: it is none of these.
        """
        text = os.fspath(text)
        if text.startswith("tcp://"):
            host, _, port = text.removeprefix("tcp://").rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ConfigInvalid(
                    f"{text!r} is no endpoint.", hint="Write tcp://127.0.0.1:47601, with a port below 65536."
                )
            return cls(host=host.strip("[]"), port=int(port), token=token)
        path = text.removeprefix("unix:").removeprefix("//")
        if not path or "://" in path:
            raise ConfigInvalid(f"{text!r} is no endpoint.", hint="Write unix:/path/to.sock or tcp://host:port.")
        return cls(socket=Path(path))

    @classmethod
    def default(cls) -> Self:
        """Return ``$MESHD_ENDPOINT`` with ``$MESHD_TOKEN``, else the configuration's socket, else the system's.

        The configuration is the one that a daemon started by this user would read; where it names no socket, its own
        default counts as long as something is there.

        Raises:
            ConfigInvalid: ``$MESHD_ENDPOINT`` is no endpoint, or the configuration has a mistake.
        """
        if named := os.environ.get("MESHD_ENDPOINT"):
            return cls.parse(named, os.environ.get("MESHD_TOKEN"))
        socket = load().config.client.socket
        is_chosen = socket != default_socket() or socket.exists()
        return cls(socket=socket if is_chosen or not SYSTEM_SOCKET.exists() else SYSTEM_SOCKET)

    @override
    def __str__(self) -> str:
        return f"unix:{self.socket}" if self.socket else f"tcp://{self.host}:{self.port}"
