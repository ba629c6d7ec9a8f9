"""What a way of watching costs all devices together, as an estimate from the power models of their classes.

The demo plays days in seconds, so it may not count what its own machine or its own pace costs: radios that never get to
sleep would be free to wake. Counted is one window every ten seconds: each tier's multiply-accumulates for each window
that it looks at, and for each pass from device to device the window's bytes and one wake-up of the radio, at both ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from msgspec import Struct

from meshd.core.node import DeviceClass
from model_registry.device_class import device_class
from model_registry.manifest import Manifest
from model_registry.power import PowerModel

HOUSEHOLD = (DeviceClass.WATCH, DeviceClass.PHONE, DeviceClass.HUB)


class Spending(Struct, frozen=True, kw_only=True):
    """Prices of one model in a household with one device of each class."""

    power: Mapping[DeviceClass, PowerModel]
    macs: Mapping[DeviceClass, int]
    """Multiply-accumulates of one window, by tier."""
    window_bytes: int

    @classmethod
    def of(cls, manifest: Manifest, window_bytes: int) -> Self:
        """Return the prices of a model by its manifest, on typical devices of each class."""
        tiers = {DeviceClass(tier.name): tier for tier in manifest.tiers}
        return cls(
            power={name: device_class(name).power for name in HOUSEHOLD},
            macs={name: tier.variants[0].macs for name, tier in tiers.items()},
            window_bytes=window_bytes,
        )

    def joules(self, route: Sequence[DeviceClass]) -> float:
        """Return what one window costs that is born on the watch and looked at by these tiers in turn."""
        spent, where = 0.0, DeviceClass.WATCH
        for tier in route:
            spent += self._pass_on(where, tier) + self.power[tier].compute_joules(self.macs[tier])
            where = tier
        return spent

    def _pass_on(self, sender: DeviceClass, receiver: DeviceClass) -> float:
        if sender is receiver:
            return 0.0
        return sum(self.power[end].radio_joules(self.window_bytes, 1) for end in (sender, receiver))
