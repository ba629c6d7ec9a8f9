"""A download that survives interruptions."""

import os
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Self

from model_registry.errors import ArtifactCorrupt, ArtifactMissing, DownloadRefused, StoreBusy
from model_registry.pieces import PieceMap
from model_registry.store.artifacts import Artifacts, named, piece_of
from model_registry.store.disk import changing, taken, translated

DOWNLOAD = ".download"


class Incoming:
    """One artifact on its way into the store, as a context: its pieces may come in any order, from anybody.

    What is on disk is believed only by its hash, so that an interrupted download goes on where it stopped, and a
    damaged copy that lies in the store already spares its undamaged pieces.
    """

    def __init__(self, root: Path, sha256: str, piece_map: PieceMap) -> None:
        """Begin, or take up again.

        Raises:
            StoreBusy: the artifact is being downloaded already.

        """
        self._root, self._sha256, self._map = root, named(sha256), piece_map
        self._artifacts = Artifacts(root)
        self._path = root / "incoming" / f"{sha256}{DOWNLOAD}"
        with changing(root):
            self._file = self._opened()
        with translated(root):
            self._missing = self._unwritten()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave it for now; what has come stays."""
        self._file.close()

    def missing(self) -> Sequence[int]:
        """Return the pieces that have not come yet, in order."""
        return sorted(self._missing)

    def put(self, index: int, content: bytes) -> None:
        """Write one piece.

        Raises:
            DownloadRefused: it is not that piece; the sender was wrong, or lies.
            StoreFull, StoreReadOnly, StoreFailed

        """
        if not (0 <= index < self._map.count and self._map.matches(index, content)):
            raise DownloadRefused(f"This is not piece {index} of artifact {self._sha256}.")
        with translated(self._root):
            self._write(index, content)
        self._missing.discard(index)

    def finish(self) -> None:
        """Let the artifact appear in the store, whole and verified.

        Raises:
            DownloadRefused: pieces are missing, or the map was not that of this artifact: then all of it is dropped.
            StoreBusy, StoreFull, StoreReadOnly, StoreFailed

        """
        if self._missing:
            raise DownloadRefused(f"{len(self._missing)} pieces of artifact {self._sha256} have not come yet.")
        with changing(self._root):
            try:
                self._artifacts.shelve(self._file, self._path, self._sha256, self._map)
            except ArtifactCorrupt as error:
                self._path.unlink()
                raise DownloadRefused(
                    f"All pieces came, and together they are not artifact {self._sha256}: the piece map was wrong.",
                    hint="Take the piece map from somebody else.",
                ) from error

    def discard(self) -> None:
        """Give the download up, and the room that it took."""
        with changing(self._root):
            self._path.unlink(missing_ok=True)
        self.close()

    def _opened(self) -> FileIO:
        # Without buffer: what was written is in the hands of the system, should this process be killed.
        file = FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
        if not taken(file.fileno()):
            file.close()
            raise StoreBusy(f"Artifact {self._sha256} is being downloaded already.", hint="Wait for that.")
        file.truncate(self._map.size_bytes)
        return file

    def _unwritten(self) -> set[int]:
        indices = range(self._map.count)
        missing = {index for index in indices if not self._map.matches(index, piece_of(self._file, self._map, index))}
        return {index for index in missing if not self._salvaged(index)}

    def _salvaged(self, index: int) -> bool:
        """Take a piece over from the copy in the store, damaged as that may be."""
        try:
            with self._artifacts.path(self._sha256).open("rb", buffering=0) as copy:
                content = piece_of(copy, self._map, index)
        except (ArtifactMissing, FileNotFoundError):
            return False
        if not self._map.matches(index, content):
            return False
        self._write(index, content)
        return True

    def _write(self, index: int, content: bytes) -> None:
        start, _ = self._map.extent(index)
        written = os.pwrite(self._file.fileno(), content, start)
        if written != len(content):  # A disk that is almost full takes a part.
            os.pwrite(self._file.fileno(), content[written:], start + written)
