"""Which tier and variant of a model a node should run: the first of these that it can."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from msgspec import Struct
from typing_extensions import override

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass
from meshd.executor.hosted_model import HostedKey
from model_registry.extra import installing
from model_registry.manifest import Manifest
from model_registry.tier import Tier, Variant

_LITERT = "ai_edge_litert"


class Candidate(Struct, frozen=True, kw_only=True):
    """One variant that a node might host."""

    manifest: Manifest
    tier: Tier
    variant: Variant

    @override
    def __str__(self) -> str:
        return f"{self.manifest.name}/{self.tier.name}/{self.variant.name}"

    @property
    def key(self) -> HostedKey:
        """Return what it is asked for by once it is hosted."""
        return ModelName(self.manifest.name), DeviceClass(self.tier.name), self.artifact

    @property
    def artifact(self) -> ArtifactHash:
        """Return the hash of its file."""
        return ArtifactHash(self.variant.artifact)

    def obstacle(self, *, memory_bytes: int, disk_bytes: int) -> str:
        """Return why this node cannot run it, as far as its manifest tells; nothing when it may be tried."""
        variant = self.variant
        if "cpu" not in variant.hardware:
            return f"{self} is made for {', '.join(variant.hardware)}, and this node runs models on its processor."
        if variant.format == "tflite" and find_spec(_LITERT) is None:
            return f"{self} is a LiteRT model, and LiteRT is not installed here: {installing('litert')}."
        if variant.size_bytes > memory_bytes:
            return f"{self} is larger than this node's memory for models, {memory_bytes / 1e6:.0f} MB."
        if variant.size_bytes > disk_bytes:
            return f"{self} is larger than this node's disk budget for models, {disk_bytes / 1e6:.0f} MB."
        return ""


def candidates_of(manifest: Manifest, own: DeviceClass, *, tier: str = "") -> Iterator[Candidate]:
    """Yield what a node of this class should try, best first: the variants of its tier, then of the smaller ones.

    Its tier is the one named, or without a name the strongest that is made for its class or a weaker one.
    """
    if tier and manifest.tier(tier) is None:
        return
    rank = DeviceClass(tier).rank if tier else own.rank
    for fitting in reversed([form for form in manifest.tiers if DeviceClass(form.name).rank <= rank]):
        for variant in fitting.variants:
            yield Candidate(manifest=manifest, tier=fitting, variant=variant)
