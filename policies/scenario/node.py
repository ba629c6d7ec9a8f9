"""A device as it is, beside what it says of itself.

The simulator's schedulers are told :attr:`Node.profile` and telemetry and nothing else of what stands here.
"""

from __future__ import annotations

from msgspec import Struct

from meshd.core.ids import ArtifactHash, NodeId
from meshd.core.node import HostedTier, NodeProfile
from model_registry.power import PowerModel


class Hosting(Struct, frozen=True, kw_only=True, gc=False):
    """One tier on one node: what the node announces of it, and what is true."""

    announced: HostedTier
    compute_s: float
    """True median seconds for one item, alone, on a cool device that does nothing else."""
    load_s: float
    """True seconds from cold to warm."""
    memory_bytes: int
    """What it occupies while it is warm."""
    stages_s: tuple[float, ...] = ()
    """True seconds for one item of each stage that is announced; in sum ``compute_s`` and a little more for each
    cut."""
    further_item: float | None = None
    """Seconds of each item of a batch behind the first, as a share of the first one's; none: as the model's."""


class Battery(Struct, frozen=True, kw_only=True, gc=False):
    """A battery in miniature: an episode stands for many hours, and the capacity is cut down in the same proportion.

    Watts and joules per request are those of the real device, so that the share of each consumer is true; only how
    long the battery lasts is not.
    """

    capacity_joules: float
    """Of the miniature. ``profile.power.battery_joules`` is the real one."""
    fraction: float
    """Charge when the scenario begins, 0..1."""
    demand_watts: float
    """What the device draws whatever the mesh does: idling (``power.idle_watts`` included), screen, sensors."""
    needed_until_s: float
    """When it is put on a charger for good, seconds since the scenario began; a happening says so too. May lie beyond
    the horizon."""
    charge_watts: float
    """What a charger gives while it is charging, before demand."""
    is_charging: bool = False
    """When the scenario begins."""

    @property
    def spare_joules(self) -> float:
        """Return what may be spent on inference until it is needed no longer; below 0 if it runs empty anyhow.

        What is charged in between comes on top.
        """
        return self.capacity_joules * self.fraction - self.demand_watts * self.needed_until_s


class Radio(Struct, frozen=True, kw_only=True, gc=False):
    """When a node's radio sleeps, and what waking takes beside ``power.radio_wake_joules`` (of :attr:`Node.power`)."""

    wake_s: float = 0.0
    """Before the first byte after sleep can be sent or received."""
    tail_s: float = 1.0
    """How long it stays awake behind the last byte."""
    tail_watts: float = 0.0
    """Drawn in the tail, above idling. 0 and ``wake_s`` 0 for a radio on the mains, which never sleeps."""


class Thermal(Struct, frozen=True, kw_only=True, gc=False):
    """A body that warms with work: d(heat)/dt = (busy - heat) / time_constant_s.

    ``busy`` is the share of slots that work, 0..1, so heat lies in [0, 1]. From ``throttles_at`` until it has fallen
    to ``recovers_at`` every run takes ``slowdown`` times as long; what was begun before keeps its pace.
    """

    time_constant_s: float
    throttles_at: float
    recovers_at: float
    slowdown: float
    heat: float = 0.0
    """When the scenario begins."""


class Node(Struct, frozen=True, kw_only=True):
    """One device."""

    profile: NodeProfile
    """What it announces; ``profile.hosted`` are the announced tiers of ``hosted``, in the same order."""
    hosted: tuple[Hosting, ...]
    power: PowerModel
    """What is true. A run of ``seconds`` takes ``seconds * active_watts`` joules above idling, for each slot."""
    memory_bytes: int
    """What warm models may occupy together; who was used longest ago goes first."""
    warm: tuple[ArtifactHash, ...] = ()
    """In memory when the scenario begins, used longest ago first."""
    battery: Battery | None = None
    """None on the mains."""
    radio: Radio = Radio()
    thermal: Thermal | None = None
    speed_spread: float = 0.0
    """Standard deviation of the logarithm of a run's seconds: each takes its median times ``exp(spread * normal)``,
    with the normal from ``scenario.luck.normal(...)`` by node and request."""
    handling_s: float = 0.0
    """What each request that comes to it takes beyond runs and ways, one after the other: read, checked, answered."""
    handling_byte_s: float = 0.0
    """The same for each byte of its input."""
    waking_s: float = 0.0
    """The same for one that finds it at rest: caches are cold, and clocks low."""
    understates: float = 1.0
    """How many times as long as it says its runs take: what it times and tells is not the whole of them."""
    fails: float = 0.0
    """Share of its runs that come to nothing when they are over."""
    is_present: bool = True
    """Whether it is there when the scenario begins."""

    @property
    def node_id(self) -> NodeId:
        """Return who it is."""
        return self.profile.node_id
