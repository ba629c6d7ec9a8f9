"""Documents of a small household, as a daemon would write them."""

from typing import Any

from msgspec.structs import replace

from meshd.core.answer import Answer, Energy, Hop, Timings
from meshd.core.ids import ArtifactHash, ModelName, NodeId, RequestId
from meshd.core.node import DeviceClass, Telemetry
from meshd.core.request import Priority, Privacy
from meshd.documents import (
    CalibratedBound,
    Host,
    MemoryState,
    Model,
    ModelsDocument,
    ModelTier,
    MqttState,
    Peer,
    PeersDocument,
    Problem,
    QueueState,
    RequestCounters,
    StatusDocument,
)
from meshd.explain_document import (
    ExplainDocument,
    ExplainedCandidate,
    ExplainedDecision,
    ExplainedLeg,
    ExplainedShare,
)
from model_registry.device_class import device_class

WATCH, HUB = NodeId("aa" * 32), NodeId("bb" * 32)
ECG = ModelName("ecg-anomaly")

STATUS = StatusDocument(
    node_id=WATCH,
    name="wrist",
    device_class=DeviceClass.WATCH,
    version="0.1.0",
    uptime_s=3725.0,
    incarnation=7,
    healthy=True,
    problems=(Problem(sentence="The broker is away.", hint="Inference goes on."),),
    listening="127.0.0.1:47600",
    policy="least-expected-cost",
    mqtt=MqttState(state="lost", url="mqtt://hub:1883", last_error="connection refused"),
    battery=None,
    requests=RequestCounters(submitted=9, completed=8, failed=1, degraded=2, escalated=3),
    queue=QueueState(queued=0, queued_max=32, running=1, slots=1, backlog_s=0.0),
    memory=MemoryState(resident_bytes=81_000_000),
    energy=Energy(joules=0.0125),
    power=device_class("watch").power,
)


def peer(**changes: object) -> Peer:
    figures: dict[str, object] = {
        "node_id": HUB,
        "name": "kitchen",
        "device_class": DeviceClass.HUB,
        "state": "alive",
        "link_up": True,
        "address": "192.168.1.7:47600",
        "rtt_s": 0.0027,
        "age_s": 0.5,
        "discovered_s": 1.5,
        "last_error": None,
        "telemetry": Telemetry(battery_fraction=0.25),
        "power": device_class("hub").power,
    }
    return Peer(**(figures | changes))  # type: ignore[arg-type]


PEERS = PeersDocument(
    node_id=WATCH,
    name="wrist",
    peers=(peer(), peer(node_id=NodeId("cc" * 32), name="stranger", state="unpaired", link_up=False, rtt_s=None)),
)
MODELS = ModelsDocument(
    models=(
        Model(
            name=ECG,
            version="1.0.0",
            signed_by="clinic",
            tiers=(
                ModelTier(
                    tier=DeviceClass.WATCH,
                    variant="int8",
                    precision="int8",
                    artifact=ArtifactHash("dd" * 32),
                    size_bytes=93_000,
                    accuracy=0.9,
                    escalation_rate=0.2,
                    bound=CalibratedBound(missed=0.05, confidence=0.95),
                    hosts=(Host(node_id=WATCH, node="wrist", warm=True, compute_s=0.00025),),
                ),
            ),
        ),
    )
)
HOP = Hop(node_id=HUB, node="kitchen", tier=DeviceClass.HUB, variant="fp32", compute_s=0.002, score=0.97)
TIMINGS = Timings(queue_s=0.0, compute_s=0.002, transfer_s=0.001, total_s=0.0035)
EXPLAIN = ExplainDocument(
    request_id=RequestId("r1"),
    model=ECG,
    deadline_s=0.5,
    priority=Priority.NORMAL,
    privacy=Privacy.HOUSEHOLD,
    min_tier=DeviceClass.HUB,
    input_bytes=7200,
    outcome="answered",
    code=None,
    message=None,
    decisions=(
        ExplainedDecision(
            decision=1,
            remaining_s=0.5,
            candidates=(
                ExplainedCandidate(
                    plan="watch tier on wrist",
                    node_id=WATCH,
                    tier=DeviceClass.WATCH,
                    allowed=False,
                    mask="too_weak",
                    reason="the request asks for tier hub or above",
                    predicted_s=0.001,
                    predicted_joules=0.0002,
                    cost=0.0003,
                ),
                ExplainedCandidate(
                    plan="hub tier on kitchen",
                    node_id=HUB,
                    tier=DeviceClass.HUB,
                    allowed=True,
                    mask=None,
                    reason=None,
                    predicted_s=0.004,
                    predicted_joules=0.012,
                    cost=0.0108,
                ),
            ),
            chosen=1,
            policy="least-expected-cost",
        ),
    ),
    tier=DeviceClass.HUB,
    score=0.97,
    escalations=0,
    route=(HOP,),
    timings=TIMINGS,
    energy=Energy(joules=0.0122),
)
ANSWER = Answer(
    model=ECG,
    version="1.0.0",
    tier=DeviceClass.HUB,
    variant="fp32",
    score=0.97,
    anomalous=True,
    confidence=0.97,
    degraded=False,
    escalations=0,
    route=(HOP,),
    timings=TIMINGS,
    energy=Energy(joules=0.0122),
)


def split_explained() -> ExplainDocument:
    """Return a request whose first two stages ran on the watch and whose last one on the hub."""
    wrist = ExplainedLeg(
        node_id=WATCH,
        node="wrist",
        first=0,
        last=2,
        codec="raw",
        predicted_compute_s=0.001,
        predicted_transfer_s=0.0,
        actual_compute_s=0.0012,
    )
    kitchen = ExplainedLeg(
        node_id=HUB,
        node="kitchen",
        first=2,
        last=3,
        codec="int8",
        predicted_compute_s=0.001,
        predicted_transfer_s=0.002,
        actual_compute_s=0.002,
        actual_transfer_s=0.001,
    )
    hop = replace(HOP, stages=(2, 3), codec="int8")
    return replace(chosen(plan="hub tier on wrist 0-2, kitchen 2-3", legs=(wrist, kitchen)), route=(hop,))


def shared_explained() -> ExplainDocument:
    """Return a request whose eight items were to be shared, and of which nothing has come yet."""
    share = ExplainedShare(node_id=HUB, node="kitchen", items=3, codec="raw", predicted_s=0.004)
    part = replace(EXPLAIN, request_id=RequestId("r1/0"))
    own = replace(share, node_id=WATCH, node="wrist", items=5)
    told = chosen(plan="hub tier on wrist x5, kitchen x3", shares=(own, share))
    return replace(told, batch=8, parts=(part, part))


def chosen(**changes: Any) -> ExplainDocument:
    """Return a request of which what was chosen is changed."""
    (decision,) = EXPLAIN.decisions
    masked, taken = decision.candidates
    return replace(EXPLAIN, decisions=(replace(decision, candidates=(masked, replace(taken, **changes))),))
