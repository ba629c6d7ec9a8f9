"""The numbers that an owner may set; the rest of core has none that matter."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from meshd.core.request import Priority

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Price = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds and prices of one node's scheduler."""

    max_requests: Count = 1024
    """Requests alive at once; the next one is shed. A quarter is kept for this node's own clients."""
    max_queued: Count = 256
    """Stages that wait for a slot here; the least urgent one is shed."""
    max_nodes: Count = 1024
    """Peers remembered; the longest dead is forgotten first."""
    max_explained: Count = 512
    """Finished requests that ``explain`` still knows."""
    probe_links: bool = True
    """Measure links by a few heartbeats of 2 to 64 KiB before anything large has to pass them; slow ones by less."""
    heartbeat_interval_s: Annotated[float, Meta(ge=0.01)] = 1.0
    """Seconds between two life signs to each peer."""
    suspect_after_s: Seconds = 3.0
    """Silence after which a peer gets no new work: three lost heartbeats."""
    dead_after_s: Seconds = 10.0
    """Silence after which a peer is declared dead."""
    latency_price_watts: Price = 0.1
    """What a second of waiting costs, in joules: at 0.1 W, 10 ms sooner is worth 1 mJ."""
    background_second_weight: Share = 0.1
    """A second of a background request counts a tenth of another's: nobody sits and waits for it."""
    mains_joule_weight: Price = 0.1
    """A joule from the wall counts a tenth of a joule from a battery."""
    miss_price_joules: Price = 1.0
    """What a missed deadline costs, on the same scale."""
    battery_floor: Share = 0.1
    """Below this fraction a node on battery takes only its own and emergency work."""
    patience_factor: Annotated[float, Meta(ge=1)] = 4.0
    """An answer this many times later than predicted is looked for elsewhere."""
    patience_floor_s: Seconds = 0.25
    """Never give up on a peer sooner: scheduling jitter of a busy single-core device."""
    hedge_emergencies: bool = True
    """Whether an emergency runs on two equally accurate nodes at once: the first good answer wins."""
    batch_latency_s: Seconds = 0.02
    """Waiting requests for one model are run together for as long as that is predicted to take no longer than this."""
    max_batch: Count = 16
    """Most requests that are run together."""
    max_wait_s: Annotated[float, Meta(ge=0)] = 60.0
    """How long a policy may have a background request wait for a cheaper moment; 0: not at all."""

    def price_watts(self, priority: Priority) -> float:
        """Return what a second of a request of some priority costs, in joules."""
        weight = self.background_second_weight if priority is Priority.BACKGROUND else 1.0
        return weight * self.latency_price_watts
