"""Artifacts on disk: each under its SHA-256, with the map of its pieces beside it."""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedRandom, FileIO
from pathlib import Path
from typing import IO

from model_registry.bundle import open_member
from model_registry.errors import ArtifactCorrupt, ArtifactMissing, BundleError
from model_registry.pieces import PieceMap
from model_registry.store.disk import appearing, drafting, measured, publish, remove
from model_registry.store.overheard import Overheard
from model_registry.store.quarantine import Quarantine
from model_registry.tier import Variant

Rest = Callable[[], object]
# A copy or a hash stops this often: large enough that writing and hashing take the time, and not calling; and that
# a thread that hashes beside a busy one has to wait its turn a few times only.
CHUNK_BYTES = 1 << 18
_SHA256 = re.compile("[0-9a-f]{64}")
_ROOT_BYTES = 32
UNREADABLE = "unreadable"


class Artifacts:
    """`artifacts/<sha256>` and, beside, `pieces/<sha256>`. Reading takes no lock; changing is the caller's to guard."""

    def __init__(self, root: Path) -> None:
        self._files, self._maps, self._drafts = root / "artifacts", root / "pieces", root / "incoming"
        self._quarantine = Quarantine(root)

    def path(self, sha256: str) -> Path:
        """Return where an artifact lies.

        Raises:
            ArtifactMissing: it does not, or the name is no hash.

        """
        path = self._files / named(sha256)
        if not path.is_file():
            raise _missing(sha256)
        return path

    def read(self, sha256: str) -> bytes:
        """Return an artifact's content; what was hashed is what is returned.

        Raises:
            ArtifactMissing, ArtifactCorrupt

        """
        with self._opened(sha256) as stream:
            try:
                content = stream.read()
            except OSError as error:
                raise ArtifactCorrupt(self._files / sha256, expected=sha256, found=UNREADABLE) from error
        _verify(self._files / sha256, expected=sha256, found=hashlib.sha256(content).hexdigest())
        return content

    def verify(self, sha256: str) -> Path:
        """Hash all of an artifact and return its file.

        Raises:
            ArtifactMissing, ArtifactCorrupt

        """
        with self._opened(sha256) as stream:
            self._check(sha256, stream)
        return self._files / sha256

    def read_again(self, sha256: str, rest: Rest) -> None:
        """Hash all of an artifact as it is on the disk itself, whatever memory remembers of it.

        Raises:
            ArtifactMissing, ArtifactCorrupt

        """
        with self._opened(sha256) as stream:
            _forget_cached(stream)
            self._check(sha256, stream, rest)

    def whole(self, sha256: str) -> bool:
        """Tell whether the artifact is there and undamaged; reads all of it."""
        try:
            self.verify(sha256)
        except (ArtifactMissing, ArtifactCorrupt):
            return False
        return True

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of every artifact there is."""
        return {sha256: file.st_size for sha256, file in measured(self._files).items()}

    def last_uses(self) -> dict[str, float]:
        """Return when each artifact was last used, in seconds of the system's clock."""
        return {sha256: file.st_mtime for sha256, file in measured(self._files).items()}

    def use(self, sha256: str) -> None:
        """Mark an artifact as used now: the time of its file, which nothing else changes, keeps that."""
        now_ns = time.time_ns()  # The system's own "now" for files is milliseconds coarse: two uses would look alike.
        os.utime(self.path(sha256), ns=(now_ns, now_ns))

    def forget(self, sha256: str) -> None:
        """Mark an artifact as used by nobody for ever so long."""
        os.utime(self.path(sha256), (0, 0))

    def drop(self, sha256: str) -> None:
        """Remove an artifact, then its map."""
        remove(self._files / sha256)
        remove(self._maps / sha256)

    def shelve(self, draft: BufferedRandom | FileIO, path: Path, sha256: str, piece_map: PieceMap) -> None:
        """Let a draft appear as an artifact, if it is that; its map comes first.

        A quarantine ends with the damaged copy that it was for; one that is on a whole copy is not for damage.

        Raises:
            ArtifactCorrupt: it is not.

        """
        draft.flush()
        _verify(path, expected=sha256, found=_hashed(draft))
        if self._kept_map(sha256) != piece_map:
            self.keep_map(sha256, piece_map)
        if self._quarantine.reason(sha256) and not self.whole(sha256):
            self._quarantine.lift(sha256)
        publish(draft, path, self._files / sha256)

    def kept_map(self, sha256: str) -> PieceMap | None:
        """Return the map of an artifact's pieces that lies beside it; none when that is lost or damaged.

        Raises:
            ArtifactMissing

        """
        self.path(sha256)
        return self._kept_map(sha256)

    def keep_map(self, sha256: str, piece_map: PieceMap) -> None:
        """Lay a map beside its artifact."""
        with appearing(self._maps / sha256, self._drafts) as target:
            target.write(bytes.fromhex(piece_map.root) + piece_map.encoded)

    def made_map(self, sha256: str) -> PieceMap:
        """Return the map of an artifact that is whole.

        Raises:
            ArtifactMissing, ArtifactCorrupt

        """
        with self._opened(sha256) as stream:
            heard = Overheard(stream)
            try:
                made = PieceMap.of(heard)
            except OSError as error:
                raise ArtifactCorrupt(self._files / sha256, expected=sha256, found=UNREADABLE) from error
        _verify(self._files / sha256, expected=sha256, found=heard.sha256)
        return made

    def damaged(self, sha256: str, piece_map: PieceMap) -> Iterator[int]:
        """Yield every piece that is damaged on the disk itself."""
        with self._opened(sha256) as stream:
            _forget_cached(stream)
            for index in range(piece_map.count):
                if not piece_map.matches(index, piece_of(stream, piece_map, index)):
                    yield index

    def pieces(self, sha256: str, piece_map: PieceMap, indices: range) -> Iterator[bytes]:
        """Yield pieces, each verified.

        Raises:
            ArtifactMissing, ArtifactCorrupt

        """
        with self._opened(sha256) as stream:
            for index in indices:
                if not 0 <= index < piece_map.count:
                    raise ArtifactMissing(f"Artifact {sha256} has no piece {index}, for it has {piece_map.count}.")
                content = piece_of(stream, piece_map, index)
                if not piece_map.matches(index, content):
                    raise ArtifactCorrupt(self._files / sha256, expected=sha256, found=f"not: piece {index} changed")
                yield content

    def repair(self, sha256: str, piece_map: PieceMap, pieces: Mapping[int, bytes]) -> None:
        """Put a copy with these pieces in the artifact's place, if that makes it whole.

        Raises:
            ArtifactMissing, ArtifactCorrupt

        """
        with self._opened(sha256) as damaged, drafting(self._drafts) as (draft, path):
            _copy_readable(damaged, draft, piece_map)
            for index, content in pieces.items():
                draft.seek(piece_map.extent(index)[0])
                draft.write(content)
            self.shelve(draft, path, sha256, piece_map)

    def take_over(self, bundle: Path, variant: Variant) -> None:
        """Copy a bundle's file.

        Raises:
            BundleError: it is not the artifact that the variant names.

        """
        with open_member(bundle, variant.file) as source, drafting(self._drafts) as (draft, path):
            n_bytes = _copy(source, draft, limit_bytes=variant.size_bytes)
            try:
                self.shelve(draft, path, variant.artifact, PieceMap.of(draft))
            except ArtifactCorrupt as error:
                raise BundleError(
                    f"'{variant.file}' in {bundle} is not the artifact that the manifest names: "
                    f"expected {variant.size_bytes} bytes with SHA-256 {variant.artifact}, "
                    f"found {n_bytes} with {error.found}.",
                    hint="Get the bundle again, or correct artifact and size_bytes if the change was meant.",
                ) from error

    def _kept_map(self, sha256: str) -> PieceMap | None:
        try:
            return _unsealed((self._maps / sha256).read_bytes())
        except (OSError, ValueError):
            return None

    def _check(self, sha256: str, stream: FileIO, rest: Rest = lambda: None) -> None:
        try:
            found = _hashed(stream, rest)
        except OSError as error:
            raise ArtifactCorrupt(self._files / sha256, expected=sha256, found=UNREADABLE) from error
        _verify(self._files / sha256, expected=sha256, found=found)

    @contextmanager
    def _opened(self, sha256: str) -> Iterator[FileIO]:
        """Open an artifact; it may be removed the moment before, and stays readable when it is the moment after."""
        try:
            stream = self.path(sha256).open("rb", buffering=0)
        except FileNotFoundError:
            raise _missing(sha256) from None
        with stream:
            yield stream


def named(sha256: str) -> str:
    """Return a hash that may name a file; it may come from a peer, and must not become a path elsewhere.

    Raises:
        ArtifactMissing: it is no hash.

    """
    if not _SHA256.fullmatch(sha256):
        raise _missing(sha256)
    return sha256


def _copy(source: IO[bytes], target: IO[bytes], *, limit_bytes: int) -> int:
    """Copy until the end, or until past the limit, and return how many bytes that were."""
    n_bytes = 0
    while n_bytes <= limit_bytes and (chunk := source.read(CHUNK_BYTES)):
        target.write(chunk)
        n_bytes += len(chunk)
    return n_bytes


def _copy_readable(source: FileIO, target: BufferedRandom, piece_map: PieceMap) -> None:
    """Copy what an artifact should hold, and holes where the disk cannot read it."""
    try:
        target.writelines(_chunks(source))
    except OSError:
        for index in range(piece_map.count):
            target.seek(piece_map.extent(index)[0])
            target.write(piece_of(source, piece_map, index))
    target.truncate(piece_map.size_bytes)


def _hashed(stream: BufferedRandom | FileIO, rest: Rest = lambda: None) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(stream):
        rest()
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(stream: BufferedRandom | FileIO) -> Iterator[bytes]:
    start = 0
    while chunk := os.pread(stream.fileno(), CHUNK_BYTES, start):
        yield chunk
        start += len(chunk)


def piece_of(stream: FileIO, piece_map: PieceMap, index: int) -> bytes:
    """Return what lies where a piece should; nothing where the disk cannot read it.

    The last piece brings along what lies beyond the end, so that a file that has grown is damaged in that piece.
    """
    start, length = piece_map.extent(index)
    beyond = int(index == piece_map.count - 1)
    try:
        return os.pread(stream.fileno(), length + beyond, start)
    except OSError:
        return b""


def _forget_cached(stream: FileIO) -> None:
    """Have what is read next come from the disk, where the system can be told that."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _unsealed(sealed: bytes) -> PieceMap:
    """Read a map as it is kept: behind its own root, so that a damaged map is not taken for a damaged artifact."""
    piece_map = PieceMap.decoded(sealed[_ROOT_BYTES:])
    if bytes.fromhex(piece_map.root) != sealed[:_ROOT_BYTES]:
        raise ValueError("a damaged piece map")
    return piece_map


def _missing(sha256: str) -> ArtifactMissing:
    return ArtifactMissing(f"The store has no artifact {sha256}.", hint="Add its model again.")


def _verify(path: Path, *, expected: str, found: str) -> None:
    if found != expected:
        raise ArtifactCorrupt(path, expected=expected, found=found)
