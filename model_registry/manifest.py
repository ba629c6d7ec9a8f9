"""What a model says about itself: tensors, tiers, variants, calibration, origin; written in TOML."""

import datetime as dt
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import tomli_w
from msgspec import Meta, Struct

from model_registry import manifest_text
from model_registry.errors import ManifestError
from model_registry.flaw import Flaw, repeated
from model_registry.measured import END, Note, Sha256, Text
from model_registry.tensor import Axis, AxisName, Tensor
from model_registry.tier import Name, Tier, TierName, Variant

TIERS: tuple[TierName, ...] = ("watch", "phone", "hub", "upstream")  # Weakest first.
PublisherKey = Annotated[
    str, Meta(pattern=rf"^[0-9a-f]{{64}}{END}", description="an Ed25519 public key of 64 lower-case hex digits")
]


class Lifecycle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the weights come from."""

    trained: dt.date | None = None
    """None where nobody knows: a stranger's model says little about itself."""
    dataset: Note = ""
    """What they were trained on, with its licence, and where it can be had."""
    dataset_sha256: Sha256 | None = None
    """Hash of the file that was read."""
    parent: Note = ""
    """The model that this one was distilled or fine-tuned from."""
    compression: Note = ""
    """What was done to all variants to make them smaller."""
    imported: dt.date | None = None
    """When the bundle was made from a model of another tool."""
    origin: Note = ""
    """The file that it was imported from, and the tools that converted it, with their versions."""
    origin_sha256: Sha256 | None = None
    """Hash of that file."""


class Signature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who vouches for the manifest, and so, by their hashes, for all of its artifacts."""

    publisher: PublisherKey
    """The publisher's public key."""
    value: Annotated[
        str, Meta(pattern=rf"^[0-9a-f]{{128}}{END}", description="an Ed25519 signature of 128 lower-case hex digits")
    ]
    """The signature over the manifest's canonical form: docs/models.md, "Signatures"."""


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One model family: what goes in, and the tiers that answer, weakest first."""

    schema: Literal[1]
    """Version of this form."""
    name: Name
    """What programs ask for."""
    version: Annotated[
        str,
        Meta(pattern=rf"^[0-9]{{1,9}}\.[0-9]{{1,9}}\.[0-9]{{1,9}}{END}", description="three numbers, such as 1.0.0"),
    ]
    """Grows with every change: an older one does not replace a newer one."""
    summary: Text
    """What the model tells from what, in one sentence."""
    license: Text
    """SPDX expression."""
    task: Text
    """Kind of question that it answers, such as image-classification."""
    privacy: Literal["device", "household", "public"]
    """How far an input may travel unless a request says less."""
    private_depth: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    """Activations behind at least so many layers with weights may travel within the household although the input itself
    stays on the node. None: nothing of an input that stays may travel. Only where `privacy` is "device"."""
    unsigned: bool = False
    """Said by the one who made it: nobody vouches for this model. It is never fetched from a peer."""
    signature: Signature | None = None
    """Who vouches for it."""
    lifecycle: Lifecycle | None = None
    """Where the weights come from."""
    axes: dict[AxisName, Axis] = {}
    """Bounds of the dynamic axes that tensors name."""
    inputs: Annotated[tuple[Tensor, ...], Meta(min_length=1)]
    """What goes in: the same for every tier."""
    tiers: Annotated[tuple[Tier, ...], Meta(min_length=1)]
    """The ranks of the cascade, weakest first; one is enough."""

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
        if self.private_depth is not None and self.privacy != "device":
            problem = f"private_depth speaks of an input that stays on the node, and privacy is '{self.privacy}'."
            yield Flaw(("private_depth",), problem, 'Leave it out, or say privacy = "device".')
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


def mistakes(text: str, source: str = "manifest") -> list[ManifestError]:
    """Return everything that keeps TOML text from being a manifest; broken rules once all types are right."""
    if found := list(manifest_text.mistakes(text, source, Manifest)):
        return found
    manifest = manifest_text.decode(text, source, Manifest)
    return [manifest_text.error_of(flaw, text, source) for flaw in manifest.flaws()]


def dumps(manifest: Manifest) -> str:
    """Write a manifest as TOML that :func:`loads` reads back to an equal one."""
    return tomli_w.dumps(msgspec.to_builtins(manifest, builtin_types=(dt.date,)))
