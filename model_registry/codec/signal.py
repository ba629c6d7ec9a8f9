"""`flac`: signals of 16 bits, lossless; real numbers too, where they are whole multiples of a declared scale.

Eight bytes of scale (0: int16 as they are), then a FLAC stream of STREAMINFO and its frames, with nothing else in it.
"""

from __future__ import annotations

import struct
from ctypes.util import find_library
from importlib.util import find_spec
from io import BytesIO
from math import isfinite, prod
from typing import Any

import numpy as np

from model_registry.codec.encoded import REAL, Array, Encoded, same_bits, within_ratio
from model_registry.codec.flac_frames import are_all
from model_registry.encoding import Encoding
from model_registry.errors import CodecMissing, Undecodable
from model_registry.extra import installing

_SCALE = struct.Struct("<d")
_MAGIC = b"fLaC"
_STREAM_INFO_BYTES = 34  # RFC 9639, section 8.2.
_HEAD_BYTES = 8 + _STREAM_INFO_BYTES
_BLOCK_FRAMES = (1152, 4096)  # What libFLAC chooses at its levels; it makes room for a whole block.
_MOST_CHANNELS = 8
_RATE_HZ = 48_000  # A field that FLAC wants and nothing here reads.


def available() -> bool:
    """Tell whether this node has the library, without loading it; some wheels bring libsndfile, others look for it."""
    return find_spec("soundfile") is not None and bool(find_spec("_soundfile_data") or find_library("sndfile"))


def encode(array: Array, encoding: Encoding) -> Encoded | None:
    """Return int16, or real numbers on the declared scale; none where a single bit would be lost."""
    scale = encoding.scale[0] if encoding.scale else 0.0
    numbers = array if array.dtype == np.int16 else whole_numbers(array, scale)
    if numbers is None or not numbers.size:
        return None
    frames = _frames(numbers)
    stream = _bare(_compressed(frames))
    if not _ends_with_its_frames(memoryview(stream), len(frames)):
        return None
    content = memoryview(_SCALE.pack(0.0 if array.dtype == np.int16 else scale) + stream)
    return Encoded(content, lossless=True) if within_ratio(numbers.nbytes, content) else None


def decode(content: memoryview, dtype: str, shape: tuple[int, ...]) -> Array:
    """Return the signals, of `shape`.

    Raises:
        Undecodable: the stream is not of that shape by its own header, is broken, or goes on behind its end.
        CodecMissing: soundfile is not installed.
    """
    scale = _scale(content, dtype)
    stream = content[_SCALE.size :]
    channels = _channels(shape)
    frames = prod(shape) // channels
    _check_header(stream, frames, channels)
    if not within_ratio(2 * prod(shape), content):
        raise Undecodable(f"A FLAC stream of {len(content):,} bytes announces {frames:,} frames, which is a bomb.")
    if not _ends_with_its_frames(stream, frames):
        raise Undecodable(f"A FLAC stream holds other blocks than those of {frames:,} frames.")
    numbers = _arranged(_decompressed(stream, frames, channels), shape)
    if not scale:
        return numbers
    return (numbers * scale).astype(dtype)


def _scale(content: memoryview, dtype: str) -> float:
    scale = float(_SCALE.unpack_from(content)[0]) if len(content) > _SCALE.size else -1.0
    if not isfinite(scale) or scale < 0 or (dtype not in REAL if scale else dtype != "int16"):
        raise Undecodable(f"A signal of scale {scale:g} is no tensor of {dtype}.")
    return scale


def whole_numbers(array: Array, scale: float) -> Array | None:
    """Return int16 of which the scale gives back the very bits of an array of real numbers, if there are such."""
    if array.dtype.name not in REAL or not scale:
        return None
    with np.errstate(all="ignore"):
        counts = np.rint(array / scale)
        if not ((counts >= -32768) & (counts <= 32767)).all():
            return None
        numbers = counts.astype(np.int16)
    return numbers if same_bits((numbers * scale).astype(array.dtype), array) else None


def _channels(shape: tuple[int, ...]) -> int:
    """Return the channels of a stream: those of [batch, channels, samples] if FLAC has so many, else one."""
    return shape[1] if len(shape) == 3 and 1 <= shape[1] <= _MOST_CHANNELS else 1


def _frames(numbers: Array) -> Array:
    """Return int16[frames, channels]: the items of a batch one behind the other."""
    channels = _channels(numbers.shape)
    if channels > 1:
        numbers = numbers.transpose(0, 2, 1)
    return np.ascontiguousarray(numbers).reshape(-1, channels)


def _arranged(frames: Array, shape: tuple[int, ...]) -> Array:
    channels = _channels(shape)
    if channels == 1:
        return frames.reshape(shape)
    return np.ascontiguousarray(frames.reshape(shape[0], shape[2], channels).transpose(0, 2, 1))


def _compressed(frames: Array) -> bytes:
    library = _library()
    into = BytesIO()
    with library.SoundFile(into, "w", _RATE_HZ, frames.shape[1], "PCM_16", format="FLAC") as stream:
        stream.write(frames)
    return into.getvalue()


def _bare(stream: bytes) -> bytes:
    """Return a stream without the notes of its maker: 44 bytes in every message."""
    end = len(_MAGIC)
    last = False
    while not last:
        last = bool(stream[end] & 0x80)
        end += 4 + int.from_bytes(stream[end + 1 : end + 4])
    info = stream[len(_MAGIC) + 1 : len(_MAGIC) + 4 + _STREAM_INFO_BYTES]
    return _MAGIC + b"\x80" + info + stream[end:]


def _check_header(stream: memoryview, frames: int, channels: int) -> None:
    """Hold STREAMINFO against what is expected before anything is allocated for it.

    Raises:
        Undecodable: it says something else.
    """
    head = bytes(stream[:_HEAD_BYTES])
    if len(head) < _HEAD_BYTES or head[:8] != _MAGIC + b"\x80\0\0" + bytes([_STREAM_INFO_BYTES]):
        raise Undecodable("A signal is not a FLAC stream of STREAMINFO and frames alone.")
    smallest, largest = struct.unpack_from(">HH", head, 8)
    packed = int.from_bytes(head[18:26])  # 20 bits of rate, 3 of channels, 5 of sample size, 36 of frames.
    found = ((packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1)
    if smallest != largest or largest not in _BLOCK_FRAMES:
        raise Undecodable(f"A FLAC stream has blocks of {smallest} to {largest} frames, which ours never have.")
    if found != (channels, 16, frames):
        raise Undecodable(
            f"A FLAC stream of {found[2]:,} frames, {found[0]} channels and {found[1]} bits was announced as "
            f"{frames:,} frames, {channels} channels and 16 bits."
        )


def _ends_with_its_frames(stream: memoryview, frames: int) -> bool:
    """Tell whether a stream whose header is in order has no more blocks than it needs."""
    return are_all(stream[_HEAD_BYTES:], samples=frames, block_samples=int.from_bytes(stream[8:10]))


def _decompressed(stream: memoryview, frames: int, channels: int) -> Array:
    library = _library()
    into = np.empty((frames + 1, channels), np.int16)  # Only who asks for more is told of what lies behind the end.
    try:
        with library.SoundFile(BytesIO(stream)) as source:
            if (source.format, source.frames, source.channels) != ("FLAC", frames, channels):
                raise Undecodable(f"A FLAC stream turned out to be {source.format} of {source.frames} frames.")
            count = source.buffer_read_into(into, "int16")
    except (library.SoundFileError, ValueError, AssertionError) as error:
        raise Undecodable(f"A FLAC stream is broken: {error}") from error
    if count != frames:
        raise Undecodable(f"A FLAC stream announced {frames:,} frames and held {count:,}.")
    return into[:frames]


def _library() -> Any:
    try:
        import soundfile  # noqa: PLC0415 - an optional extra that loads a library.
    except (ImportError, OSError) as error:  # OSError: the library behind it is missing.
        raise CodecMissing(
            "FLAC needs soundfile, which is not installed.", hint=f"Run: {installing('codecs')}"
        ) from error
    return soundfile
