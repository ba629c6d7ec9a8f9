"""What watching over a stream costs all devices together, as an estimate from their power models.

Counted: every tier's multiply-accumulates for every window it looks at; for every window that is passed on, its 7,200
bytes once at the sender and once at the receiver, and one wake-up of the radio at each of them. Answers travel back
within the same wake-up and are not counted, nor are protocol overhead and idle power, which flows anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from model_registry.power import PowerModel
from model_registry.zoo.ecg.recording import WINDOW_SAMPLES

WINDOW_BYTES = 2 * WINDOW_SAMPLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Prices of this family on given devices: power models and multiply-accumulates by tier."""

    power: Mapping[str, PowerModel]
    macs: Mapping[str, int]

    def watch_only_joules(self, windows: int) -> float:
        """Return what it costs when the watch decides alone."""
        return windows * self._look("watch")

    def hub_only_joules(self, windows: int) -> float:
        """Return what it costs when the watch sends every window to the hub and computes nothing."""
        return windows * (self._hop("watch", "hub") + self._look("hub"))

    def cascade_joules(self, windows: int, left_watch: int, reached_hub: int) -> float:
        """Return what the cascade costs: from watch to phone, and from phone to hub."""
        to_phone = left_watch * (self._hop("watch", "phone") + self._look("phone"))
        to_hub = reached_hub * (self._hop("phone", "hub") + self._look("hub"))
        return self.watch_only_joules(windows) + to_phone + to_hub

    def _look(self, tier: str) -> float:
        return self.power[tier].compute_joules(self.macs[tier])

    def _hop(self, sender: str, receiver: str) -> float:
        return sum(self.power[end].radio_joules(WINDOW_BYTES, 1) for end in (sender, receiver))
