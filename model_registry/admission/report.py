"""What a trial process is told, and what it tells the process that watches it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Literal, Self

import msgspec
from msgspec import Struct

from model_registry.admission.admitted import Admitted, Limits
from model_registry.errors import Limit
from model_registry.manifest import Manifest
from model_registry.tier import Tier, Variant

Step = Literal[
    "looking at the file",
    "starting the runtime",
    "loading",
    "running the smallest input",
    "running the largest input",
]
LARGEST_REPORT_BYTES = 1 << 20
_LENGTH_BYTES = 4


class Order(Struct, frozen=True, kw_only=True):
    """A model to try, with all that its trial needs."""

    manifest: Manifest
    tier: Tier
    variant: Variant
    limits: Limits

    def write(self, stream: IO[bytes], content: bytes) -> None:
        """Write the order, and after it the model's bytes."""
        head = msgspec.msgpack.encode(self)
        stream.write(len(head).to_bytes(_LENGTH_BYTES) + head)
        stream.write(content)

    @classmethod
    def read(cls, stream: IO[bytes]) -> tuple[Self, bytes]:
        """Read what :meth:`write` wrote."""
        head = stream.read(int.from_bytes(stream.read(_LENGTH_BYTES)))
        return msgspec.msgpack.decode(head, type=cls), stream.read()


class Reached(Struct, frozen=True, kw_only=True, tag=True):
    """A step that begins now."""

    step: Step


class Ready(Struct, frozen=True, kw_only=True, tag=True):
    """The runtime is there and the model is not: what the process occupies now is not the model's."""

    resident_bytes: int


class Passed(Struct, frozen=True, kw_only=True, tag=True):
    """The end of a model that kept every limit."""

    admitted: Admitted


class Failed(Struct, frozen=True, kw_only=True, tag=True):
    """The end of a model that did not."""

    limit: Limit
    message: str
    hint: str


Report = Reached | Ready | Passed | Failed
_decoder = msgspec.msgpack.Decoder(Report)


def frame(report: Report) -> bytes:
    """Return a report as bytes that :class:`Reports` reads back."""
    content = msgspec.msgpack.encode(report)
    return len(content).to_bytes(_LENGTH_BYTES) + content


class Reports:
    """Cuts reports out of what a trial process writes."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, content: bytes) -> Iterator[Report]:
        """Yield every report that is complete now.

        Raises:
            msgspec.MsgspecError: the bytes are no report.
            ValueError: they announce one that is longer than any.
        """
        self._unread += content
        while len(self._unread) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._unread[:_LENGTH_BYTES])
            if end > LARGEST_REPORT_BYTES:
                raise ValueError(f"a report of {end:,} bytes")
            if len(self._unread) < end:
                return
            content = bytes(self._unread[_LENGTH_BYTES:end])
            del self._unread[:end]
            yield _decoder.decode(content)
