"""What a JPEG says of itself, read before a decoder sees it: ITU-T T.81, annex B.

Only baseline pictures of one scan pass. A progressive one may be scanned thousands of times over, which takes seconds
for a few kilobytes; and what has one scan ends where that ends.
"""

from __future__ import annotations

import re
import struct

from model_registry.errors import Undecodable

_START, _END, _SCAN, _BASELINE = 0xD8, 0xD9, 0xDA, 0xC0
_SKIPPED = frozenset({0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})
"""Tables, the restart interval, comments and application segments: their lengths are all that matters here."""
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)
"""In a scan: 0xFF is followed by 0, or by the number of a restart; anything else ends it."""
_MOST_SEGMENTS = 32


def check_jpeg(stream: memoryview, height: int, width: int, channels: int) -> None:
    """Make sure that a stream is one baseline picture of that size, and nothing else.

    Raises:
        Undecodable: it is something else.
    """
    if bytes(stream[:2]) != bytes((0xFF, _START)):
        raise Undecodable("A picture does not begin as a JPEG does.")
    found = None
    at = 2
    for _ in range(_MOST_SEGMENTS):
        marker, length = _segment(stream, at)
        if marker == _BASELINE and found is None:
            found = _frame(stream[at + 4 : at + 2 + length])
        elif marker == _SCAN:
            _check_scan(stream, at, length, found, (height, width, channels))
            return
        elif marker not in _SKIPPED:
            raise Undecodable(f"A JPEG has a segment 0x{marker:02x}: only baseline pictures of one scan are read.")
        at += 2 + length
    raise Undecodable(f"A JPEG has more than {_MOST_SEGMENTS} segments before its picture.")


def _segment(stream: memoryview, at: int) -> tuple[int, int]:
    if at + 4 > len(stream) or stream[at] != 0xFF:
        raise Undecodable("A JPEG is cut off, or holds something between two segments.")
    length = int.from_bytes(stream[at + 2 : at + 4])
    if length < 2 or at + 2 + length > len(stream):
        raise Undecodable("A segment of a JPEG is longer than the JPEG.")
    return stream[at + 1], length


def _frame(segment: memoryview) -> tuple[int, int, int]:
    if len(segment) < 6 or segment[0] != 8:
        raise Undecodable("A JPEG has not 8 bits, or its frame header is cut off.")
    height, width, channels = struct.unpack_from(">HHB", segment, 1)
    return height, width, channels


def _check_scan(
    stream: memoryview, at: int, length: int, found: tuple[int, int, int] | None, expected: tuple[int, int, int]
) -> None:
    if found != expected:
        raise Undecodable(f"A JPEG of {found} was announced as {expected} (height, width, channels).")
    if length < 3 or stream[at + 4] != expected[2]:
        raise Undecodable("A JPEG's scan does not hold all of its channels.")
    end = _MARKER.search(stream, at + 2 + length)
    if end is None or stream[end.end() - 1] != _END or end.end() != len(stream):
        raise Undecodable("A JPEG does not end where its only scan does.")
