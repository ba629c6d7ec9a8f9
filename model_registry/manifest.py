"""What a model says about itself: tensors, tiers, variants, calibration, origin; written in TOML."""

import datetime as dt
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import tomli_w
from msgspec import Meta, Struct

from model_registry import manifest_text
from model_registry.flaw import Flaw, repeated
from model_registry.measured import Sha256, Text
from model_registry.tensor import Axis, AxisName, Tensor
from model_registry.tier import Name, Tier, TierName, Variant

TIERS: tuple[TierName, ...] = ("watch", "phone", "hub", "upstream")  # Weakest first.
PublisherKey = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{64}$", description="an Ed25519 public key, 64 lowercase hex digits")
]


class Lifecycle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the weights come from."""

    trained: dt.date | None = None
    """None where nobody knows: a stranger's model says little about itself."""
    dataset: str = ""
    dataset_sha256: Sha256 | None = None
    parent: str = ""
    """The model that this one was distilled or fine-tuned from."""
    compression: str = ""
    imported: dt.date | None = None
    origin: str = ""
    """The file that it was imported from, and the tools that converted it, with their versions."""
    origin_sha256: Sha256 | None = None


class Signature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who vouches for the manifest, and so, by their hashes, for all of its artifacts."""

    publisher: PublisherKey
    value: Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$", description="an Ed25519 signature, 128 hex digits")]


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One model family: what goes in, and the tiers that answer, weakest first."""

    schema: Literal[1]
    name: Name
    version: Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+$")]
    summary: Text
    license: Text
    """SPDX expression."""
    task: Text
    privacy: Literal["device", "household", "public"]
    """How far an input may travel unless a request says less."""
    unsigned: bool = False
    """Said by the one who made it: nobody vouches for this model. It is never fetched from a peer."""
    signature: Signature | None = None
    lifecycle: Lifecycle | None = None
    axes: dict[AxisName, Axis] = {}
    inputs: Annotated[tuple[Tensor, ...], Meta(min_length=1)]
    tiers: Annotated[tuple[Tier, ...], Meta(min_length=1)]

    def tier(self, name: str) -> Tier | None:
        """Return the tier of a device class, if the model has one."""
        return next((tier for tier in self.tiers if tier.name == name), None)

    def variants(self) -> Iterator[tuple[Tier, Variant]]:
        """Yield every variant with its tier, weakest tier first."""
        return ((tier, variant) for tier in self.tiers for variant in tier.variants)

    @property
    def calibrated(self) -> bool:
        """Tell whether every escalation rule still belongs to an artifact of its tier."""
        return all(tier.calibrated for tier in self.tiers if tier.escalation)

    def flaws(self) -> Iterator[Flaw]:
        """Yield every broken rule that types alone cannot state."""
        if self.unsigned and self.signature:
            yield Flaw(("unsigned",), "The manifest is signed and says unsigned = true.", "Leave one of them out.")
        yield from (f.below("inputs") for f in repeated((t.name for t in self.inputs), what="Input"))
        for name, axis in self.axes.items():
            yield from (flaw.below("axes", name) for flaw in axis.flaws())
        for index, tensor in enumerate(self.inputs):
            yield from (flaw.below("inputs", index) for flaw in tensor.flaws(self.axes))
        for index, tier in enumerate(self.tiers):
            yield from (flaw.below("tiers", index) for flaw in tier.flaws(self.axes))
        yield from self._flaws_of_order()

    def _flaws_of_order(self) -> Iterator[Flaw]:
        yield from (f.below("tiers") for f in repeated((t.name for t in self.tiers), what="Tier"))
        ranks = [TIERS.index(tier.name) for tier in self.tiers]
        for index, (rank, following) in enumerate(pairwise(ranks), start=1):
            if following < rank:
                problem = f"Tier '{TIERS[following]}' comes after the stronger '{TIERS[rank]}'."
                yield Flaw(("tiers", index, "name"), problem, f"Order them: {', '.join(TIERS)}.")
        if self.tiers[-1].escalation:
            problem = f"The last tier, '{self.tiers[-1].name}', has nobody to escalate to."
            yield Flaw(("tiers", len(self.tiers) - 1, "escalation"), problem, "Leave its escalation out.")


def load(path: Path) -> Manifest:
    """Read a manifest file.

    Raises:
        ManifestError: the file cannot be read, or its content is not a valid manifest.

    """
    return loads(manifest_text.read(path), str(path))


def loads(text: str, source: str = "manifest") -> Manifest:
    """Read a manifest from TOML text; `source` is how errors call it.

    Raises:
        ManifestError: not TOML, an unknown or missing key, a wrong value, or a broken rule; names the line.

    """
    manifest = manifest_text.decode(text, source, Manifest)
    for flaw in manifest.flaws():
        raise manifest_text.error_of(flaw, text, source)
    return manifest


def dumps(manifest: Manifest) -> str:
    """Write a manifest as TOML that :func:`loads` reads back to an equal one."""
    return tomli_w.dumps(msgspec.to_builtins(manifest, builtin_types=(dt.date,)))


def json_schema() -> dict[str, Any]:
    """Return the manifest's form as JSON Schema (2020-12), for editors and other vendors."""
    schema = msgspec.json.schema(Manifest)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "meshd model manifest",
        **schema,
    }
