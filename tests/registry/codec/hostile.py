"""Bytes that no encoder of ours makes, each with what it is announced as."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

import numpy as np
import simplejpeg
import soundfile

from model_registry.codec.codecs import encode
from model_registry.encoding import Encoding
from tests.registry.codec.pictures import IMAGENET, Array, normalised, picture, signal


class Hostile(NamedTuple):
    """One input of a decoder."""

    name: str
    codec: str
    dtype: str
    shape: tuple[int, ...]
    content: bytes


def all_hostile() -> list[Hostile]:
    """Return every one."""
    return [*_plain(), *_grids(), *_pictures(), *_signals()]


def honest(array: Array, encoding: Encoding) -> bytes:
    """Return what our own encoder makes."""
    encoded = encode(array, encoding)
    assert encoded is not None
    return bytes(encoded.content)


def _plain() -> Iterator[Hostile]:
    halves = bytes(16)
    yield Hostile("halves, one byte short", "fp16", "float32", (8,), halves[:-1])
    yield Hostile("halves, two bytes more", "fp16", "float32", (8,), halves + b"\0\0")
    yield Hostile("halves of whole numbers", "fp16", "int32", (8,), halves)
    yield Hostile("halves of an endless axis beside none", "fp16", "float32", (0, 2**31, 2**31, 2**31), halves)
    yield Hostile("no halves of an endless axis", "fp16", "float32", (0, 2**31, 2**31, 2**31), b"")
    yield Hostile("more than may be decoded", "fp16", "float32", (2**31, 2**31), halves)
    yield Hostile("an unknown codec", "zip", "float32", (8,), halves)
    channels = honest(
        np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 4, 16), Encoding(codec="int8", ratio=1, axis=1)
    )
    yield Hostile("channels, nothing at all", "int8", "float32", (1, 4, 16), b"")
    yield Hostile("channels, cut off", "int8", "float32", (1, 4, 16), channels[:-1])
    yield Hostile("channels, garbage behind", "int8", "float32", (1, 4, 16), channels + b"x")
    yield Hostile("channels along an axis that is not there", "int8", "float32", (1, 4, 16), b"\x03" + channels[1:])
    yield Hostile("channels along another axis", "int8", "float32", (1, 4, 16), b"\x02" + channels[1:])
    yield Hostile("channels of whole numbers", "int8", "int32", (1, 4, 16), channels)
    for name, scale in {"NaN": np.nan, "infinite": np.inf, "negative": -1.0, "zero": 0.0, "huge": 3e38}.items():
        spoilt = channels[:1] + struct.pack("<f", scale) + channels[5:]
        yield Hostile(f"a channel's scale is {name}", "int8", "float32", (1, 4, 16), spoilt)


def _grids() -> Iterator[Hostile]:
    shape = (1, 3, 48, 64)
    numbers = honest(normalised(picture()), IMAGENET)
    yield Hostile("a grid, nothing at all", "uint8", "float32", shape, b"")
    yield Hostile("a grid, cut off", "uint8", "float32", shape, numbers[:30])
    yield Hostile("numbers, cut off", "uint8", "float32", shape, numbers[:-1])
    yield Hostile("numbers, garbage behind", "uint8", "float32", shape, numbers + b"x")
    yield Hostile("a grid of no channels", "uint8", "float32", (0,), b"\xff\0\0")
    yield Hostile("a grid of channels along no axis", "uint8", "float32", shape, b"\xff" + numbers[1:])
    yield Hostile("a grid of neither formula nor table", "uint8", "float32", shape, numbers[:2] + b"\2" + numbers[3:])
    yield Hostile("a grid of whole numbers", "uint8", "int64", shape, numbers)


def _pictures() -> Iterator[Hostile]:
    shape = (1, 48, 64, 3)
    baseline = simplejpeg.encode_jpeg(picture(), quality=90)
    scan = baseline.index(b"\xff\xda")
    frame = baseline.index(b"\xff\xc0")

    def announced(name: str, *jpegs: bytes, shape: tuple[int, ...] = shape, dtype: str = "uint8") -> Hostile:
        lengths = b"".join(struct.pack("<I", len(jpeg)) for jpeg in jpegs)
        return Hostile(name, "jpeg", dtype, shape, b"\0\0" + lengths + b"".join(jpegs))

    yield announced("a JPEG, empty", b"")
    yield announced("a JPEG of other size", baseline, shape=(1, 48, 32, 3))
    yield announced("a JPEG of other size, as large", baseline, shape=(1, 64, 48, 3))
    yield announced(
        "a grey JPEG", simplejpeg.encode_jpeg(picture(channels=1), colorspace="GRAY", colorsubsampling="Gray")
    )
    yield announced("a JPEG as grey", baseline, shape=(1, 48, 64, 1))
    yield announced("a JPEG as real numbers without a grid", baseline, dtype="float32")
    yield announced("a JPEG, cut off", baseline[:-100])
    yield announced("a JPEG, cut off in its header", baseline[:100])
    yield announced("a JPEG without an end", baseline[:-2])
    yield announced("a JPEG, garbage behind", baseline + b"garbage")
    yield announced("a JPEG and another", baseline + baseline)
    yield announced("two JPEGs for one", baseline, baseline)
    yield announced("one JPEG for two", baseline, shape=(2, 48, 64, 3))
    yield announced("a JPEG with a thousand scans", baseline[:-2] + baseline[scan:-2] * 1000 + baseline[-2:])
    yield announced("a JPEG that says it is progressive", baseline[: frame + 1] + b"\xc2" + baseline[frame + 2 :])
    yield announced("a JPEG of 12 bits", baseline[: frame + 4] + b"\x0c" + baseline[frame + 5 :])
    yield announced("a JPEG of two sizes", baseline[:frame] + baseline[frame : frame + 19] + baseline[frame:])
    yield announced("a JPEG without tables", baseline[:2] + baseline[frame : frame + 19] + baseline[scan:])
    yield announced("a JPEG of comments", b"\xff\xd8" + b"\xff\xfe\0\2" * 5000 + baseline[2:])
    huge = baseline[: frame + 5] + struct.pack(">HH", 4600, 4700) + baseline[frame + 9 :]
    yield announced("a JPEG bomb", huge, shape=(1, 4600, 4700, 3))
    yield Hostile("a JPEG of negative length", "jpeg", "uint8", shape, b"\0\0\xff\xff\xff\xff" + baseline)
    tiny = simplejpeg.encode_jpeg(np.ascontiguousarray(picture()[:8, :8]), quality=90)
    yield announced("more pictures than one tensor may hold", *[tiny] * 1025, shape=(1025, 8, 8, 3))
    yield Hostile("a JPEG in a third layout", "jpeg", "uint8", shape, b"\2\0" + baseline)


def _signals() -> Iterator[Hostile]:
    shape = (1, 3600)
    plain = honest(signal(*shape), Encoding(codec="flac", ratio=1))
    stream = plain[8:]

    def announced(name: str, stream: bytes, shape: tuple[int, ...] = shape) -> Hostile:
        return Hostile(name, "flac", "int16", shape, plain[:8] + stream)

    def said(packed: int, stream: bytes = stream) -> bytes:
        """Return a stream of which STREAMINFO says something else: rate, channels, bits, frames."""
        return stream[:18] + packed.to_bytes(8) + stream[26:]

    packed = int.from_bytes(stream[18:26])
    yield Hostile("a stream, nothing at all", "flac", "int16", shape, b"")
    yield Hostile("a stream as 32 bits", "flac", "int32", shape, plain)
    yield Hostile("a stream as real numbers", "flac", "float32", shape, plain)
    yield Hostile("a stream of NaN scale", "flac", "float32", shape, struct.pack("<d", np.nan) + stream)
    yield announced("a stream, cut off", stream[:-5])
    yield announced("a stream, cut off in its header", stream[:30])
    yield announced("a stream without frames", stream[:42])
    yield announced("a stream, garbage behind", stream + b"garbage" * 30)
    yield announced("a stream, its frames once more", stream + stream[42:])
    yield announced("a stream, its frames once more and garbage", stream + stream[42:] + b"garbage" * 30)
    yield announced("a stream of beginnings", stream[:42] + b"\xff\xf8" * 3600)
    longer = honest(signal(1, 4000), Encoding(codec="flac", ratio=1))[8:]
    yield announced("a stream that holds more than it says", said(packed, longer))
    yield announced("a stream with one bit turned", stream[:200] + bytes([stream[200] ^ 1]) + stream[201:])
    yield announced("a stream of fewer samples", stream, (1, 3599))
    yield announced("a stream of more samples", stream, (1, 3601))
    yield announced("a stream that says more than it holds", said(packed + 1), (1, 3601))
    yield announced("a stream of two channels", stream, (1, 2, 1800))
    yield announced("a stream that says two channels", said(packed + (1 << 41)), (1, 2, 3600))
    yield announced("a stream of 24 bits", _written("PCM_24"))
    yield announced("a stream with notes of its maker", _written("PCM_16"))
    yield announced("a stream with blocks of 16", stream[:8] + struct.pack(">HH", 16, 16) + stream[12:])
    yield announced("a stream with blocks of 65,535", stream[:8] + b"\xff\xff\xff\xff" + stream[12:])
    yield announced("a stream bomb", said((packed >> 36 << 36) + (1 << 25)), (1, 1 << 25))
    yield announced("a RIFF file", b"RIFF" + stream[4:])


def _written(subtype: str) -> bytes:
    into = BytesIO()
    soundfile.write(into, signal(3600), 48_000, subtype=subtype, format="FLAC")
    return into.getvalue()
