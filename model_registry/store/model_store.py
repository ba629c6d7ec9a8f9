"""Models on a node's disk: artifacts under their SHA-256, manifests under their name."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST, open_member
from model_registry.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    ManifestError,
    ModelUnknown,
    StoreBusy,
    StoreFull,
    StoreReadOnly,
)
from model_registry.flaw import closest
from model_registry.manifest import Manifest
from model_registry.pieces import PieceMap
from model_registry.store.artifacts import Artifacts, named
from model_registry.store.bundled import bundled_models
from model_registry.store.disk import PARTIAL, changing, listed, measured, remove, taken, translated
from model_registry.store.incoming import DOWNLOAD, Incoming
from model_registry.store.manifests import Manifests
from model_registry.store.quarantine import Quarantine
from model_registry.store.room import giving_way

# A download, or an artifact whose manifest never came, that nobody has touched for so long is not waited for.
FORGOTTEN_S = 7 * 86_400.0


class ModelStore:
    """A content-addressed store below `root`, for the threads of a daemon and for commands beside it at once.

    `artifacts/<sha256>` with `pieces/<sha256>`, `models/<name>.toml`, `quarantine/<sha256>`, `incoming/`. A file is
    visible only when complete: written to `incoming/`, verified, synced, renamed, its folder synced. Changes take
    turns by a lock on `root`; reading needs none, and believes nothing that it has not hashed. A model may be here
    with only some of its artifacts. All methods block.
    """

    def __init__(self, root: Path) -> None:
        """Open the store at `root`: make what is not there, remove what interrupted writes have left.

        Raises:
            StoreFull, StoreFailed

        """
        self.root = root
        self._artifacts, self._manifests, self._quarantine = Artifacts(root), Manifests(root), Quarantine(root)
        try:
            with translated(root):
                for folder in ("artifacts", "pieces", "models", "quarantine", "incoming"):
                    (root / folder).mkdir(parents=True, exist_ok=True)
            with changing(root):
                self._sweep()
        except StoreReadOnly:  # It can still be read.
            return

    def add(self, source: Path) -> Manifest:
        """Copy a bundle (its folder, or its manifest file) into the store and return its manifest.

        Raises:
            ManifestError: the manifest is not valid.
            BundleError: a file is missing, is reached by a link, or is not the one that the manifest names.
            StoreFull, StoreReadOnly, StoreBusy, StoreFailed

        """
        bundle, name = (source, MANIFEST) if source.is_dir() else (source.parent, source.name)
        return self._add(bundle, name)

    def install_bundled(self, name: str) -> Manifest:
        """Copy a model that ships with this package into the store and return its manifest.

        Raises:
            ModelUnknown: no such model ships.
            StoreFull, StoreReadOnly, StoreBusy, StoreFailed

        """
        shipped = bundled_models()
        if name not in shipped:
            raise ModelUnknown(f"No model '{name}' ships with meshd.", hint=closest(name, shipped))
        return self._add(shipped[name], MANIFEST)

    def add_manifest(self, text: str) -> Manifest:
        """Let a model appear whose artifacts, those that are wanted here, are in the store already.

        Artifacts that only a former manifest of this name needed are removed.

        Raises:
            ManifestError: the manifest is not valid.
            StoreFull, StoreReadOnly, StoreBusy, StoreFailed

        """
        manifest = manifests.loads(text)
        with changing(self.root):
            self._replace(manifest, text)
        return manifest

    def remove(self, model: str) -> None:
        """Remove a model, its artifacts first: those that no other model names.

        Raises:
            ModelUnknown: the store has no such model.
            StoreReadOnly, StoreBusy, StoreFailed

        """
        with changing(self.root):
            for sha256 in self._manifests.named_only_by(model):
                self._drop(sha256)
            self._manifests.drop(model)

    def models(self) -> tuple[str, ...]:
        """Return the names of all models in the store, sorted."""
        return self._manifests.names()

    def open(self, name: str) -> Manifest:
        """Return a model's manifest.

        Raises:
            ModelUnknown: the store has no such model.
            ManifestError: the stored manifest was damaged.

        """
        return self._manifests.read(name)

    def holds(self, sha256: str) -> bool:
        """Tell whether an artifact is there to be used; whether it is undamaged shows when it is read."""
        try:
            self._usable(sha256)
        except ArtifactMissing:
            return False
        return True

    def artifacts(self) -> Mapping[str, int]:
        """Return the size in bytes of every artifact that is there to be used."""
        quarantined = self.quarantined()
        with translated(self.root):
            return {sha256: size for sha256, size in self._artifacts.sizes().items() if sha256 not in quarantined}

    def artifact_path(self, sha256: str) -> Path:
        """Return an artifact's file after hashing all of it.

        Raises:
            ArtifactMissing: the store has no such artifact, or has it in quarantine.
            ArtifactCorrupt: its content changed; it must not be loaded.

        """
        with translated(self.root):
            return self._artifacts.verify(self._usable(sha256))

    def read_artifact(self, sha256: str) -> bytes:
        """Return an artifact's content; what was hashed is what is returned, whatever happens to the file.

        Raises:
            ArtifactMissing: the store has no such artifact, or has it in quarantine.
            ArtifactCorrupt: its content changed; it must not be loaded.

        """
        with translated(self.root):
            return self._artifacts.read(self._usable(sha256))

    def used(self, sha256: str) -> None:
        """Remember, for longer than this process lives, that an artifact was used now.

        Raises:
            ArtifactMissing, StoreReadOnly

        """
        with translated(self.root):
            self._artifacts.use(sha256)

    def piece_map(self, sha256: str) -> PieceMap:
        """Return the map of an artifact's pieces, quarantined or not.

        Raises:
            ArtifactMissing: the store has no such artifact.
            ArtifactCorrupt: the artifact changed, and its map is lost as well.

        """
        with translated(self.root):
            kept = self._artifacts.kept_map(sha256)
            if kept is not None:
                return kept
            made = self._artifacts.made_map(sha256)
        with suppress(StoreBusy, StoreFull, StoreReadOnly), changing(self.root):
            self._artifacts.keep_map(sha256, made)
        return made

    def read_pieces(self, sha256: str, first: int, count: int) -> bytes:
        """Return the pieces `[first, first + count)`, each verified: this is what a peer may be given.

        Raises:
            ArtifactMissing: the store has no such artifact or piece, or has it in quarantine.
            ArtifactCorrupt: one of them is damaged.

        """
        piece_map = self.piece_map(sha256)
        with translated(self.root):
            return b"".join(self._artifacts.pieces(self._usable(sha256), piece_map, range(first, first + count)))

    def is_whole(self, sha256: str, rest: Callable[[], object] = lambda: None) -> bool:
        """Read all of an artifact again from the disk and tell whether it is undamaged; `rest` is called now and then.

        Raises:
            ArtifactMissing: the store has no such artifact.

        """
        with translated(self.root):
            try:
                self._artifacts.read_again(sha256, rest)
            except ArtifactCorrupt:
                return False
            return True

    def damaged(self, sha256: str) -> tuple[int, ...]:
        """Return which pieces of an artifact are damaged.

        Raises:
            ArtifactMissing: the store has no such artifact.
            ArtifactCorrupt: the artifact changed, and its map is lost as well: all of it is as good as damaged.

        """
        piece_map = self.piece_map(sha256)
        with translated(self.root):
            return tuple(self._artifacts.damaged(sha256, piece_map))

    def repair(self, sha256: str, pieces: Mapping[int, bytes]) -> None:
        """Put a whole copy in the place of a damaged artifact, made of these pieces and its own undamaged ones.

        Raises:
            ArtifactMissing: the store has no such artifact.
            ArtifactCorrupt: that does not make it whole; nothing was changed.
            StoreFull, StoreReadOnly, StoreBusy, StoreFailed

        """
        piece_map = self.piece_map(sha256)
        with changing(self.root):
            self._artifacts.repair(sha256, piece_map, pieces)

    def quarantine(self, sha256: str, reason: str) -> None:
        """Let nobody use an artifact any more, until it is released, or a damaged one repaired, fetched or added again.

        Raises:
            StoreFull, StoreReadOnly, StoreBusy, StoreFailed

        """
        with changing(self.root):
            self._quarantine.put(named(sha256), reason)

    def quarantined(self) -> Mapping[str, str]:
        """Return every artifact that must not be used, with the reason."""
        with translated(self.root):
            return self._quarantine.reasons()

    def release(self, sha256: str) -> None:
        """Let an artifact be used again as it is.

        Raises:
            ArtifactMissing: the store has no such artifact.
            ArtifactCorrupt: it is still damaged, and stays in quarantine.

        """
        with changing(self.root):
            self._artifacts.verify(sha256)
            self._quarantine.lift(sha256)

    def incoming(self, sha256: str, piece_map: PieceMap) -> Incoming:
        """Begin to download an artifact, or go on where that stopped.

        Raises:
            StoreBusy: it is being downloaded already.
            StoreFull, StoreReadOnly, StoreFailed

        """
        return Incoming(self.root, sha256, piece_map)

    def begun(self) -> Mapping[str, int]:
        """Return the downloads that have begun and not ended, with the room in bytes that each has taken already."""
        with translated(self.root):
            return {sha256: file.st_size for sha256, file in self._downloads().items()}

    def abandon(self, sha256: str) -> bool:
        """Drop a download that has begun; tell whether there was one, and nobody was at it.

        Raises:
            StoreReadOnly, StoreBusy, StoreFailed

        """
        path = self.root / "incoming" / f"{named(sha256)}{DOWNLOAD}"
        with changing(self.root), suppress(FileNotFoundError), path.open("rb") as file:
            if taken(file.fileno()):
                remove(path)
                return True
        return False

    def make_room(self, needed_bytes: int, budget_bytes: int, pinned: Collection[str]) -> tuple[str, ...]:
        """Remove artifacts, the one unused for longest first, until so much more fits; return what was removed.

        A download that has begun counts with its whole size already. No artifact of a `pinned` model goes.

        Raises:
            StoreFull: what may go is not enough; nothing was removed.
            StoreReadOnly, StoreBusy, StoreFailed

        """
        with changing(self.root):
            sizes = self._artifacts.sizes()
            kept = {sha256 for model in pinned for sha256 in self._manifests.named_by(model)}
            over_bytes = sum(sizes.values()) + sum(self.begun().values()) + needed_bytes - budget_bytes
            going = giving_way(sizes, self._artifacts.last_uses(), may_go=sizes.keys() - kept, over_bytes=over_bytes)
            for sha256 in going:
                self._drop(sha256)
            return going

    def _usable(self, sha256: str) -> str:
        self._artifacts.path(sha256)
        if reason := self._quarantine.reason(sha256):
            raise ArtifactMissing(
                f"Artifact {sha256} is in quarantine: {reason}", hint="Run `meshd models verify`, or add it again."
            )
        return sha256

    def _add(self, bundle: Path, name: str) -> Manifest:
        with open_member(bundle, name) as stream:
            text = _decoded(stream.read(), f"{bundle}/{name}")
        manifest = manifests.loads(text, f"{bundle}/{name}")
        with changing(self.root):
            for _, variant in manifest.variants():
                if self._artifacts.whole(variant.artifact):
                    continue  # Hashing what is there costs a fraction of writing and syncing it again.
                self._artifacts.take_over(bundle, variant)
            self._replace(manifest, text)
        return manifest

    def _replace(self, manifest: Manifest, text: str) -> None:
        needed = {variant.artifact for _, variant in manifest.variants()}
        outdated = (self._manifests.named_only_by(manifest.name) & self._artifacts.sizes().keys()) - needed
        for sha256 in outdated:
            self._artifacts.forget(sha256)  # Should this be interrupted, then the next to open the store drops it.
        self._manifests.write(manifest.name, text)
        for sha256 in outdated:
            self._drop(sha256)

    def _drop(self, sha256: str) -> None:
        self._artifacts.drop(sha256)
        self._quarantine.lift(sha256)

    def _sweep(self) -> None:
        """Remove what nobody will ask for any more; the store is locked, so that nobody is writing it right now."""
        for path in listed(self.root / "incoming", f"*{PARTIAL}"):
            remove(path)
        forgotten = time.time() - FORGOTTEN_S
        for sha256, file in self._downloads().items():
            if file.st_mtime < forgotten:
                remove(self.root / "incoming" / f"{sha256}{DOWNLOAD}")
        last_uses = self._artifacts.last_uses()
        for sha256 in last_uses.keys() - self._manifests.named_by(*self.models()):
            if last_uses[sha256] < forgotten:
                self._drop(sha256)
        for folder in ("pieces", "quarantine"):
            for path in listed(self.root / folder):
                if not (self.root / "artifacts" / path.name).exists():
                    remove(path)

    def _downloads(self) -> dict[str, os.stat_result]:
        return measured(self.root / "incoming", f"*{DOWNLOAD}")


def _decoded(content: bytes, source: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ManifestError(source, None, "is not UTF-8 text.", hint="TOML must be.") from error
