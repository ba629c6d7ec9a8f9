"""The frames of a FLAC stream, told by their headers: a decoder that has all it wants does not look at what follows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import ceil
from typing import NamedTuple

import numpy as np

_LEAST_BYTES = 6  # Of a header: sync code, block size and rate, channels and bits, number, checksum.
_MOST_BYTES = 16
_MOST_SYNCS_PER_BYTE = 1 / 2**12
"""Eight times as many places as look like the beginning of a header in a random stream."""
_FURTHER_SYNCS = 64


class FlacFrame(NamedTuple):
    """What a header says."""

    number: int
    samples: int


def are_all(stream: memoryview, *, samples: int, block_samples: int) -> bool:
    """Tell whether a stream's frames hold so many samples of each channel, in blocks of that size, and no more.

    Now and then coded samples look like the header of a frame, checksum included; that is no such stream either.
    """
    count = ceil(samples / block_samples)
    places = _syncs(stream)
    if len(places) > count + _FURTHER_SYNCS + len(stream) * _MOST_SYNCS_PER_BYTE:
        return False
    found = [frame for place in places if (frame := _frame(bytes(stream[place : place + _MOST_BYTES])))]
    return found == list(_expected(count, samples, block_samples))


def _expected(count: int, samples: int, block_samples: int) -> Iterator[FlacFrame]:
    for number in range(count):
        yield FlacFrame(number, min(block_samples, samples - number * block_samples))


def _syncs(stream: memoryview) -> list[int]:
    """Return where fourteen ones, a zero, and either kind of block begin."""
    content = np.frombuffer(stream, np.uint8)
    places: list[int] = np.flatnonzero((content[:-1] == 0xFF) & (content[1:] & 0xFE == 0xF8)).tolist()
    return places


def _frame(head: bytes) -> FlacFrame | None:
    """Return what a header says; none where the bytes are no header. Source: RFC 9639, section 9.1."""
    if len(head) < _LEAST_BYTES or head[3] & 1:
        return None
    size_code, rate_code = head[2] >> 4, head[2] & 15
    number_bytes = _coded_bytes(head[4])
    at = 4 + number_bytes
    size_bytes, rate_bytes = {6: 1, 7: 2}.get(size_code, 0), {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    end = at + size_bytes + rate_bytes
    if not number_bytes or not size_code or end >= len(head) or _checksum(head[:end]) != head[end]:
        return None
    samples = int.from_bytes(head[at : at + size_bytes]) + 1 if size_bytes else _samples(size_code)
    return FlacFrame(_number(head[4:at]), samples)


def _coded_bytes(first: int) -> int:
    """Return how many bytes a number takes, coded as UTF-8 would, by the ones that it begins with; 0: no number."""
    ones = 8 - (~first & 0xFF).bit_length()
    return 1 if ones == 0 else ones if 2 <= ones <= 7 else 0


def _number(coded: bytes) -> int:
    if len(coded) == 1:
        return coded[0]
    number = coded[0] & 0x7F >> len(coded)
    for byte in coded[1:]:
        number = number << 6 | byte & 0x3F
    return number


def _samples(code: int) -> int:
    if code == 1:
        return 192
    return 144 << code if code < 6 else 1 << code


def _checksum(content: bytes) -> int:
    """Return the CRC-8 with polynomial x^8 + x^2 + x + 1."""
    table, crc = _checksums(), 0
    for byte in content:
        crc = table[crc ^ byte]
    return crc


@cache
def _checksums() -> bytes:
    """Return that of each single byte."""
    return bytes(map(_divided, range(256)))


def _divided(byte: int) -> int:
    for _ in range(8):
        byte = byte << 1 ^ (0x107 if byte & 0x80 else 0)
    return byte
