"""The documents that a daemon hands to those who ask: what ``meshd status --json`` and its sisters print.

Durations are seconds and energies joules, as everywhere; none stands for "not known" or "not applicable".
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from meshd.core.answer import Energy
from meshd.core.ids import ArtifactHash, ModelName, NodeId
from meshd.core.node import DeviceClass, Telemetry
from model_registry.power import PowerModel


class Problem(Struct, frozen=True, kw_only=True):
    """Something that a person should know, and what to do about it."""

    sentence: str
    hint: str = ""


class MqttState(Struct, frozen=True, kw_only=True):
    """How this node stands with its broker."""

    state: Literal["off", "connecting", "connected", "lost"]
    url: str | None = None
    since_s: float = 0.0
    """How long it has been so."""
    last_error: str | None = None
    """Why the broker was lost or refused the latest try; none while connected."""
    queued: int = 0
    """Events that no broker has taken yet."""
    dropped: int = 0
    """Events that had to go because the outbox was full, since it was made."""


class RequestCounters(Struct, frozen=True, kw_only=True):
    """Requests since the start, delegated ones included."""

    submitted: int = 0
    completed: int = 0
    failed: int = 0
    degraded: int = 0
    escalated: int = 0
    alive: int = 0


class ChoiceCounters(Struct, frozen=True, kw_only=True):
    """What the policy has answered since the start, where it was asked."""

    asked: int = 0
    waits: int = 0
    """Requests that it had wait for a cheaper moment."""
    guarded: dict[str, int] = {}
    """Choices that the heuristic made in its place, by the reason: ``cost``, ``unlike_training``, ``failed``."""
    moved: int = 0
    """Choices that are others for what such ways have really cost here."""


class Corrected(Struct, frozen=True, kw_only=True):
    """A kind of way that has cost more here than was predicted, and is corrected for it."""

    node_id: NodeId
    tier: DeviceClass
    kind: Literal["whole", "stages", "items", "wait"]
    share: float
    """Of its predicted cost, by which it looks dearer."""


class DriftCounters(Struct, frozen=True, kw_only=True):
    """How often what was learned turned out to be of something else by now, and was learned anew, since the start."""

    runs: int = 0
    """What runs take on some node: it was throttled, or something else runs there."""
    links: int = 0
    """What a link takes: another access point, another room."""
    handling: int = 0
    """What requests take beyond their runs and ways."""
    escalations: int = 0
    """How often answers of some tier escalate."""


class Excess(Struct, frozen=True, kw_only=True):
    """What was more than this node takes, since the start."""

    messages_left_out: int = 0
    """Heartbeats and capabilities of peers, beyond what is taken in within a second."""
    peers_cut_off: int = 0
    """Sessions that were ended for absurdly many of them."""
    slow_readers_cut_off: int = 0
    """Sessions that were ended for the room of all readers: the slowest of whose user or node left the most unread."""


class QueueState(Struct, frozen=True, kw_only=True):
    """Stages on this node."""

    queued: int
    queued_max: int
    running: int
    slots: int
    backlog_s: float


class MemoryState(Struct, frozen=True, kw_only=True):
    """Memory of the process and of the device."""

    resident_bytes: int
    free_bytes: int | None = None


class BatteryState(Struct, frozen=True, kw_only=True):
    """The battery, real or simulated."""

    fraction: float
    charging: bool
    simulated: bool


class Arrival(Struct, frozen=True, kw_only=True):
    """A variant that is being fetched."""

    model: ModelName
    version: str
    tier: DeviceClass
    variant: str
    artifact: ArtifactHash
    come_bytes: int
    """What is here already, verified; a download that was interrupted goes on from there."""
    size_bytes: int
    sources: tuple[str, ...]
    """The nodes that were asked for some of it, or the client that brings it."""


class StatusDocument(Struct, frozen=True, kw_only=True):
    """Who this node is and how it is."""

    node_id: NodeId
    name: str
    device_class: DeviceClass
    version: str
    uptime_s: float
    incarnation: int
    healthy: bool
    """False when a problem keeps it from its work; a problem alone need not."""
    problems: tuple[Problem, ...]
    listening: str | None
    """Where peers connect to, as ``host:port``."""
    policy: str
    policy_note: str = ""
    """Why it is not the policy that is configured; empty where it is."""
    policy_sha256: str = ""
    """Of a learned policy's network; empty where a rule serves."""
    choices: ChoiceCounters = ChoiceCounters()
    corrected: tuple[Corrected, ...] | None = None
    """By what requests have taught; none where ``scheduler.adapt`` is off."""
    mqtt: MqttState
    battery: BatteryState | None
    requests: RequestCounters
    queue: QueueState
    memory: MemoryState
    energy: Energy
    """Since the start, this node's own."""
    power: PowerModel
    """What costs are estimated from: its class's figures, and its own where the configuration has them."""
    arriving: tuple[Arrival, ...] = ()
    excess: Excess = Excess()
    drifts: DriftCounters = DriftCounters()


PeerState = Literal["alive", "suspect", "dead", "left", "unreached", "unpaired"]


class Peer(Struct, frozen=True, kw_only=True):
    """One other node, as this one sees it."""

    node_id: NodeId
    name: str
    device_class: DeviceClass | None
    state: PeerState
    """``unreached``: it is trusted and was never in session yet. ``unpaired``: it was discovered or knocked, and its
    certificate is not trusted here."""
    link_up: bool
    address: str | None
    rtt_s: float | None
    age_s: float | None
    """Age of what is known of it."""
    discovered_s: float | None
    """From this daemon's start until the peer was first alive."""
    last_error: str | None
    telemetry: Telemetry | None
    power: PowerModel | None = None
    """What it announced of its speed and appetite; none when it was never in session."""


class PeersDocument(Struct, frozen=True, kw_only=True):
    """All nodes that this one has met or discovered."""

    node_id: NodeId
    name: str
    peers: tuple[Peer, ...]


class Host(Struct, frozen=True, kw_only=True):
    """A node that runs a variant."""

    node_id: NodeId
    node: str
    warm: bool
    compute_s: float
    """Median for one item, measured there."""


class CalibratedBound(Struct, frozen=True, kw_only=True):
    """What the escalation rule was shown to hold: at most this share of anomalies is missed, with this confidence."""

    missed: float
    confidence: float


class ModelTier(Struct, frozen=True, kw_only=True):
    """One tier of a model, in one variant."""

    tier: DeviceClass
    variant: str
    precision: str | None
    """None where only peers host it: they announce the variant, not its file."""
    artifact: ArtifactHash
    size_bytes: int | None
    accuracy: float | None
    """Balanced accuracy in the manifest, 0..1, or R2. None where it was not held against true answers, or where only
    peers have the manifest."""
    escalation_rate: float
    bound: CalibratedBound | None
    """None when the tier never escalates, or is not calibrated for this artifact."""
    hosts: tuple[Host, ...]


class Unserved(Struct, frozen=True, kw_only=True):
    """A model that this node should run and does not."""

    version: str
    state: Literal["in quarantine", "refused"]
    problem: Problem


class Model(Struct, frozen=True, kw_only=True):
    """A model with its tiers, weakest first."""

    name: ModelName
    version: str
    signed_by: str | None
    """Publisher's name, or the first digits of an unnamed one's key; ``unsigned``; ``bundled`` with meshd. None where
    only peers have its manifest."""
    tiers: tuple[ModelTier, ...]
    pinned: bool = False
    """Never removed from this node to make room."""
    unserved: Unserved | None = None
    """What keeps this node from running any of it; none when it runs it, or need not."""


class ModelsDocument(Struct, frozen=True, kw_only=True):
    """All models that some node of the mesh can run or this one should, and what is on its way to this one."""

    models: tuple[Model, ...]
    arriving: tuple[Arrival, ...] = ()


class Taken(Struct, frozen=True, kw_only=True):
    """What became of a model that was added or fetched; variants are called ``tier/variant``."""

    model: ModelName
    version: str
    hosted: str | None
    """What this node runs of it; none where it has nothing for this class of devices."""
    obstacles: tuple[str, ...] = ()
    """Where it runs nothing: what keeps each variant that is for this class from it."""
    kept: tuple[str, ...]
    """What is in this node's store."""
    left_out: tuple[str, ...] = ()
    """What the disk budget had no room for."""
    moved_bytes: int = 0
    """What had to come for it; the rest was here already."""
    moved_s: float = 0.0
    """How long that took, without the trials."""


class Done(Struct, frozen=True, kw_only=True):
    """An order was carried out."""

    sentence: str


Remedy = Literal["mended", "quarantined", "restored", "released", "reloaded"]
"""``mended``: damaged pieces came from peers. ``restored``, ``released``: out of quarantine, with a new copy or with
the old one, which turned out sound. ``reloaded``: it answered wrongly until it was loaded again."""


class Finding(Struct, frozen=True, kw_only=True):
    """Something that was wrong with a model here, and what was done about it."""

    model: ModelName
    version: str
    tier: DeviceClass
    variant: str
    artifact: ArtifactHash
    outcome: Remedy
    reason: str = ""
    damaged_pieces: int = 0
    pieces: int = 0
    """Of the artifact; 0 where nobody can tell, or where its file is not what was wrong."""
    serving: tuple[str, ...] = ()
    """What this node runs of the model now, as ``tier/variant``."""


class VerifyDocument(Struct, frozen=True, kw_only=True):
    """What a scrub has found."""

    artifacts: int
    n_bytes: int
    took_s: float
    cpu_s: float
    """Processor time of the reading itself."""
    mending_s: float = 0.0
    """Of ``took_s``: from where damage was found until it was mended or the model put in quarantine."""
    findings: tuple[Finding, ...]


class ManifestDocument(Struct, frozen=True, kw_only=True):
    """What a model that this node has says about itself."""

    model: ModelName
    text: str
    """The manifest, as TOML."""
