"""Find the model that a person names: a bundle on disk, one that this node holds, or one that came with meshd."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from model_registry.bundle import MANIFEST, open_member
from model_registry.errors import ModelUnknown

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.resources.abc import Traversable

    from model_registry.manifest import Manifest
    from model_registry.tier import Variant

NAME_OR_BUNDLE = typer.Argument(
    metavar="NAME|BUNDLE", help="Name of a model that this node holds or that came with meshd, or a bundle's folder."
)


class Located(NamedTuple):
    """A manifest, and where its artifacts are."""

    manifest: Manifest
    source: str
    content: Callable[[Variant], bytes]
    """Reads a variant's file; what comes of it has not been hashed."""


def locate(named: str, config: Path | None) -> Located:
    """Return the model that a name or a path means. A name of the node's store goes before what came with meshd.

    Raises:
        ModelUnknown: there is no such model.
        ManifestError: its manifest is not valid.
    """
    if Path(named).exists():
        return _in_bundle(Path(named))
    return _in_store(named, config) or _bundled(named)


def _in_bundle(path: Path) -> Located:
    from model_registry import manifest as manifests

    file = path / MANIFEST if path.is_dir() else path
    return Located(manifests.load(file), str(file), lambda variant: _read(file.parent, variant))


def _in_store(name: str, config: Path | None) -> Located | None:
    """Look into the store without opening it: that would tidy up while a daemon may be at work in it."""
    from meshd.config import load
    from model_registry.store.artifacts import Artifacts
    from model_registry.store.manifests import Manifests

    root = load(config).config.node.state_dir / "models"
    try:
        manifest = Manifests(root).read(name)
    except ModelUnknown:
        return None
    return Located(manifest, str(root), lambda variant: Artifacts(root).read(variant.artifact))


def _bundled(name: str) -> Located:
    from model_registry import manifest as manifests
    from model_registry.flaw import closest
    from model_registry.store import bundled_models

    shipped = bundled_models()
    if name not in shipped:
        problem = f"There is no bundle '{name}', and neither this node nor meshd has a model of that name."
        raise ModelUnknown(problem, hint=closest(name, shipped))
    folder = shipped[name]
    text = folder.joinpath(MANIFEST).read_text(encoding="utf-8")
    return Located(manifests.loads(text), str(folder), lambda variant: _read(folder, variant))


def _read(folder: Traversable, variant: Variant) -> bytes:
    with open_member(folder, variant.file) as stream:
        return stream.read()
