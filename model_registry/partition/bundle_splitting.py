"""Splits the variants of a bundle in place: what its folder holds is at every moment what its manifest says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from time import perf_counter

import onnxruntime
from msgspec.structs import replace

from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST, open_member
from model_registry.convert.errors import SamplesRefused
from model_registry.convert.feed import feed
from model_registry.convert.progress import Progress
from model_registry.convert.samples import Samples, read_samples
from model_registry.errors import ModelUnknown, ModelUnreadable, RunFailed
from model_registry.inspection import flaws_of_artifact
from model_registry.manifest import Manifest
from model_registry.partition.cutting import DEFAULT_CUTS, Order, Parts, cut
from model_registry.partition.effects import USUAL_BOUNDS, Bounds, Model, encodings_at, input_encodings, unvarying
from model_registry.partition.errors import NotCuttable
from model_registry.partition.rewriting import rewritten
from model_registry.partition.trace import usual_extents
from model_registry.partition.trials import Trials
from model_registry.pieces import PieceMap
from model_registry.runtime.renamed_session import open_variant
from model_registry.split import Split
from model_registry.tensor import Tensor
from model_registry.tier import Tier, Variant

_MARK = re.compile(r"-[0-9a-f]{8}$")


@dataclass(frozen=True, kw_only=True)
class SplitOrder:
    """Which bundle to split, and how."""

    bundle: Path
    variant: str = ""
    """TIER, TIER/VARIANT or VARIANT; all unless given."""
    samples: Path | None = None
    most: int = DEFAULT_CUTS
    bounds: Bounds = USUAL_BOUNDS
    """Of what codecs may do to answers."""
    seconds_each: float = 0.5
    """Spent on each measurement of time."""


@dataclass(frozen=True, kw_only=True)
class Divided:
    """One variant that can be cut now."""

    tier: str
    variant: Variant
    parts: Parts
    bytes_before: int
    took_s: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an order."""

    manifest: Manifest
    divided: tuple[Divided, ...]
    whole: Mapping[str, str]
    """Why the others stay whole, by TIER/VARIANT."""
    extents: Mapping[str, int]
    """Lengths of the axes that places were weighed at."""
    lost_signature: bool
    recalibrate: tuple[str, ...]
    """Tiers whose escalation rule no longer belongs to their file."""
    unvarying: tuple[str, ...] = ()
    """Inputs that are the same in all samples, so that they prove nothing of codecs."""


def split_bundle(order: SplitOrder, progress: Progress) -> Outcome:
    """Split the variants asked for, write their files beside the old ones, and let the manifest name them at once.

    Raises:
        NotCuttable: none of them has a place.
        ModelUnknown: there is no such variant.
        BundleError, ManifestError, SamplesRefused: what is wrong, and what to do.

    """
    folder = order.bundle if order.bundle.is_dir() else order.bundle.parent
    before = manifests.load(folder / MANIFEST)
    splitting = _Splitting(folder, before, read_samples(order.samples) if order.samples else None, order)
    divided: list[Divided] = []
    whole: dict[str, str] = {}
    for tier, variant in _chosen(before, order.variant):
        try:
            divided.append(splitting.divided(tier, variant, progress))
        except (NotCuttable, ModelUnreadable, RunFailed) as error:
            whole[f"{tier.name}/{variant.name}"] = str(error)
    if not divided:
        raise NotCuttable("; ".join(f"{name}: {why}" for name, why in whole.items()), hint="The bundle is as it was.")
    manifest = splitting.manifest(divided)
    files = {each.variant.file: each.parts.content for each in divided}
    rewritten(folder, before, manifest, files)
    return Outcome(
        manifest=manifest,
        divided=tuple(divided),
        whole=whole,
        extents=usual_extents(before.axes),
        lost_signature=before.signature is not None,
        recalibrate=tuple(
            tier.name
            for tier, old in zip(manifest.tiers, before.tiers, strict=True)
            if old.calibrated and not tier.calibrated
        ),
        unvarying=splitting.unvarying(),
    )


@dataclass(frozen=True)
class _Splitting:
    folder: Path
    before: Manifest
    samples: Samples | None
    order: SplitOrder

    def divided(self, tier: Tier, variant: Variant, progress: Progress) -> Divided:
        """Cut one variant.

        Raises:
            NotCuttable: it has no place.

        """
        started = perf_counter()
        if variant.format != "onnx":
            hint = "Import the ONNX model that it was made from, if there is one."
            raise NotCuttable(f"Only ONNX graphs can be cut, and this one is {variant.format}.", hint=hint)
        for flaw in flaws_of_artifact(self.folder, variant):
            raise NotCuttable(flaw.problem, hint=flaw.hint)
        content = self._content(variant)
        parts = cut(self._order(tier, variant, content), progress)
        return Divided(
            tier=tier.name,
            variant=_variant(variant, parts, self._with_encodings(variant, parts, progress)),
            parts=parts,
            bytes_before=len(content),
            took_s=perf_counter() - started,
        )

    def _with_encodings(self, variant: Variant, parts: Parts, progress: Progress) -> Split:
        """Return the places with the codecs that the model bears there; without data nothing is known of them."""
        if self.samples is None:
            return parts.split
        progress.begin(f"measuring what codecs do to {variant.name}", len(parts.split.cuts))
        cuts = []
        for index, each in enumerate(parts.split.cuts):
            cuts.append(replace(each, encodings=encodings_at(parts.proven.proof, index, self.order.bounds)))
            progress.advance()
        return replace(parts.split, cuts=tuple(cuts))

    def manifest(self, divided: Sequence[Divided]) -> Manifest:
        """Return the manifest with the variants that were split, unsigned."""
        new = {(each.tier, each.variant.name): each for each in divided}
        tiers = tuple(_tier(tier, new) for tier in self.before.tiers)
        inputs = tuple(self._encoded(tensor) for tensor in self.before.inputs)
        return replace(self.before, tiers=tiers, inputs=inputs, signature=None, unsigned=True)

    def _encoded(self, tensor: Tensor) -> Tensor:
        """Return an input with the codecs that all ONNX variants bear; without data nothing is known of it."""
        if self.samples is None:
            return tensor
        models = [
            Model(open_variant(self._content(variant), variant), tier.outputs)
            for tier, variant in self.before.variants()
            if variant.format == "onnx"
        ]
        return replace(tensor, encodings=input_encodings(tensor, models, self._trials({}), self.order.bounds))

    def unvarying(self) -> tuple[str, ...]:
        """Return the inputs of which the samples tell nothing."""
        return unvarying(self._trials({}).items()) if self.samples else ()

    def _order(self, tier: Tier, variant: Variant, content: bytes) -> Order:
        return Order(
            content=content,
            inputs=_named(self.before.inputs, variant.names),
            outputs=_named(tier.outputs, variant.names),
            axes=self.before.axes,
            trials=self._trials(variant.names),
            macs=variant.macs,
            most=self.order.most,
            seconds_each=self.order.seconds_each,
            least_depth=self.before.private_depth or 0,
            quantised=variant.precision in {"int8", "int4"},
        )

    def _trials(self, names: Mapping[str, str]) -> Trials:
        inputs = _named(self.before.inputs, names)
        used = {extent for tensor in inputs for extent in tensor.shape}
        axes = {name: axis for name, axis in self.before.axes.items() if name in used}
        given = self.samples.given_for({tensor.name for tensor in self.before.inputs}) if self.samples else None
        if given is None:
            return Trials(inputs=inputs, axes=axes, feed=None)
        arrays = {names.get(name, name): array for name, array in given.arrays.items()}
        renamed = Samples(name=given.name, arrays=arrays, labels=None)
        if (found := renamed.not_finite()) is not None:
            raise SamplesRefused(f"'{found[0]}' in {given.name} holds NaN or infinity, first in item {found[1]}.")
        return Trials(inputs=inputs, axes=axes, feed=feed(renamed, inputs, axes))

    def _content(self, variant: Variant) -> bytes:
        with open_member(self.folder, variant.file) as stream:
            return stream.read()


def _chosen(manifest: Manifest, wanted: str) -> list[tuple[Tier, Variant]]:
    """Return what TIER, TIER/VARIANT or VARIANT means; everything where nothing is said."""
    every = list(manifest.variants())
    named = [
        (tier, variant)
        for tier, variant in every
        if wanted in {"", tier.name, variant.name, f"{tier.name}/{variant.name}"}
    ]
    if not named:
        known = ", ".join(f"{tier.name}/{variant.name}" for tier, variant in every)
        raise ModelUnknown(f"{manifest.name} has no variant '{wanted}'.", hint=f"There are {known}.")
    return named


def _named(tensors: Sequence[Tensor], names: Mapping[str, str]) -> tuple[Tensor, ...]:
    return tuple(Tensor(name=names.get(t.name, t.name), dtype=t.dtype, shape=t.shape) for t in tensors)


def _variant(variant: Variant, parts: Parts, split: Split) -> Variant:
    pieces = PieceMap.of(parts.content)
    path = PurePosixPath(variant.file)
    artifact = hashlib.sha256(parts.content).hexdigest()
    stem = _MARK.sub("", path.stem)
    already = variant.split is not None
    found = parts.from_original
    done = f"fused and ordered for cutting by onnxruntime {onnxruntime.__version__}"
    done += "" if found.none else f", which changes answers by {found.error:.1g} of the largest"
    return replace(
        variant,
        file=str(path.with_name(f"{stem}-{artifact[:8]}{path.suffix}")),
        artifact=artifact,
        pieces=pieces.root,
        size_bytes=pieces.size_bytes,
        parent=variant.parent if already else variant.artifact,
        compression=variant.compression if already else "; ".join(filter(None, (variant.compression, done))),
        split=split,
    )


def _tier(tier: Tier, new: Mapping[tuple[str, str], Divided]) -> Tier:
    """Return a tier with its new variants; a rule that held for a file holds for one that answers bit for bit alike."""
    changed = {v.artifact: new[tier.name, v.name] for v in tier.variants if (tier.name, v.name) in new}
    variants = tuple(changed[v.artifact].variant if v.artifact in changed else v for v in tier.variants)
    rule = tier.escalation
    if rule and (made := changed.get(rule.bound.artifact)) and made.parts.from_original.none:
        rule = replace(rule, bound=replace(rule.bound, artifact=made.variant.artifact))
    return replace(tier, variants=variants, escalation=rule)
