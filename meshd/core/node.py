"""What is known of a node: the slow-changing profile and the fast telemetry."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from meshd.core.growth import growth_at
from meshd.core.ids import ONE_LINE, ArtifactHash, HumanName, NodeId, SaidArtifact, SaidModel, Word
from model_registry.power import PowerModel

MOST_S = 1e9
"""Of any figure that nodes tell each other: more than thirty years."""
Seconds = Annotated[float, Meta(ge=0.0, le=MOST_S)]
"""Bounds also keep out NaN and infinity: a peer that announces one would spoil every prediction."""
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0, le=2**62)]
LEAST_GROWTH = 0.01
"""Of a longer input against the smallest: what is learned of long ones is divided by it."""
Growth = Annotated[float, Meta(ge=LEAST_GROWTH, le=1e9)]
MOST_SIZES = 4
"""Lengths that a model was timed at, beside the shortest."""


class DeviceClass(StrEnum):
    """Rank of a device, weakest first; a model's tiers carry the names of the classes they are made for."""

    WATCH = "watch"
    PHONE = "phone"
    HUB = "hub"
    UPSTREAM = "upstream"

    __hash__ = str.__hash__  # Enum's own is written in Python, and every decision asks for hundreds.

    def __init__(self, _value: str) -> None:
        self.rank = len(type(self).__members__)
        """Position in the order watch < phone < hub < upstream."""


MOST_WAYS = 16
"""There are five codecs; each way that a peer announces is weighed in every decision."""


class Way(Struct, frozen=True, kw_only=True, gc=False):
    """One way to encode tensors for a link, as a manifest allows it."""

    codec: Word
    ratio: Annotated[float, Meta(ge=0.0, le=4.0)]
    """Bytes on the link per byte of the tensors."""
    seconds: Seconds = 0.0
    """To encode and decode one item, both ends together."""
    exact: bool = False
    """Whether every bit comes back; a node that does not say so may lose some."""


class HostedStage(Struct, frozen=True, kw_only=True, gc=False):
    """One contiguous piece of a variant that can be cut, as one node can run it."""

    compute_s: Seconds
    """Seconds for one item there."""
    measured: bool = False
    """False while the figure is the manifest's share of the whole."""
    out_bytes: Count = 0
    """Bytes of one item's tensors that cross behind it for the smallest input, not encoded; 0 for the last stage."""
    may_travel: bool = True
    """Whether the manifest lets what crosses behind it leave the node."""
    ways: Annotated[tuple[Way, ...], Meta(max_length=MOST_WAYS)] = ()
    """How what crosses behind it may be encoded."""
    growth: Annotated[tuple[Growth, ...], Meta(max_length=MOST_SIZES)] = ()
    """How many times as long as the smallest input one of each of the tier's sizes takes; empty: as of the whole."""


class HostedTier(Struct, frozen=True, kw_only=True):
    """One tier of a model as one node can run it: the variant chosen there, with what running it costs."""

    model: SaidModel
    version: Word
    tier: DeviceClass
    variant: Word
    artifact: SaidArtifact
    accuracy: Share
    """Balanced accuracy in its manifest, 0..1; ranks variants for emergencies."""
    macs: Count
    """Multiply-accumulates for one item of the batch."""
    compute_s: Seconds
    """Median seconds for one item of the smallest input, measured on that node."""
    load_s: Seconds
    """Seconds from cold to warm, measured on that node."""
    score_output: Word | None = None
    """Output that the escalation rule reads; none when the tier never escalates."""
    escalate_low: float = 0.0
    """The answer escalates when its score lies in [escalate_low, escalate_high)."""
    escalate_high: float | None = None
    """None: every score at or above escalate_low escalates."""
    calibrated: bool = True
    """False when the rule was shown to hold for another artifact: then every answer escalates."""
    escalation_rate: Share = 0.0
    """Share of requests expected to escalate, from the manifest; observed rates replace it."""
    raw_input_may_leave: bool = True
    """False when the manifest's privacy level is ``device``."""
    input_bytes: Count = 0
    """Bytes of one item of the smallest input: what crosses is announced for that one. 0: it is not told."""
    ways: Annotated[tuple[Way, ...], Meta(max_length=MOST_WAYS)] = ()
    """How the input may be encoded for a link."""
    stages: Annotated[tuple[HostedStage, ...], Meta(max_length=16)] = ()
    """Pieces that can run on different nodes, in order; empty where the variant was not cut."""
    max_items: Annotated[int, Meta(ge=1, le=2**31)] = 1
    """Items that one run may hold; 1 where requests cannot be joined to a batch."""
    sizes: Annotated[tuple[Count, ...], Meta(max_length=MOST_SIZES)] = ()
    """Bytes of one item's longer inputs that it was timed with, ascending; empty where all inputs are of one length."""
    growth: Annotated[tuple[Growth, ...], Meta(max_length=MOST_SIZES)] = ()
    """How many times as long as the smallest input each of them takes."""

    def growth_at(self, item_bytes: float) -> float:
        """Return how many times as long as the smallest input one of ``item_bytes`` takes; 1 where they are unknown."""
        return growth_at(item_bytes, self.input_bytes, self.sizes, self.growth) if self.sizes else 1.0

    def stage_growth_at(self, stage: int, item_bytes: float) -> float:
        """Return the same of one stage."""
        growth = self.stages[stage].growth or self.growth
        return growth_at(item_bytes, self.input_bytes, self.sizes, growth) if self.sizes else 1.0

    def input_behind(self, stage: int, crossing_bytes: float) -> float:
        """Return about how many bytes the input has of which so many cross before a stage: they grow alike."""
        smallest_bytes = self.stages[stage - 1].out_bytes
        return self.input_bytes * crossing_bytes / smallest_bytes if smallest_bytes else float(self.input_bytes)

    def macs_of(self, first: int, last: int) -> int:
        """Return what stages [first, last) multiply for one item, by their share of the time: only that is known."""
        if last - first == len(self.stages):
            return self.macs
        whole_s = sum(stage.compute_s for stage in self.stages)
        if not whole_s:
            return self.macs
        return round(self.macs * sum(stage.compute_s for stage in self.stages[first:last]) / whole_s)


class NodeProfile(Struct, frozen=True, kw_only=True):
    """Who a node is and what it can do; sent once per session and again when it changes."""

    node_id: NodeId
    name: HumanName
    device_class: DeviceClass
    incarnation: Count
    """Grows with every start of the node; the newest one counts."""
    slots: Annotated[int, Meta(ge=1, le=4096)]
    """Stages that run at once."""
    power: PowerModel
    hosted: tuple[HostedTier, ...] = ()
    codecs: Annotated[tuple[Word, ...], Meta(max_length=16)] = ()
    """Encodings of tensors that it can undo, beside raw ones."""
    takes_probes: bool = False
    """Whether heartbeats may have bytes behind them: earlier builds end the session at one."""


class PeerLink(Struct, frozen=True, kw_only=True, gc=False):
    """The way from the node that tells of it to one of its peers, as it was measured there."""

    node: Annotated[str, ONE_LINE, Meta(max_length=16)]
    """The first sixteen digits of the peer's id: enough to tell nodes of one home apart, at a quarter of the bytes."""
    rtt_s: Seconds
    byte_s: Seconds
    """Seconds per byte beyond the round trip."""


class WarmStages(Struct, frozen=True, kw_only=True, gc=False):
    """Ranges of stages of one variant that a node has in memory by themselves."""

    artifact: SaidArtifact
    ranges: Annotated[tuple[tuple[Count, Count], ...], Meta(max_length=256)] = ()
    """Each [first, last)."""


MOST_TOLD_LINKS = 8
"""A chain over three nodes goes over a link that its first node cannot measure; it needs the few best of them."""


class Telemetry(Struct, frozen=True, kw_only=True):
    """A sample of a node's state; rides on every heartbeat and every reply."""

    queued: Count = 0
    running: Count = 0
    backlog_s: Seconds = 0.0
    """Predicted seconds until a stage that arrives now would start."""
    warm: tuple[ArtifactHash, ...] = ()
    battery_fraction: Share | None = None
    """0..1; none on mains."""
    charging: bool = False
    radio_awake: bool = True
    free_memory_bytes: Count | None = None
    links: Annotated[tuple[PeerLink, ...], Meta(max_length=MOST_TOLD_LINKS)] | None = None
    """The best links to others; none where it does not say: answers do not."""
    warm_stages: Annotated[tuple[WarmStages, ...], Meta(max_length=256)] | None = None
    """Of the models that may be cut; none where it does not say, as for links."""

    @property
    def of_moment(self) -> tuple[object, ...]:
        """Return what answers tell of a node as well as heartbeats do, and plans depend on."""
        queue = self.queued, self.running, self.backlog_s
        return *queue, self.warm, self.battery_fraction, self.charging, self.radio_awake
