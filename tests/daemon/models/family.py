"""Signed families of toy models, as large as a test wants them."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.ids import ModelName
from meshd.wire.messages import Offer
from model_registry import manifest as manifests
from model_registry.manifest import Manifest
from model_registry.pieces import PieceMap
from model_registry.tier import Tier
from model_registry.trust.signature import signed
from model_registry.trust.signing_key import SigningKey
from tests.daemon import toys


class Family(Struct, frozen=True, kw_only=True):
    """A manifest and its files."""

    manifest: Manifest
    contents: dict[str, bytes]
    """By tier."""

    @property
    def text(self) -> str:
        return manifests.dumps(self.manifest)

    @property
    def model(self) -> ModelName:
        return ModelName(self.manifest.name)

    @property
    def offer(self) -> Offer:
        """Return what a peer says that lends it."""
        return self.offered()

    def offered(self, *, model: str = "", version: str = "") -> Offer:
        """Return the offer, or one that says something else."""
        assert self.manifest.signature is not None, "only signed models are offered"
        return Offer(
            model=model or self.manifest.name,
            version=version or self.manifest.version,
            publisher=self.manifest.signature.publisher,
            manifest=hashlib.sha256(self.text.encode()).hexdigest(),
        )

    def artifact(self, tier: str) -> str:
        """Return the hash of a tier's only variant."""
        return hashlib.sha256(self.contents[tier]).hexdigest()

    def map(self, tier: str) -> PieceMap:
        return PieceMap.of(self.contents[tier])

    def pieces(self, tier: str, first: int, count: int) -> bytes:
        """Return the content of the pieces [first, first + count)."""
        starts = [self.map(tier).extent(index) for index in range(first, first + count)]
        return b"".join(self.contents[tier][start : start + length] for start, length in starts)

    def lay(self, folder: Path) -> Path:
        """Write the bundle into a folder and return its own."""
        bundle = folder / self.manifest.name
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "manifest.toml").write_text(self.text)
        for tier, content in self.contents.items():
            (bundle / f"{tier}.onnx").write_bytes(content)
        return bundle


def family(
    key: SigningKey | None = None, *, name: str = "news", version: str = "1.0.0", ballast_bytes: int = 0
) -> Family:
    """Return a family that answers like the toy one; unsigned without a key. The ballast never repeats itself."""
    form = toys.manifest(name=name)
    noise = random.Random(f"{name} {version}")
    ballast = f"{name} {version} {noise.randbytes(ballast_bytes // 2).hex()}"
    contents = {tier: toys.ballasted(content, f"{tier} {ballast}") for tier, content in toys.artifacts().items()}
    tiers = tuple(_filled(tier, contents[tier.name]) for tier in form.tiers)
    form = replace(form, version=version, tiers=tiers)
    return Family(manifest=signed(form, key) if key else form, contents=contents)


def _filled(tier: Tier, content: bytes) -> Tier:
    artifact = hashlib.sha256(content).hexdigest()
    variant = replace(tier.variants[0], artifact=artifact, size_bytes=len(content), pieces=PieceMap.of(content).root)
    rule = tier.escalation and replace(tier.escalation, bound=replace(tier.escalation.bound, artifact=artifact))
    return replace(tier, variants=(variant,), escalation=rule)
