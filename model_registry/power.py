"""What computing and sending cost in joules and seconds, as an estimate from a device's figures."""

from typing import Annotated

from msgspec import Meta, Struct

# Peers announce these figures. Bounds far beyond any device keep every cost that is computed from them finite: one
# infinity, or a rate so near zero that dividing by it gives one, would make all candidates look equally bad.
Positive = Annotated[float, Meta(ge=1e-9, le=1e18)]
NotNegative = Annotated[float, Meta(ge=0, le=1e18)]


class PowerModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe a device's appetite; every joule computed from it is an estimate.

    `active_watts` and the radio's figures come on top of `idle_watts`, so that costs add up without counting
    the idle device twice. `macs_per_s` and `active_watts` belong together: both of one core, or both of all.
    """

    idle_watts: NotNegative
    active_watts: Positive
    macs_per_s: Positive
    radio_joules_per_byte: NotNegative
    radio_wake_joules: NotNegative
    radio_bps: Positive
    radio_tail_s: NotNegative = 1.0  # Awake behind a byte: Wi-Fi and Bluetooth lie between 0.1 and a few.
    radio_tail_watts: NotNegative = 0.0  # What it takes meanwhile.
    battery_joules: Positive | None = None  # None: on the mains.

    def compute_seconds(self, macs: int) -> float:
        """Return how long `macs` multiply-accumulates keep the device busy, in seconds."""
        return macs / self.macs_per_s

    def compute_joules(self, macs: int) -> float:
        """Return what `macs` multiply-accumulates cost above idling, in joules."""
        return macs / self.macs_per_s * self.active_watts

    def radio_seconds(self, n_bytes: int) -> float:
        """Return how long `n_bytes` are on the air at the link's usual rate, in seconds."""
        return n_bytes * 8 / self.radio_bps

    def radio_joules(self, n_bytes: int, wakes: int) -> float:
        """Return what sending or receiving `n_bytes` costs, with `wakes` wake-ups of the radio, in joules."""
        return n_bytes * self.radio_joules_per_byte + wakes * self.radio_wake_joules

    def radio_use_joules(self, *, is_asleep: bool) -> float:
        """Return what one use of the radio is expected to cost beside its bytes: waking it and its tail, in joules.

        One that is awake was used at some moment of its tail, so it stays awake for half of one longer.
        """
        tail_joules = self.radio_tail_s * self.radio_tail_watts
        return self.radio_wake_joules + tail_joules if is_asleep else tail_joules / 2.0
