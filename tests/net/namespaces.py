"""Tests on machines of their own, as far as the network can tell; they skip where there can be none."""

from __future__ import annotations

import subprocess

import pytest

from meshd.demo.namespaces import Namespace, namespaces, why_no_rate, why_not

__all__ = [
    "Namespace",
    "give_address",
    "namespaces",
    "needs_namespaces",
    "needs_slow_links",
    "plug_in",
    "take_address",
    "unplug",
]


def needs_namespaces() -> None:
    """Skip the running test where there can be no namespaces, and say why."""
    if reason := why_not():
        pytest.skip(reason)


def needs_slow_links() -> None:
    """Skip the running test where links between namespaces cannot be made slow, and say why."""
    if reason := why_no_rate():
        pytest.skip(reason)


def take_address(machine: Namespace) -> None:
    """Leave a machine without an address, as before DHCP has answered."""
    _ip(machine, "address", "flush", "dev", "eth0")


def give_address(machine: Namespace, address: str) -> None:
    """Give a machine an address."""
    _ip(machine, "address", "add", f"{address}/24", "dev", "eth0")


def unplug(machine: Namespace) -> None:
    """Cut a machine's cable."""
    _ip(machine, "link", "set", "eth0", "down")


def plug_in(machine: Namespace) -> None:
    """Mend a machine's cable."""
    _ip(machine, "link", "set", "eth0", "up")


def _ip(machine: Namespace, *arguments: str) -> None:
    subprocess.run(["ip", "-n", machine.name, *arguments], check=True, capture_output=True)
