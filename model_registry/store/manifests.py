"""Manifests on disk, each under the name of its model."""

from pathlib import Path

from model_registry import manifest as manifests
from model_registry.errors import ManifestError, ModelUnknown
from model_registry.flaw import closest
from model_registry.manifest import Manifest
from model_registry.store.disk import appearing, listed, remove

_SUFFIX = ".toml"


class Manifests:
    """`models/<name>.toml`."""

    def __init__(self, root: Path) -> None:
        self._folder, self._drafts = root / "models", root / "incoming"

    def names(self) -> tuple[str, ...]:
        """Return the names of all models, sorted."""
        return tuple(path.stem for path in listed(self._folder, f"*{_SUFFIX}"))

    def read(self, model: str) -> Manifest:
        """Return a manifest.

        Raises:
            ModelUnknown, ManifestError

        """
        path = self._path(model)
        try:
            return manifests.load(path)
        except ManifestError:
            self._path(model)  # Not damaged, but removed meanwhile?
            raise

    def write(self, model: str, text: str) -> None:
        """Let a manifest appear, in the place of a former one."""
        with appearing(self._folder / f"{model}{_SUFFIX}", self._drafts) as target:
            target.write(text.encode())

    def drop(self, model: str) -> None:
        """Remove a manifest.

        Raises:
            ModelUnknown

        """
        remove(self._path(model))

    def named_by(self, *models: str) -> set[str]:
        """Return the artifacts that these models name; none for a manifest that is not there or was damaged."""
        return {sha256 for model in models for sha256 in self._named_by(model)}

    def named_only_by(self, model: str) -> set[str]:
        """Return the artifacts that this model names and no other."""
        return self.named_by(model) - self.named_by(*(name for name in self.names() if name != model))

    def _named_by(self, model: str) -> tuple[str, ...]:
        try:
            return tuple(variant.artifact for _, variant in self.read(model).variants())
        except (ModelUnknown, ManifestError):
            return ()

    def _path(self, model: str) -> Path:
        known = self.names()
        if model not in known:
            raise ModelUnknown(f"The store has no model '{model}'.", hint=_offer(model, known))
        return self._folder / f"{model}{_SUFFIX}"


def _offer(model: str, known: tuple[str, ...]) -> str:
    return closest(model, known) if known else "It is empty: add a model first."
