"""Where a node can be reached, and how to listen there."""

from __future__ import annotations

import errno
import socket
from asyncio import BaseTransport
from ipaddress import ip_address
from typing import NamedTuple

from typing_extensions import override

from meshd.errors import AddressInUse, ConfigInvalid


class Address(NamedTuple):
    """Host (a name, an IPv4 or an IPv6 address, the latter perhaps with ``%scope``) and port."""

    host: str
    port: int

    @override
    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host; a name counts only if it is ``localhost``."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address_of(transport: BaseTransport) -> str:
    """Return where the other side of a transport is, for people."""
    match transport.get_extra_info("peername"):
        case (str() as host, int() as port, *_):
            return str(Address(host.removeprefix("::ffff:"), port))
        case str() as path if path:
            return path
        case _:
            return "a local process"


def listening_socket(address: Address) -> socket.socket:
    """Return a listening TCP socket; an empty host means every address, IPv6 as well where there is any.

    Raises:
        AddressInUse: another program listens there.
        ConfigInvalid: this machine does not have the address, or may not use the port.
    """
    both = address.host in ("", "::") and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in address.host else socket.AF_INET
    try:
        listener = socket.create_server(tuple(address), family=family, dualstack_ipv6=both)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"another program listens on {address}.", hint="Stop it, or configure another port."
            ) from error
        raise ConfigInvalid(f"cannot listen on {address}: {error.strerror or error}.") from error
    listener.setblocking(False)
    return listener
