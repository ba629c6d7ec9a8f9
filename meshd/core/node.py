"""What is known of a node: the slow-changing profile and the fast telemetry."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from meshd.core.ids import ArtifactHash, ModelName, NodeId
from model_registry.power import PowerModel


class DeviceClass(StrEnum):
    """Rank of a device, weakest first; a model's tiers carry the names of the classes they are made for."""

    WATCH = "watch"
    PHONE = "phone"
    HUB = "hub"
    UPSTREAM = "upstream"

    @property
    def rank(self) -> int:
        """Position in the order watch < phone < hub < upstream."""
        return _RANKS[self]


_RANKS = {device_class: rank for rank, device_class in enumerate(DeviceClass)}


class HostedTier(Struct, frozen=True, kw_only=True):
    """One tier of a model as one node can run it: the variant chosen there, with what running it costs."""

    model: ModelName
    version: str
    tier: DeviceClass
    variant: str
    artifact: ArtifactHash
    accuracy: float
    """Balanced accuracy in its manifest, 0..1; ranks variants for emergencies."""
    macs: int
    """Multiply-accumulates for one item of the batch."""
    compute_s: float
    """Median seconds for one item, measured on that node."""
    load_s: float
    """Seconds from cold to warm, measured on that node."""
    score_output: str | None = None
    """Output that the escalation rule reads; none when the tier never escalates."""
    escalate_low: float = 0.0
    """The answer escalates when its score lies in [escalate_low, escalate_high)."""
    escalate_high: float | None = None
    """None: every score at or above escalate_low escalates."""
    calibrated: bool = True
    """False when the rule was shown to hold for another artifact: then every answer escalates."""
    escalation_rate: float = 0.0
    """Share of requests expected to escalate, from the manifest; observed rates replace it."""
    raw_input_may_leave: bool = True
    """False when the manifest's privacy level is ``device``."""


class NodeProfile(Struct, frozen=True, kw_only=True):
    """Who a node is and what it can do; sent once per session and again when it changes."""

    node_id: NodeId
    name: str
    device_class: DeviceClass
    incarnation: int
    """Grows with every start of the node; the newest one counts."""
    slots: int
    """Stages that run at once."""
    power: PowerModel
    hosted: tuple[HostedTier, ...] = ()

    def tiers_of(self, model: ModelName) -> tuple[HostedTier, ...]:
        """Return what this node hosts of a model, weakest tier first."""
        return tuple(sorted((h for h in self.hosted if h.model == model), key=lambda h: h.tier.rank))


class Telemetry(Struct, frozen=True, kw_only=True):
    """A sample of a node's state; rides on every heartbeat and every reply."""

    queued: int = 0
    running: int = 0
    backlog_s: float = 0.0
    """Predicted seconds until a stage that arrives now would start."""
    warm: tuple[ArtifactHash, ...] = ()
    battery_fraction: float | None = None
    """0..1; none on mains."""
    charging: bool = False
    radio_awake: bool = True
    free_memory_bytes: int | None = None
