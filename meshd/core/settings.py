"""The numbers that an owner may set; the rest of core has none that matter."""

from __future__ import annotations

from msgspec import Struct


class Settings(Struct, frozen=True, kw_only=True):
    """Bounds and prices of one node's scheduler."""

    max_requests: int = 1024
    """Requests alive at once; the next one is shed."""
    max_queued: int = 256
    """Stages that wait for a slot here; the least urgent one is shed."""
    max_nodes: int = 1024
    """Peers remembered; the longest dead is forgotten first."""
    max_explained: int = 512
    """Finished requests that ``explain`` still knows."""
    heartbeat_interval_s: float = 1.0
    suspect_after_s: float = 3.0
    """Silence after which a peer gets no new work: three lost heartbeats."""
    dead_after_s: float = 10.0
    """Silence after which a peer is declared dead."""
    latency_price_watts: float = 0.1
    """What a second of waiting costs, in joules: at 0.1 W, 10 ms sooner is worth 1 mJ."""
    mains_joule_weight: float = 0.1
    """A joule from the wall counts a tenth of a joule from a battery."""
    miss_price_joules: float = 1.0
    """What a missed deadline costs, on the same scale."""
    battery_floor: float = 0.1
    """Below this fraction a node on battery takes only its own and emergency work."""
    patience_factor: float = 4.0
    """An answer this many times later than predicted is looked for elsewhere."""
    patience_floor_s: float = 0.25
    """Never give up on a peer sooner: scheduling jitter of a busy single-core device."""
