"""Reads and writes protobuf's wire format and nothing else: fields of a message, one by one, never past its end.

Source: protobuf.dev/programming-guides/encoding. Groups (wire types 3 and 4) are refused: ONNX has none.
"""

from __future__ import annotations

from collections.abc import Iterator

DEEPEST = 16
"""Graphs inside graphs; those that exporters write have three."""
_LONGEST_VARINT = 10
_LARGEST_KEY = 2**32 - 1
"""Other readers cut off what is above: a field that they see and this one does not would be a hiding place."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}


class Malformed(ValueError):
    """The bytes are no protobuf message; says where."""


class Span:
    """Bytes of one message or string inside the whole content; nothing is copied."""

    __slots__ = ("_content", "end", "start")

    def __init__(self, content: bytes, start: int = 0, end: int | None = None) -> None:
        self._content = content
        self.start = start
        self.end = len(content) if end is None else end

    def __len__(self) -> int:
        return self.end - self.start

    def __bytes__(self) -> bytes:
        return self._content[self.start : self.end]

    @property
    def view(self) -> memoryview:
        """Return the bytes where they lie."""
        return memoryview(self._content)[self.start : self.end]

    def fields(self) -> Iterator[tuple[int, int | Span]]:
        """Yield each field's number, and what it holds: a number, or bytes.

        Raises:
            Malformed: a field reaches past the end, or is none.
        """
        at = self.start
        while at < self.end:
            key, at = self._varint(at)
            number, wire = key >> 3, key & 7
            if number == 0 or key > _LARGEST_KEY:
                raise Malformed(f"byte {at} begins a field without a number")
            if wire == VARINT:
                value, at = self._varint(at)
                yield number, value
            else:
                span, at = self._span(wire, at)
                yield number, span

    def varints(self) -> Iterator[int]:
        """Yield the numbers of a packed field."""
        at = self.start
        while at < self.end:
            value, at = self._varint(at)
            yield value

    def _span(self, wire: int, at: int) -> tuple[Span, int]:
        if wire == BYTES:
            length, at = self._varint(at)
        elif wire in _FIXED_BYTES:
            length = _FIXED_BYTES[wire]
        else:
            raise Malformed(f"byte {at} has the wire type {wire}, which ONNX does not use")
        if length > self.end - at:
            raise Malformed(f"byte {at} announces {length:,} bytes and {self.end - at:,} are left")
        return Span(self._content, at, at + length), at + length

    def _varint(self, at: int) -> tuple[int, int]:
        value = 0
        for index in range(_LONGEST_VARINT):
            if at + index >= self.end:
                raise Malformed(f"byte {at} begins a number that reaches past the end")
            byte = self._content[at + index]
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value, at + index + 1
        raise Malformed(f"byte {at} begins a number of more than {_LONGEST_VARINT} bytes")


def number_field(number: int, value: int) -> bytes:
    """Return a field that holds a number of at most 64 bits."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_head(number: int, length: int) -> bytes:
    """Return what stands before the bytes of a field."""
    return varint(number << 3 | BYTES) + varint(length)


def varint(value: int) -> bytes:
    """Return a number as readers of the format expect it: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
