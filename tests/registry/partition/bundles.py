"""Bundles of small graphs, as a person would have them on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model_registry import manifest as manifests
from model_registry.convert.progress import Unwatched
from model_registry.manifest import Manifest
from model_registry.partition.bundle_splitting import Outcome, SplitOrder, split_bundle
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Tier, Variant

INPUT = Tensor(name="x", dtype="float32", shape=("batch", 64))
OUTPUT = Tensor(name="y", dtype="float32", shape=("batch", 64))


def variant(name: str, content: bytes, **more: Any) -> Variant:
    """Return what a manifest says of a file."""
    known: dict[str, Any] = {"precision": "fp32", "macs": 1000, "format": "onnx"} | more
    file = f"artifacts/{name}.{known['format']}"
    artifact = hashlib.sha256(content).hexdigest()
    return Variant(name=name, file=file, artifact=artifact, size_bytes=len(content), **known)


def write(
    folder: Path,
    contents: Mapping[str, bytes],
    variants: Sequence[Variant] | None = None,
    *,
    inputs: tuple[Tensor, ...] = (INPUT,),
    outputs: tuple[Tensor, ...] = (OUTPUT,),
    axes: Mapping[str, Axis] | None = None,
    **more: Any,
) -> Manifest:
    """Write a bundle of one tier and return its manifest."""
    (folder / "artifacts").mkdir(parents=True)
    listed = tuple(variants or (variant(name, content) for name, content in contents.items()))
    for each in listed:
        (folder / each.file).write_bytes(contents[each.name])
    known: dict[str, Any] = {"privacy": "household", "unsigned": True} | more
    manifest = Manifest(
        schema=1,
        name="net",
        version="1.0.0",
        summary="Small.",
        license="MIT",
        task="none",
        axes={"batch": Axis(max=8)} if axes is None else dict(axes),
        inputs=inputs,
        tiers=(Tier(name="hub", outputs=outputs, variants=listed),),
        **known,
    )
    (folder / "manifest.toml").write_text(manifests.dumps(manifest))
    return manifest


def split(folder: Path, **wishes: Any) -> Outcome:
    """Split a bundle."""
    return split_bundle(SplitOrder(bundle=folder, seconds_each=0, **wishes), Unwatched())
