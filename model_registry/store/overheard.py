"""A stream that hashes along."""

import hashlib

from model_registry.pieces import Readable


class Overheard:
    """Gives what another stream gives, and its SHA-256: of one reading, so that both are of the same bytes."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Return the hash of all that was read since the latest return to the start."""
        return self._digest.hexdigest()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to the start, to hear all of it, or to the end, to learn how long it is."""
        self._digest = hashlib.sha256()
        return self._stream.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        """Read on."""
        content = self._stream.read(size)
        self._digest.update(content)
        return content
