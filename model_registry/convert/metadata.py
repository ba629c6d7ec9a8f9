"""A manifest inside an ONNX file, for exchange with those who pass single files around.

The artifact stays as it is: its bytes come first, and a second protobuf message with nothing but `metadata_props`
follows. Parsers merge the two, as protobuf defines for concatenated messages; whoever cuts the file at the artifact's
size has the artifact back, with the hash that the manifest names and a signature that still holds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import onnx
from msgspec import Struct

from model_registry import manifest as manifests
from model_registry.errors import BundleError
from model_registry.manifest import Manifest

MANIFEST_KEY = "meshd.manifest"
"""The manifest as TOML text."""
ARTIFACT_KEY = "meshd.artifact"
"""SHA-256 of the artifact that the file begins with: a manifest may name many."""

# A manifest's texts are single lines of this length, and hold nothing that a terminal would obey.
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_LONGEST = 1000


class Told(Struct, frozen=True, kw_only=True):
    """What an ONNX file says about itself in the fields and keys in common use; empty where it does not say."""

    name: str = ""
    summary: str = ""
    license: str = ""
    author: str = ""
    origin: str = ""
    """The tool that wrote the file, with its version."""


# What exporters and model hubs write, the most telling first; compared in lower case. ONNX's docs/IR.md, "Optional
# Metadata", has model_author and model_license; the rest are habits.
_NAME_KEYS = ("model_name", "name", "title")
_SUMMARY_KEYS = ("short_description", "description", "summary")
_LICENSE_KEYS = ("model_license", "license", "licence")
_AUTHOR_KEYS = ("model_author", "author", "authors", "publisher")


def embed(content: bytes, manifest: Manifest) -> bytes:
    """Return an artifact of the manifest as an ONNX file that carries the manifest.

    Raises:
        BundleError: the manifest names no such artifact, or it is of another format.

    """
    artifact = hashlib.sha256(content).hexdigest()
    variant = next((variant for _, variant in manifest.variants() if variant.artifact == artifact), None)
    if variant is None:
        problem = f"The manifest of '{manifest.name}' names no artifact {artifact}."
        raise BundleError(problem, hint="Embed a manifest into the artifact that it was written for.")
    if variant.format != "onnx":
        problem = f"Variant '{variant.name}' of '{manifest.name}' is no ONNX file but {variant.format}."
        raise BundleError(problem, hint="Only ONNX files have a place for a manifest; hand over the bundle.")
    tail = onnx.ModelProto()
    for key, value in ((MANIFEST_KEY, manifests.dumps(manifest)), (ARTIFACT_KEY, artifact)):
        tail.metadata_props.add(key=key, value=value)
    told: bytes = tail.SerializeToString(deterministic=True)
    return content + told


def manifest_of(model: onnx.ModelProto) -> Manifest | None:
    """Return the manifest that a model carries, if it carries one.

    It is what the file says: neither its signature nor its hashes have been held against anything.

    Raises:
        ManifestError: it carries something that is no valid manifest.

    """
    text = _properties(model).get(MANIFEST_KEY)
    return None if text is None else manifests.loads(text, f"metadata {MANIFEST_KEY}")


def artifact_in(content: bytes) -> bytes | None:
    """Return the artifact that :func:`embed` put a manifest behind; nothing where a tool has written the file anew.

    Raises:
        ManifestError: the file carries something that is no valid manifest.

    """
    model = onnx.load_model_from_string(content)
    manifest, named = manifest_of(model), _properties(model).get(ARTIFACT_KEY)
    sizes = {variant.artifact: variant.size_bytes for _, variant in manifest.variants()} if manifest else {}
    if named not in sizes:
        return None
    artifact = content[: sizes[named]]
    return artifact if hashlib.sha256(artifact).hexdigest() == named else None


def without_manifest(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy that carries no manifest: what is made of it gets one of its own."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.metadata_props[:]
    bare.metadata_props.extend(p for p in model.metadata_props if p.key not in {MANIFEST_KEY, ARTIFACT_KEY})
    return bare


def told_by(model: onnx.ModelProto) -> Told:
    """Return what a model says about itself, each text on one line."""
    said = {key.lower(): value for key, value in _properties(model).items()}
    producer = f"{model.producer_name} {model.producer_version}"
    return Told(
        name=_first(said, _NAME_KEYS) or _line(model.graph.name),
        summary=_first(said, _SUMMARY_KEYS) or _line(model.doc_string) or _line(model.graph.doc_string),
        license=_first(said, _LICENSE_KEYS),
        author=_first(said, _AUTHOR_KEYS) or _line(model.domain),
        origin=_line(producer),
    )


def _properties(model: onnx.ModelProto) -> dict[str, str]:
    """Return the metadata by key; of a key that is there twice the last, which is what was appended."""
    return {entry.key: entry.value for entry in model.metadata_props}


def _first(said: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((line for key in keys if (line := _line(said.get(key, "")))), "")


def _line(text: str) -> str:
    return _SPACE.sub(" ", text).strip()[:_LONGEST]
