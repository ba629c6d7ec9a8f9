"""What an ONNX file tells about itself, used where the user who imports it says nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec.structs import replace as with_fields

from model_registry.convert.draft import Draft
from model_registry.convert.drafting import UNKNOWN_LICENSE, Wishes
from model_registry.convert.imported import Imported
from model_registry.inspection import license_flaw
from model_registry.manifest import Lifecycle, Manifest

if TYPE_CHECKING:
    from model_registry.convert.metadata import Told
    from model_registry.tensor import Tensor


def completed(wishes: Wishes, imported: Imported) -> Wishes:
    """Return the user's wishes, and for what they leave open what the file's manifest has, or its common metadata."""
    if imported.manifest:
        return _by_manifest(wishes, imported.manifest)
    return _by_metadata(wishes, imported.told) if imported.told else wishes


def described(draft: Draft, manifest: Manifest | None) -> Draft:
    """Return a draft with the units, descriptions and history that the file's own manifest has."""
    if manifest is None:
        return draft
    outputs = (tensor for tier in manifest.tiers for tensor in tier.outputs)
    known = {tensor.name: tensor for tensor in (*manifest.inputs, *outputs)}
    return with_fields(
        draft,
        inputs=tuple(_described(tensor, known.get(tensor.name)) for tensor in draft.inputs),
        outputs=tuple(_described(tensor, known.get(tensor.name)) for tensor in draft.outputs),
        lifecycle=_continued(draft.lifecycle, manifest.lifecycle or Lifecycle()),
    )


def _by_manifest(wishes: Wishes, manifest: Manifest) -> Wishes:
    return replace(
        wishes,
        name=wishes.name or manifest.name,
        summary=wishes.summary or manifest.summary,
        task=wishes.task or manifest.task,
        license=manifest.license if wishes.license == UNKNOWN_LICENSE else wishes.license,
        privacy=wishes.privacy or manifest.privacy,
        known_axes=manifest.axes,
    )


def _by_metadata(wishes: Wishes, told: Told) -> Wishes:
    """Take the summary, and the licence if it is one that a manifest may name."""
    has_license = told.license and not license_flaw(told.license) and wishes.license == UNKNOWN_LICENSE
    return replace(
        wishes,
        summary=wishes.summary or told.summary,
        license=told.license if has_license else wishes.license,
    )


def _described(tensor: Tensor, known: Tensor | None) -> Tensor:
    if known is None:
        return tensor
    return with_fields(tensor, unit=known.unit, description=known.description or tensor.description)


def _continued(life: Lifecycle, before: Lifecycle) -> Lifecycle:
    return with_fields(
        life,
        trained=before.trained,
        dataset=before.dataset,
        dataset_sha256=before.dataset_sha256,
        parent=before.parent,
        compression=before.compression,
    )
