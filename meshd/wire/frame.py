"""Frames: a fixed header, MessagePack metadata, then raw payload bytes. Pure: bytes in, frames out, no IO.

Header, little-endian, 12 bytes: magic ``MSHD``, version u8, kind u8, metadata length u16, payload length u32.
Sixteen bits cannot name more than 65,535 bytes of metadata, so that bound needs no check; the payload's
length is checked against a limit, and against what its kind may have, before any memory is set aside for it.

The reader serves :class:`asyncio.BufferedProtocol`. Small frames are parsed out of one reused buffer and
copied once, for the buffer is written over by the next receive. A large payload gets memory of its own and is
received straight into it; only the part that arrived together with its header is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any

import msgspec
import numpy as np
from typing_extensions import Buffer

from meshd.errors import InvalidInput, ProtocolError
from meshd.wire.messages import (
    KINDS,
    MAX_PADDING_BYTES,
    PROTOCOL_VERSION,
    Document,
    Fetched,
    Heartbeat,
    Infer,
    Install,
    Message,
    Result,
)
from meshd.wire.words import check_words

MAGIC = b"MSHD"
HEADER = Struct("<4sBBHI")
MAX_METADATA_BYTES = 2**16 - 1
MAX_PAYLOAD_BYTES = 64 * 2**20
"""Default limit; a float32 batch of 100 RGB pictures of 224 x 224 takes 57 MiB."""

# A payload below this waits in the reused buffer until it is complete: one receive call then often brings
# several frames. Above it, a second receive call costs less than copying.
LARGE_PAYLOAD_BYTES = 32 * 2**10

# The largest frame with a small payload takes 98,315 bytes, so the buffer can never be full and incomplete.
_BUFFER_BYTES = 128 * 2**10
_NOTHING = memoryview(b"")


class Frame(msgspec.Struct, frozen=True):
    """One frame as it arrived; the payload is read-only."""

    kind: int
    metadata: bytes
    payload: memoryview


class FrameReader:
    """Cuts a byte stream into frames: fill what :meth:`get_buffer` gives, tell :meth:`received` how much."""

    def __init__(self, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self.max_payload_bytes = max_payload_bytes
        """May be changed between frames; a stranger is best kept at 0 until it has said who it is."""
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._start = 0
        self._end = 0
        self._unfinished: _Unfinished | None = None
        self.unfinished_bytes = 0
        """What the large payload takes that has begun and is not complete; 0 where there is none."""

    def get_buffer(self, _sizehint: int = -1) -> memoryview:
        """Return the memory that the next received bytes belong into; never empty."""
        if self._unfinished is not None:
            return self._unfinished.rest
        return self._buffer[self._end :]

    def received(self, n_bytes: int) -> list[Frame]:
        """Take note of bytes written to the buffer and return the frames that they complete.

        Raises:
            ProtocolError: the bytes are no frame of ours; the reader is of no use afterwards.
        """
        if self._unfinished is not None:
            return self._fill(self._unfinished, n_bytes)
        end = self._end = self._end + n_bytes
        frames: list[Frame] = []
        while end - self._start >= HEADER.size:
            magic, version, kind, metadata_bytes, payload_bytes = HEADER.unpack_from(self._buffer, self._start)
            if (
                magic != MAGIC
                or version != PROTOCOL_VERSION
                or kind not in KINDS
                or payload_bytes > self.max_payload_bytes
                or payload_bytes > _MOST_BYTES.get(kind, 0)
            ):
                raise self._objection(magic, version, kind, payload_bytes)
            body = self._start + HEADER.size
            payload_start = body + metadata_bytes
            payload_end = payload_start + payload_bytes
            if payload_end > end:
                self._begin_large(kind, body, payload_start, payload_bytes)
                break
            payload = memoryview(bytes(self._buffer[payload_start:payload_end])) if payload_bytes else _NOTHING
            frames.append(Frame(kind, bytes(self._buffer[body:payload_start]), payload))
            self._start = payload_end
        if self._start == end:
            self._start = self._end = 0
        else:
            self._move_rest_to_front()
        return frames

    def close(self) -> None:
        """Let go of all memory; nothing can be received any more."""
        self._drop_unfinished()
        self._buffer = _NOTHING

    def _drop_unfinished(self) -> None:
        self._unfinished, self.unfinished_bytes = None, 0

    def _fill(self, unfinished: _Unfinished, n_bytes: int) -> list[Frame]:
        unfinished.rest = unfinished.rest[n_bytes:]
        if unfinished.rest:
            return []
        self._drop_unfinished()
        return [unfinished.frame]

    def _begin_large(self, kind: int, body: int, payload_start: int, payload_bytes: int) -> None:
        """Give a payload memory of its own, if it is worth that and its metadata is there."""
        if payload_bytes >= LARGE_PAYLOAD_BYTES and payload_start <= self._end:
            metadata = bytes(self._buffer[body:payload_start])
            self._unfinished = _Unfinished(kind, metadata, payload_bytes, self._buffer[payload_start : self._end])
            self._start = self._end
            self.unfinished_bytes = payload_bytes

    def _objection(self, magic: bytes, version: int, kind: int, payload_bytes: int) -> ProtocolError:
        if magic != MAGIC:
            return ProtocolError(f"a frame begins with {magic!r} instead of {MAGIC!r}: this is no meshd peer.")
        if version != PROTOCOL_VERSION:
            return ProtocolError(
                f"the other side speaks protocol {version}, this one {PROTOCOL_VERSION}.",
                hint="Install the same release of meshd on both.",
            )
        if kind not in KINDS:
            return ProtocolError(f"unknown kind of frame: {kind}.")
        return ProtocolError(
            f"{KINDS[kind].__name__}: a payload of {payload_bytes:,} bytes is announced "
            f"and {min(self.max_payload_bytes, _MOST_BYTES.get(kind, 0)):,} may come."
        )

    def _move_rest_to_front(self) -> None:
        rest = self._end - self._start
        if self._start:
            self._buffer[:rest] = self._buffer[self._start : self._end]
        self._start, self._end = 0, rest


class _Unfinished:
    """A frame whose payload is received into memory of its own."""

    def __init__(self, kind: int, metadata: bytes, payload_bytes: int, arrived: memoryview) -> None:
        # numpy.empty leaves the pages untouched; bytearray would write them all before they are received.
        payload = np.empty(payload_bytes, np.uint8).data
        payload[: len(arrived)] = arrived
        self.rest = payload[len(arrived) :]
        self.frame = Frame(kind, metadata, payload.toreadonly())


_ENCODER = msgspec.msgpack.Encoder()
_KIND_OF: dict[type[Any], int] = {message: kind for kind, message in KINDS.items()}
_DECODERS: dict[int, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(message) for kind, message in KINDS.items()
}
_MOST_BYTES = {_KIND_OF[message]: 2**32 - 1 for message in (Infer, Result, Document, Fetched, Install)} | {
    _KIND_OF[Heartbeat]: MAX_PADDING_BYTES
}
"""Of a payload, as far as its kind goes; those that are not named have none, and no claim to memory."""


def encode(message: Message, payload_parts: Sequence[Buffer] = ()) -> list[bytes | memoryview]:
    """Return the buffers of one frame, in order: header and metadata as one, then each payload part uncopied.

    Raises:
        InvalidInput: metadata or payload are longer than a header can say.
    """
    metadata = _ENCODER.encode(message)
    parts: list[bytes | memoryview] = [b""]  # Where the header goes.
    for part in payload_parts:
        view = memoryview(part)
        if view.nbytes:
            # As bytes, so that its length is its size: asyncio counts with `len`.
            parts.append(view if view.format == "B" and view.ndim == 1 else view.cast("B"))
    payload_bytes = sum(map(len, parts))
    if len(metadata) > MAX_METADATA_BYTES or payload_bytes >= 2**32:
        raise InvalidInput(
            f"{type(message).__name__} takes {len(metadata):,} bytes of metadata and {payload_bytes:,} of "
            f"tensors; {MAX_METADATA_BYTES:,} and {2**32 - 1:,} are possible."
        )
    parts[0] = HEADER.pack(MAGIC, PROTOCOL_VERSION, _KIND_OF[type(message)], len(metadata), payload_bytes) + metadata
    return parts


def decode(frame: Frame) -> Message:
    """Return the typed message in a frame's metadata.

    Raises:
        ProtocolError: the metadata is no message of its kind.
    """
    try:
        message: Message = _DECODERS[frame.kind].decode(frame.metadata)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"metadata of a {KINDS[frame.kind].__name__} frame: {error}") from error
    if type(message) is Infer or type(message) is Result:
        check_words(message)
    return message
