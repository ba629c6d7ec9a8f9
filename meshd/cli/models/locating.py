"""Find the model that a person names: a bundle on disk, one that this node holds, or one that came with meshd."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from model_registry.bundle import MANIFEST, open_member
from model_registry.errors import ModelUnknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_registry.manifest import Manifest
    from model_registry.tier import Variant

NAME_OR_BUNDLE = typer.Argument(
    metavar="NAME|BUNDLE",
    help="Name of a model that this node holds or that came with meshd, or a bundle's folder: ./NAME.",
)


class Located(NamedTuple):
    """A manifest, and where its artifacts are."""

    manifest: Manifest
    source: str
    content: Callable[[Variant], bytes]
    """Reads a variant's file; what comes of it has not been hashed."""
    is_own: bool = False
    """Whether it lies in this node's store."""


def locate(named: str, config: Path | None) -> Located:
    """Return the model that a name or a path means: for a name the node's own, a folder, what came with meshd.

    Raises:
        ModelUnknown: there is no such model.
        ManifestError: its manifest is not valid.
    """
    from meshd.cli.output import progress

    path = Path(named)
    own = _in_store(named, config) if is_name(named) else None
    if own is not None:
        if path.exists():
            progress(f"'{named}' is this node's model here. For the folder, name ./{named}")
        return own
    return _in_bundle(path) if path.exists() else _bundled(named)


def is_name(named: str) -> bool:
    """Tell whether a word is a model's name before it is a path: it has no slash and no suffix."""
    return named == Path(named).name and not Path(named).suffix


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
    return Located(manifest, str(root), lambda variant: Artifacts(root).read(variant.artifact), is_own=True)


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


def _read(folder: Path, variant: Variant) -> bytes:
    with open_member(folder, variant.file) as stream:
        return stream.read()
