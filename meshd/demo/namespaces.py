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

_numbers = itertools.count()

_BURST_S = 0.002
"""What ``tbf`` lets pass at once, in time: a timer of the kernel comes about every millisecond."""
_LEAST_BURST_BYTES = 3_000
"""Two packets of an Ethernet; ``tbf`` never lets a packet pass that is larger than its bucket."""
_QUEUE_S = 0.4
"""How long a packet may wait for its turn before it is dropped; a home's router keeps about as much."""


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


@cache
def why_no_rate() -> str | None:
    """Say why links cannot be made slow here; none when they can."""
    if (reason := why_not()) is not None:
        return reason
    if shutil.which("tc") is None:
        return "the command tc (iproute2) is not installed"
    try:
        with namespaces(1) as machines:
            machines[0].limit(1e6)
            return None
    except subprocess.CalledProcessError as error:
        return f"this kernel has no token bucket: {error.stderr.decode().strip()}"


@dataclass(frozen=True)
class Namespace:
    """One machine of the made-up network."""

    name: str
    address: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return what the command line of a program in here begins with."""
        return "ip", "netns", "exec", self.name

    def start(self, command: Sequence[str | os.PathLike[str]], **options: object) -> subprocess.Popen[str]:
        """Start a program in here; ``options`` are those of :class:`subprocess.Popen`."""
        within = [*self.prefix, *command]
        return subprocess.Popen(within, text=True, **options)  # type: ignore[call-overload,no-any-return]  # noqa: S603

    def limit(self, rate_bps: float) -> None:
        """Let so many bits a second leave this machine, whatever the limit was before."""
        burst_bytes = max(_LEAST_BURST_BYTES, round(rate_bps / 8.0 * _BURST_S))
        queue_bytes = burst_bytes + round(rate_bps / 8.0 * _QUEUE_S)
        bucket = ("rate", f"{rate_bps:.0f}", "burst", str(burst_bytes), "limit", str(queue_bytes))
        _run(*self.prefix, "tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", *bucket)


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
    _run("ip", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  Names and numbers of our own.
