"""What the length of a piece costs: hashing an artifact, its map, and what one flipped bit makes a peer send."""

import hashlib
import os
import random
import tempfile
import time
from collections.abc import Callable
from statistics import median

from model_registry.pieces import piece_bytes

SIZE_BYTES = 20 * 2**20
CHUNK_BYTES = 2**18
RUNS = 9


def main() -> None:
    """Print the table."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(random.Random(0).randbytes(SIZE_BYTES))  # noqa: S311 - nothing secret, and the same every time
        file.flush()
        os.fsync(file.fileno())
        whole = cpu_ms(lambda: read(file.fileno(), CHUNK_BYTES, each=False))
        print(f"whole, in chunks of {CHUNK_BYTES // 1024} KiB: {whole:.1f} ms of a core")
        print("piece, bytes | pieces | ms of a core | map, bytes | refetched for one bit, bytes")
        for exponent in range(12, 21):
            length = 1 << exponent
            spent = cpu_ms(lambda length=length: read(file.fileno(), length, each=True))  # type: ignore[misc]
            count = -(-SIZE_BYTES // length)
            chosen = "  <- chosen" if length == piece_bytes(SIZE_BYTES) else ""
            print(f"{length} | {count} | {spent:.1f} | {32 * count} | {length}{chosen}")


def read(descriptor: int, length: int, *, each: bool) -> None:
    """Hash a file from the disk: as a whole, or every part of this length by itself."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    digest, start = hashlib.sha256(), 0
    while part := os.pread(descriptor, length, start):
        if each:
            hashlib.sha256(part).digest()
        else:
            digest.update(part)
        start += len(part)


def cpu_ms(act: Callable[[], None]) -> float:
    """Return the median processor time of an act."""
    spent = []
    for _ in range(RUNS):
        started = time.thread_time()
        act()
        spent.append((time.thread_time() - started) * 1e3)
    return median(spent)


if __name__ == "__main__":
    main()
