"""How an artifact is cut into pieces, so that damage is found, mended and fetched piece by piece."""

import hashlib
from collections.abc import Iterable
from io import BytesIO
from typing import Annotated, Protocol

from msgspec import Meta, Struct

# Disks lose whole blocks of 4 KiB: a smaller piece could not be damaged alone.
SMALLEST_PIECE_BYTES = 4096
# A map of so many digests is 32 KiB: one small frame, whatever the artifact weighs.
MOST_PIECES = 1024
# Beyond this part of its pieces, damage is no accident of one block any more, and the whole artifact is suspect.
MENDABLE_PART = 0.05

_DIGEST_BYTES = hashlib.sha256().digest_size
_SIZE_BYTES = 8
_DOMAIN = b"meshd pieces v1\n"


def piece_bytes(size_bytes: int) -> int:
    """Return how long the pieces of an artifact are, a power of two; only its last piece may be shorter."""
    needed = -(-size_bytes // MOST_PIECES)
    return max(SMALLEST_PIECE_BYTES, 1 << (needed - 1).bit_length())


def mendable(damaged: int, pieces: int) -> bool:
    """Tell whether so many damaged pieces of an artifact are few enough to mend."""
    return damaged <= max(1, int(MENDABLE_PART * pieces))


class Readable(Protocol):
    """What a map is made from: any binary file."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go somewhere, and say where that is."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Read on, and return nothing at the end."""
        ...


class PieceMap(Struct, frozen=True, kw_only=True):
    """The SHA-256 of every piece of one artifact. Pure: it knows contents only as they are shown to it."""

    size_bytes: Annotated[int, Meta(ge=1)]
    digests: bytes
    """32 bytes a piece, in the order of the pieces."""

    def __post_init__(self) -> None:
        """Refuse a map that has not one digest for every piece."""
        if len(self.digests) != self.count * _DIGEST_BYTES:
            raise ValueError(f"{len(self.digests)} bytes of digests for {self.count} pieces")

    @classmethod
    def of(cls, content: bytes | Readable) -> "PieceMap":
        """Return the map of a content that is not empty: bytes, or a stream that can seek, read from its start."""
        stream = BytesIO(content) if isinstance(content, bytes) else content
        size_bytes = stream.seek(0, 2)
        stream.seek(0)
        length = piece_bytes(size_bytes)
        return cls(size_bytes=size_bytes, digests=b"".join(_digests(stream, length)))

    @classmethod
    def decoded(cls, encoded: bytes) -> "PieceMap":
        """Read what :attr:`encoded` wrote.

        Raises:
            ValueError: it is no piece map.

        """
        size_bytes = int.from_bytes(encoded[:_SIZE_BYTES], "big")
        if size_bytes < 1:
            raise ValueError("a piece map of nothing")
        return cls(size_bytes=size_bytes, digests=encoded[_SIZE_BYTES:])

    @property
    def encoded(self) -> bytes:
        """The size (8 bytes, big endian), then the digests: what a store keeps and a peer sends."""
        return self.size_bytes.to_bytes(_SIZE_BYTES, "big") + self.digests

    @property
    def count(self) -> int:
        """How many pieces there are."""
        return -(-self.size_bytes // piece_bytes(self.size_bytes))

    @property
    def root(self) -> str:
        """The one hash that stands for the whole map, 64 hex digits; a manifest names it.

        The words before the content keep a map from ever passing for an artifact, or an artifact for a map.
        """
        return hashlib.sha256(_DOMAIN + self.encoded).hexdigest()

    def extent(self, index: int) -> tuple[int, int]:
        """Return where a piece starts and how long it is, in bytes."""
        length = piece_bytes(self.size_bytes)
        start = index * length
        return start, min(length, self.size_bytes - start)

    def matches(self, index: int, content: bytes) -> bool:
        """Tell whether `content` is this piece, all of it and nothing else."""
        at = index * _DIGEST_BYTES
        return hashlib.sha256(content).digest() == self.digests[at : at + _DIGEST_BYTES]


def _digests(stream: Readable, length: int) -> Iterable[bytes]:
    while piece := stream.read(length):
        yield hashlib.sha256(piece).digest()
