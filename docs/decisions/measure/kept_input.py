"""What it costs to tell later whether a request is asked again: python docs/decisions/measure/kept_input.py."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from hashlib import blake2b, sha256
from timeit import repeat

import numpy as np


def microseconds(step: Callable[[], object], times: int) -> float:
    """Return what a step takes, the best of five series."""
    return min(repeat(step, number=times, repeat=5)) / times * 1e6


def main() -> None:
    """Print a line for each size and way."""
    for n_bytes, times in ((7_200, 5_000), (600_000, 100)):
        payload = np.random.default_rng(0).integers(0, 256, n_bytes, np.uint8).tobytes()
        view = memoryview(payload)
        ways: dict[str, Callable[[], object]] = {
            "sha256": lambda view=view: sha256(view).digest(),
            "blake2b, 16 bytes": lambda view=view: blake2b(view, digest_size=16).digest(),
            "siphash (Python's own)": lambda view=view: hash(view[:]),
            "crc32": lambda view=view: zlib.crc32(view),
            "copy": lambda view=view: bytes(view),
        }
        for name, step in ways.items():
            print(f"{n_bytes:>9,} bytes  {name:24} {microseconds(step, times):8.1f} us")


if __name__ == "__main__":
    main()
