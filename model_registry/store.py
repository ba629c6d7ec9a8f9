"""Models on a node's disk: artifacts under their SHA-256, manifests under their name."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST, open_member
from model_registry.errors import ArtifactCorrupt, ArtifactMissing, BundleError, ManifestError, ModelUnknown
from model_registry.flaw import closest
from model_registry.manifest import Manifest
from model_registry.tier import Variant

# A copy stops for a hash update this often; large enough that hashing, not calling, takes the time.
CHUNK_BYTES = 1 << 20
_SHA256 = re.compile("[0-9a-f]{64}")


class ModelStore:
    """A content-addressed store below `root`: `artifacts/<sha256>`, `models/<name>.toml`, `incoming/`.

    A file is visible only when complete: written to `incoming/`, synced, renamed, its folder synced. A
    manifest becomes visible after its artifacts. Every load hashes what it reads. All methods block.
    """

    def __init__(self, root: Path) -> None:
        """Open the store at `root`, making it when it is not there."""
        self.root = root
        self._artifacts, self._models, self._incoming = root / "artifacts", root / "models", root / "incoming"
        for folder in (self._artifacts, self._models, self._incoming):
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, source: Path) -> Manifest:
        """Copy a bundle (its folder, or its manifest file) into the store and return its manifest.

        Raises:
            ManifestError: the manifest is not valid.
            BundleError: a file is missing, is reached by a link, or is not the one that the manifest names.

        """
        bundle, name = (source, MANIFEST) if source.is_dir() else (source.parent, source.name)
        return self._add(bundle, name)

    def install_bundled(self, name: str) -> Manifest:
        """Copy a model that ships with this package into the store and return its manifest.

        Raises:
            ModelUnknown: no such model ships.

        """
        shipped = bundled_models()
        if name not in shipped:
            raise ModelUnknown(f"No model '{name}' ships with meshd.", hint=closest(name, shipped))
        return self._add(shipped[name], MANIFEST)

    def models(self) -> tuple[str, ...]:
        """Return the names of all models in the store, sorted."""
        return tuple(sorted(path.stem for path in self._models.glob("*.toml")))

    def open(self, name: str) -> Manifest:
        """Return a model's manifest.

        Raises:
            ModelUnknown: the store has no such model.
            ManifestError: the stored manifest was damaged.

        """
        if name not in self.models():
            raise ModelUnknown(f"The store has no model '{name}'.", hint=_offer(name, self.models()))
        return manifests.load(self._models / f"{name}.toml")

    def artifact_path(self, sha256: str) -> Path:
        """Return an artifact's file after hashing all of it.

        Raises:
            ArtifactMissing: the store has no such artifact.
            ArtifactCorrupt: its content changed; it must not be loaded.

        """
        path = self._located(sha256)
        with path.open("rb") as stream:
            _verify(path, expected=sha256, found=hashlib.file_digest(stream, "sha256").hexdigest())
        return path

    def read_artifact(self, sha256: str) -> bytes:
        """Return an artifact's content; what was hashed is what is returned, whatever happens to the file.

        Raises:
            ArtifactMissing: the store has no such artifact.
            ArtifactCorrupt: its content changed; it must not be loaded.

        """
        path = self._located(sha256)
        content = path.read_bytes()
        _verify(path, expected=sha256, found=hashlib.sha256(content).hexdigest())
        return content

    def _located(self, sha256: str) -> Path:
        path = self._artifacts / sha256
        # The name may come from a peer, and must not become a path elsewhere.
        if not _SHA256.fullmatch(sha256) or not path.is_file():
            raise ArtifactMissing(f"The store has no artifact {sha256}.", hint="Add its model again.")
        return path

    def _add(self, bundle: Traversable, name: str) -> Manifest:
        with open_member(bundle, name) as stream:
            text = _decoded(stream.read(), f"{bundle}/{name}")
        manifest = manifests.loads(text, f"{bundle}/{name}")
        for _, variant in manifest.variants():
            self._add_artifact(bundle, variant)
        with self._writing(self._models / f"{manifest.name}.toml") as target:
            target.write(text.encode())
        return manifest

    def _add_artifact(self, bundle: Traversable, variant: Variant) -> None:
        if self._holds(variant.artifact):
            return  # Hashing what is there costs a fraction of writing and syncing it again.
        with (
            open_member(bundle, variant.file) as source,
            self._writing(self._artifacts / variant.artifact) as target,
        ):
            n_bytes, found = _copy(source, target, limit_bytes=variant.size_bytes)
            if n_bytes > variant.size_bytes or found != variant.artifact:
                raise BundleError(
                    f"'{variant.file}' in {bundle} is not the artifact that the manifest names: "
                    f"expected {variant.size_bytes} bytes with SHA-256 {variant.artifact}, "
                    f"found {n_bytes} with {found}.",
                    hint="Get the bundle again, or correct artifact and size_bytes if the change was meant.",
                )

    def _holds(self, sha256: str) -> bool:
        try:
            self.artifact_path(sha256)
        except (ArtifactMissing, ArtifactCorrupt):
            return False
        return True

    @contextmanager
    def _writing(self, destination: Path) -> Iterator[IO[bytes]]:
        """Give a file that appears at `destination` whole and on disk, or not at all."""
        with NamedTemporaryFile(dir=self._incoming, suffix=".partial", delete=False) as target:
            partial = Path(target.name)
            try:
                yield target
                target.flush()
                os.fsync(target.fileno())
                partial.replace(destination)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        _sync_folder(destination.parent)


def bundled_models() -> dict[str, Traversable]:
    """Return the models that ship with this package: the folder of each by the model's name."""
    return {
        manifests.loads(found.read_text(encoding="utf-8"), str(found)).name: folder
        for folder in files("model_registry").joinpath("zoo").iterdir()
        if folder.is_dir() and (found := folder.joinpath(MANIFEST)).is_file()
    }


def _verify(path: Path, *, expected: str, found: str) -> None:
    if found != expected:
        raise ArtifactCorrupt(path, expected=expected, found=found)


def _copy(source: IO[bytes], target: IO[bytes], *, limit_bytes: int) -> tuple[int, str]:
    """Copy until the end, or until past the limit, and return how many bytes that were and their SHA-256."""
    digest, n_bytes = hashlib.sha256(), 0
    while n_bytes <= limit_bytes and (chunk := source.read(CHUNK_BYTES)):
        digest.update(chunk)
        target.write(chunk)
        n_bytes += len(chunk)
    return n_bytes, digest.hexdigest()


def _decoded(content: bytes, source: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ManifestError(source, None, "is not UTF-8 text.", hint="TOML must be.") from error


def _offer(name: str, known: tuple[str, ...]) -> str:
    return closest(name, known) if known else "It is empty: add a model first."


def _sync_folder(folder: Path) -> None:
    """Make a rename inside the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
