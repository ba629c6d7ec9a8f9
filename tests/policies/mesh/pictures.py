"""A stand-in for pictures whose every figure is known."""

from __future__ import annotations

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass, HostedTier
from policies.mesh.calibration import RunFit, StandInFit
from policies.mesh.stand_in import StandIn
from tests.policies.mesh.meshes import HUB, PHONE

PICTURE = ModelName("picture")
PICTURE_BYTES = 30_000
SECONDS = {PHONE: 0.05, HUB: 0.2}


def picture() -> StandIn:
    """Pictures of 100 by 100, which the phone and the hub host."""
    return StandIn(
        model=PICTURE,
        tier=HUB,
        input_bytes=PICTURE_BYTES,
        result_bytes=600,
        codec="jpeg",
        max_items=4,
        further_item=0.5,
        macs=1_000_000,
        accuracy=0.7,
        seconds=SECONDS,
    )


def hosted(name: DeviceClass) -> HostedTier:
    """What a node announces of it."""
    return HostedTier(
        model=PICTURE,
        version="1.0.0",
        tier=HUB,
        variant=name.value,
        artifact=ArtifactHash(f"picture-{name}"),
        accuracy=0.7,
        macs=1_000_000,
        compute_s=SECONDS[name],
        load_s=0.01,
        input_bytes=PICTURE_BYTES,
        max_items=4,
    )


def picture_fit() -> StandInFit:
    """What it takes on both."""
    return StandInFit(
        model=PICTURE,
        input_bytes=PICTURE_BYTES,
        result_bytes=600,
        ratios={"jpeg": 0.12},
        runs={
            name: RunFit(hosted=hosted(name), compute_s=seconds, further_item=0.5, load_s=0.01)
            for name, seconds in SECONDS.items()
        },
    )
