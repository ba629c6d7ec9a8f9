"""A blocking socket that speaks our protocol: one system call to send, one to receive."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING, Self

from meshd.client.conversation import hello, said_goodbye, understand
from meshd.client.endpoint import Endpoint
from meshd.client.result import Result
from meshd.errors import MeshError
from meshd.net.credit import Allowance
from meshd.wire.frame import FrameReader, decode, encode
from meshd.wire.messages import Cancel, Credit, Fetch, Goodbye, Hello, Message

if TYPE_CHECKING:
    from meshd.client.brought_bundle import BroughtBundle

Outcome = Result | memoryview | MeshError

_SLACK_S = 0.05
"""By how much a wait may be too long: within it the socket keeps the time limit it has."""
_WITHDRAWAL_S = 0.2
_MOST_PARTS = 64
"""Buffers in one system call; POSIX promises 16, Linux and macOS take 1,024."""
_TIMEVAL = Struct("qq" if getattr(socket, "SO_RCVTIMEO", 0) == 66 else "ll")  # 66: 32-bit Linux with 64-bit time.


class Connection:
    """A greeted socket with its frame reader.

    Time limits are the kernel's (``SO_RCVTIMEO``): Python's own would cost two system calls more for each one.
    """

    def __init__(self, wire: socket.socket) -> None:
        self.allowance = Allowance()
        """What the daemon lets us send."""
        self._wire = wire
        self._is_greeted = False
        self._is_torn = False
        """A frame was begun and not ended."""
        self._reader = FrameReader()
        self._limits_s = {socket.SO_RCVTIMEO: 0.0, socket.SO_SNDTIMEO: 0.0}

    @classmethod
    def open(cls, endpoint: Endpoint, name: str, timeout_s: float) -> Self:
        """Connect and exchange hellos; OSError if that fails, LinkError if the daemon refuses us."""
        if endpoint.socket:
            wire = socket.socket(socket.AF_UNIX)
        else:
            wire = socket.socket(socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET)
        try:
            wire.settimeout(timeout_s)
            wire.connect(str(endpoint.socket) if endpoint.socket else (endpoint.host, endpoint.port))
            wire.settimeout(None)
            if not endpoint.socket:
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = cls(wire)
            connection.send(encode(hello(name, endpoint)), time.monotonic() + timeout_s)
            connection.expect_hello(time.monotonic() + timeout_s)
        except BaseException:
            wire.close()
            raise
        return connection

    def close(self) -> None:
        """Close the socket; the daemon notices by itself."""
        self._wire.close()

    def send(self, parts: Sequence[bytes | memoryview], due_s: float) -> None:
        """Send buffers; TimeoutError when the daemon does not take them in time."""
        self._is_torn = True
        while parts:
            self._limit(socket.SO_SNDTIMEO, due_s)
            try:
                n_bytes = self._wire.sendmsg(parts[:_MOST_PARTS])
            except BlockingIOError:  # So the kernel calls a time that is over; whether ours is, the next turn tells.
                continue
            parts = _behind(parts, n_bytes) if n_bytes < sum(map(len, parts)) else ()
        self._is_torn = False

    def withdraw(self, request_ids: Iterable[str]) -> None:
        """Tell the daemon that nobody waits for these, unless a frame was torn in its middle: nothing can follow it."""
        if self._is_torn:
            return
        with suppress(OSError):
            cancels = [part for name in request_ids for part in encode(Cancel(request_id=name))]
            self.send(cancels, time.monotonic() + _WITHDRAWAL_S)

    def expect_hello(self, due_s: float) -> None:
        """Wait for the daemon's hello."""
        while not self._is_greeted:
            self.receive(due_s)

    def receive(self, due_s: float, bundle: BroughtBundle | None = None) -> list[tuple[str, Outcome]]:
        """Wait for bytes and return what they end; what is asked for of a bundle is sent."""
        ended: list[tuple[str, Outcome]] = []
        for frame in self._reader.received(self._received_bytes(due_s)):
            message = decode(frame)
            outcome = understand(message, frame.payload)
            if outcome is not None:
                ended.append(outcome)
            else:
                self._heed(message, due_s, bundle)
        return ended

    def _heed(self, message: Message, due_s: float, bundle: BroughtBundle | None) -> None:
        match message:
            case Credit():
                self.allowance.grant(message.payload_bytes)
            case Fetch() if bundle is not None:
                self.send(encode(*bundle.answer(message)), due_s)
            case Hello():
                self._is_greeted = True
            case Goodbye():
                raise said_goodbye(message)

    def _received_bytes(self, due_s: float) -> int:
        while True:
            self._limit(socket.SO_RCVTIMEO, due_s)
            try:
                n_bytes = self._wire.recv_into(self._reader.get_buffer())
            except BlockingIOError:
                continue
            if n_bytes == 0:
                raise ConnectionResetError("the daemon closed the connection")
            return n_bytes

    def _limit(self, option: int, due_s: float) -> None:
        """Have the kernel end a wait when the time is over; TimeoutError when it is."""
        left_s = due_s - time.monotonic()
        if left_s <= 0.0:
            raise TimeoutError
        if not left_s <= self._limits_s[option] <= left_s + _SLACK_S:
            self._limits_s[option] = limit_s = left_s + _SLACK_S / 2
            seconds, fraction = divmod(limit_s, 1.0)
            self._wire.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL.pack(int(seconds), int(fraction * 1e6)))


def _behind(parts: Sequence[bytes | memoryview], n_bytes: int) -> list[bytes | memoryview]:
    """Return what is left of buffers when so many of their bytes have been sent."""
    for i, part in enumerate(parts):
        if n_bytes < len(part):
            return [memoryview(part)[n_bytes:], *parts[i + 1 :]]
        n_bytes -= len(part)
    return []
