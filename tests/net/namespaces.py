"""Network namespaces joined by a bridge: machines of their own, as far as the network can tell. Linux and root only.

Names carry the process id, so that runs at the same time do not meet, and everything is removed at the end.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

import pytest

_numbers = itertools.count()


@cache
def why_not() -> str | None:
    """Say why there can be no namespaces here; none when there can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "making network namespaces takes root"
    if shutil.which("ip") is None:
        return "the command ip (iproute2) is not installed"
    try:
        with namespaces(1):
            return None
    except subprocess.CalledProcessError as error:
        return f"this kernel or container allows no bridge between namespaces: {error.stderr.decode().strip()}"


def needs_namespaces() -> None:
    """Skip the running test where there can be no namespaces, and say why."""
    if reason := why_not():
        pytest.skip(reason)


@dataclass(frozen=True)
class Namespace:
    """One machine of the made-up network."""

    name: str
    address: str

    def start(self, command: Sequence[str | os.PathLike[str]], **options: object) -> subprocess.Popen[str]:
        """Start a program in here; ``options`` are those of :class:`subprocess.Popen`."""
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            ["ip", "netns", "exec", self.name, *command], text=True, **options
        )

    def take_address(self) -> None:
        """Leave this machine without an address, as before DHCP has answered."""
        _ip("-n", self.name, "address", "flush", "dev", "eth0")

    def give_address(self, address: str) -> None:
        """Give this machine an address."""
        _ip("-n", self.name, "address", "add", f"{address}/24", "dev", "eth0")

    def unplug(self) -> None:
        """Cut the cable."""
        _ip("-n", self.name, "link", "set", "eth0", "down")

    def plug_in(self) -> None:
        """Mend the cable."""
        _ip("-n", self.name, "link", "set", "eth0", "up")


@contextmanager
def namespaces(count: int) -> Iterator[list[Namespace]]:
    """Make that many machines on one bridge, 10.77.x.1 upwards, and remove them in the end."""
    with ExitStack() as ending:
        network = f"m{os.getpid() % 100_000}x{next(_numbers)}"
        bridge = f"{network}b"
        hub = _add_namespace(f"meshd-{network}-bridge", ending)
        _ip("-n", hub, "link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
        _ip("-n", hub, "link", "set", bridge, "up")
        yield [_add_machine(network, number, hub, bridge, ending) for number in range(1, count + 1)]


def _add_machine(network: str, number: int, hub: str, bridge: str, ending: ExitStack) -> Namespace:
    name, cable = _add_namespace(f"meshd-{network}-{number}", ending), f"{network}c{number}"
    _ip("-n", hub, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("-n", hub, "link", "set", cable, "master", bridge, "up")
    address = f"10.77.0.{number}"
    _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", name, "link", "set", "eth0", "up")
    return Namespace(name, address)


def _add_namespace(name: str, ending: ExitStack) -> str:
    _ip("netns", "add", name)
    ending.callback(_ip, "netns", "delete", name)  # Its interfaces go with it.
    _ip("-n", name, "link", "set", "lo", "up")
    return name


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
