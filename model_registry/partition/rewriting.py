"""Writes a bundle anew: new files first, then the manifest at once, then the old files go; comments stay."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import tomlkit

from model_registry import manifest as manifests
from model_registry import manifest_text
from model_registry.bundle import MANIFEST
from model_registry.errors import BundleError
from model_registry.manifest import Manifest
from model_registry.store.disk import appearing, remove

_OF_VARIANTS = ("file", "artifact", "pieces", "size_bytes", "compression", "parent", "split")


def rewritten(folder: Path, before: Manifest, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Write files and manifest; who reads meanwhile, or after a crash, finds the old bundle or the new one.

    Raises:
        BundleError: the folder cannot be written.

    """
    try:
        for name, content in files.items():
            _write(folder / name, content, mode=0o644)
        path = folder / MANIFEST
        written = _text(manifest_text.read(path), manifest)
        assert manifests.loads(written, str(path)) == manifest, "what was measured is what is written"
        _write(path, written.encode(), mode=path.stat().st_mode)
        used = {variant.file for _, variant in manifest.variants()}
        for _, variant in before.variants():
            if variant.file not in used:
                remove(folder / variant.file)
    except OSError as error:
        raise BundleError(f"{folder} cannot be written: {error.strerror}.", hint="Copy it to where you may.") from error


def _write(path: Path, content: bytes, *, mode: int) -> None:
    with appearing(path, path.parent) as draft:
        os.fchmod(draft.fileno(), mode)
        draft.write(content)


def _text(text: str, manifest: Manifest) -> str:
    """Set what splitting sets, in a text that may have been written by hand."""
    document = tomlkit.parse(text)
    plain = msgspec.to_builtins(manifest)
    document.pop("signature", None)
    document["unsigned"] = True
    for table, form in zip(document["inputs"], plain["inputs"], strict=True):
        _set(table, form, ("encodings",))
    for tier, form in zip(document["tiers"], plain["tiers"], strict=True):
        for table, known in zip(tier["variants"], form["variants"], strict=True):
            _set(table, known, _OF_VARIANTS)
        if "escalation" in form:
            tier["escalation"]["bound"]["artifact"] = form["escalation"]["bound"]["artifact"]
    return str(document.as_string())


def _set(table: Any, form: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if key in form:
            table[key] = tomlkit.item(form[key])
        else:
            table.pop(key, None)
