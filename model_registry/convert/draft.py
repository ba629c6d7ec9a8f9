"""What a manifest says of a model whichever variants are made of it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from model_registry.manifest import Lifecycle, Manifest
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Tier


class Draft(Struct, frozen=True, kw_only=True):
    """A manifest without its tiers: they are known when the variants are made and recommended."""

    name: str
    version: str
    summary: str
    license: str
    task: str
    privacy: Literal["device", "household", "public"]
    lifecycle: Lifecycle
    axes: dict[str, Axis]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def manifest(self, tiers: tuple[Tier, ...], *, unsigned: bool) -> Manifest:
        """Return the whole manifest, with `tiers` ordered weakest first."""
        return Manifest(
            schema=1,
            name=self.name,
            version=self.version,
            summary=self.summary,
            license=self.license,
            task=self.task,
            privacy=self.privacy,
            unsigned=unsigned,
            lifecycle=self.lifecycle,
            axes=self.axes,
            inputs=self.inputs,
            tiers=tiers,
        )
