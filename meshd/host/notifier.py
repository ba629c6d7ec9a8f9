"""Tells systemd how the daemon is: sd_notify(3), a datagram to the socket that the environment names."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class Notifier:
    """Speaks to the init system that started us, and to nobody where none did. Never raises, never blocks."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # An @ stands for the null byte that begins an abstract socket's name.
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self._watchdog_us = environment.get("WATCHDOG_USEC", "")
        self._watched_pid = environment.get("WATCHDOG_PID", str(os.getpid()))

    @property
    def watchdog_interval_s(self) -> float | None:
        """How often to call :meth:`alive`: half of what systemd allows, as sd_watchdog_enabled(3) advises."""
        if not self._watchdog_us.isdecimal() or self._watched_pid != str(os.getpid()):
            return None
        return int(self._watchdog_us) / 2 / 1e6

    def ready(self) -> None:
        """Say that the daemon serves."""
        self._send("READY=1")

    def status(self, sentence: str) -> None:
        """Say in one line what the daemon does; ``systemctl status`` shows it."""
        self._send("STATUS=" + " ".join(sentence.split()))

    def alive(self) -> None:
        """Feed the watchdog; from the event loop, so that a loop that hangs is noticed."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the daemon is about to end."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(message.encode(), self._address)
