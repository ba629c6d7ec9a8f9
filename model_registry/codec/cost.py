"""How long a codec takes here: figures of one machine, carried to this one by what a small sum takes on both.

Each codec timed at start-up would load libraries that a watch may never need; the sum takes less than a millisecond and
is done once, when somebody first asks.
"""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import NamedTuple

import numpy as np

from model_registry.encoding import Codec


class _Cost(NamedTuple):
    message_us: float
    """Of every tensor, and of every picture in it, however small."""
    byte_ns: float
    """Of every byte of the raw tensor."""


# Encoding and decoding together, one thread of the machine of docs/decisions/0018-codecs.md; docs/decisions/measure/
# tensor_encodings.py prints this table anew.
_COSTS: dict[Codec, _Cost] = {
    "uint8": _Cost(20, 1.2),
    "fp16": _Cost(15, 1.2),
    "int8": _Cost(35, 0.2),
    "jpeg": _Cost(35, 2.2),
    "flac": _Cost(120, 8.2),
}
YARDSTICK_US = 13.2
"""What :func:`yardstick_us` took there."""
_YARDSTICK_ELEMENTS = 1 << 16


def seconds(codec: Codec, n_bytes: int, shape: tuple[int, ...] = ()) -> float:
    """Return the seconds to encode and to decode a tensor of `n_bytes`, with a node like this one at both ends.

    `shape` tells how many pictures there are: each is encoded and decoded by itself.
    """
    cost, pieces = _COSTS[codec], shape[0] if codec == "jpeg" and len(shape) == 4 else 1
    return (cost.message_us * pieces + cost.byte_ns * n_bytes / 1e3) / 1e6 * _slowness()


def yardstick_us() -> float:
    """Measure the sum: 65,536 numbers scaled, rounded and made bytes; the best of ten, for others may be at work."""
    numbers = np.linspace(0, 255, _YARDSTICK_ELEMENTS, dtype=np.float32)
    return 1e6 * min(_timed(numbers) for _ in range(10))


def _timed(numbers: np.typing.NDArray[np.float32]) -> float:
    start = perf_counter()
    np.rint(numbers * np.float32(0.5)).astype(np.uint8)
    return perf_counter() - start


@cache
def _slowness() -> float:
    return yardstick_us() / YARDSTICK_US
