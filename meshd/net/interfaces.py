"""The addresses of this machine, and which of them other nodes may use."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import psutil

MAX_ADDRESSES = 8
"""Of one node; dialling them one after the other has to end some time."""


def local_addresses(chosen: Sequence[str] = ()) -> tuple[str, ...]:
    """Return this machine's IP addresses, of all interfaces or of those chosen by name or address."""
    return tuple(
        address.address
        for name, addresses in sorted(psutil.net_if_addrs().items())
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
        and (not chosen or name in chosen or _plain(address.address) in chosen)
    )


def announced(addresses: Iterable[str], *, listen_host: str) -> tuple[str, ...]:
    """Return the addresses under which a daemon that listens on ``listen_host`` can be dialled, best first.

    Loopback is announced only where there is nothing else: elsewhere it would lead a peer to itself.
    """
    both = listen_host in ("", "::")
    if not both and not ip_address(listen_host).is_unspecified:
        return (listen_host,)
    usable = [address for address in map(_plain, addresses) if both or ":" not in address]
    distant = [address for address in usable if not ip_address(address).is_loopback]
    return by_preference(distant or usable)


def by_preference(addresses: Iterable[str]) -> tuple[str, ...]:
    """Sort addresses to dial: IPv4, routed IPv6, link-local last, as it needs a scope. Drop what cannot be dialled."""
    parsed = {address: ip_address(address) for address in addresses}
    usable = [address for address, ip in parsed.items() if not (ip.is_multicast or ip.is_unspecified)]
    return tuple(sorted(usable, key=lambda address: _rank(parsed[address]))[:MAX_ADDRESSES])


def _rank(ip: IPv4Address | IPv6Address) -> tuple[bool, bool]:
    return ip.is_link_local, ip.version == 6


def _plain(address: str) -> str:
    """Drop the scope of a link-local address: it has a meaning on this machine only."""
    return address.partition("%")[0]
