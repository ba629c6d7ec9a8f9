"""Small meshes and requests for tests, each value a plain default that a test may replace."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from meshd.core import events
from meshd.core.answer import Answer, Energy, Hop, Timings
from meshd.core.commands import Announce, ChoosePlan, Command
from meshd.core.ids import ArtifactHash, ModelName, NodeId, RequestId
from meshd.core.node import DeviceClass, HostedTier, NodeProfile, Telemetry
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Request
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from model_registry.power import PowerModel

ECG = ModelName("ecg")
WATCH_TIER, PHONE_TIER, HUB_TIER, UPSTREAM_TIER = DeviceClass

# Scores that a tier with a rule accepts, and one that it does not.
CALM, ALARM, DOUBT = 0.1, 0.9, 0.5

_COMPUTE_S = {WATCH_TIER: 0.002, PHONE_TIER: 0.004, HUB_TIER: 0.008, UPSTREAM_TIER: 0.010}
_ACCURACY = {WATCH_TIER: 0.90, PHONE_TIER: 0.94, HUB_TIER: 0.97, UPSTREAM_TIER: 0.98}


def tier(rank: DeviceClass, **changes: Any) -> HostedTier:
    """One tier of the ECG model; the two smaller ones escalate scores in [0.2, 0.8)."""
    screens = rank in (WATCH_TIER, PHONE_TIER)
    plain = HostedTier(
        model=ECG,
        version="1",
        tier=rank,
        variant="int8",
        artifact=ArtifactHash(f"artifact-{rank}"),
        accuracy=_ACCURACY[rank],
        macs=1_000_000 * 4**rank.rank,
        compute_s=_COMPUTE_S[rank],
        load_s=0.05,
        score_output="score" if screens else None,
        escalate_low=0.2 if screens else 0.0,
        escalate_high=0.8 if screens else None,
        escalation_rate=0.1 if screens else 0.0,
    )
    return replace(plain, **changes)


def power(*, on_battery: bool = True) -> PowerModel:
    return PowerModel(
        idle_watts=0.01,
        active_watts=0.1,
        macs_per_s=1e9,
        radio_joules_per_byte=1e-7,
        radio_wake_joules=1e-3,
        radio_bps=1e7,
        battery_joules=4000.0 if on_battery else None,
    )


def node(rank: DeviceClass, *hosted: HostedTier, name: str = "", slots: int = 1, incarnation: int = 1) -> NodeProfile:
    """A node named after its class that hosts the tiers given; its own tier if none is."""
    return NodeProfile(
        node_id=NodeId(name or rank.value),
        name=name or rank.value,
        device_class=rank,
        incarnation=incarnation,
        slots=slots,
        power=power(on_battery=rank in (WATCH_TIER, PHONE_TIER)),
        hosted=hosted or (tier(rank),),
        takes_probes=True,
    )


def watch(*hosted: HostedTier, **changes: Any) -> NodeProfile:
    return node(WATCH_TIER, *hosted, **changes)


def phone(*hosted: HostedTier, **changes: Any) -> NodeProfile:
    return node(PHONE_TIER, *hosted, **changes)


def hub(*hosted: HostedTier, **changes: Any) -> NodeProfile:
    return node(HUB_TIER, *hosted, **changes)


def upstream(*hosted: HostedTier, **changes: Any) -> NodeProfile:
    return node(UPSTREAM_TIER, *hosted, **changes)


def warm(profile: NodeProfile, **changes: Any) -> Telemetry:
    """An idle node that has all its models loaded."""
    return replace(Telemetry(warm=tuple(hosted.artifact for hosted in profile.hosted)), **changes)


def request(name: str = "r", **changes: Any) -> Request:
    plain = Request(request_id=RequestId(name), model=ECG, input_bytes=10_000, deadline_s=1.0)
    return replace(plain, **changes)


def arrived(name: str = "r", **changes: Any) -> events.RequestArrived:
    return events.RequestArrived(request=request(name, **changes))


def met(profile: NodeProfile, **telemetry: Any) -> events.PeerConnected:
    return events.PeerConnected(profile=profile, telemetry=warm(profile, **telemetry))


def finished(attempt: int, score: float | None = CALM, name: str = "r", **changes: Any) -> events.StageFinished:
    plain = events.StageFinished(
        request_id=RequestId(name),
        attempt=attempt,
        compute_s=0.002,
        load_s=0.0,
        score=score,
        anomalous=None if score is None else score >= DOUBT,
        malformed=False,
    )
    return replace(plain, **changes)


def failed(attempt: int, code: str, name: str = "r") -> events.StageFailed:
    return events.StageFailed(request_id=RequestId(name), attempt=attempt, code=code, message="it broke")


def answer_of(profile: NodeProfile, *, score: float | None = None, degraded: bool = False) -> Answer:
    """What a peer says after it ran its largest tier."""
    hosted = profile.hosted[-1]
    hop = Hop(
        node_id=profile.node_id,
        node=profile.name,
        tier=hosted.tier,
        variant=hosted.variant,
        compute_s=hosted.compute_s,
        score=score,
    )
    return Answer(
        model=hosted.model,
        version=hosted.version,
        tier=hosted.tier,
        variant=hosted.variant,
        score=score,
        anomalous=None,
        confidence=None,
        degraded=degraded,
        escalations=0,
        route=(hop,),
        timings=Timings(compute_s=hosted.compute_s, total_s=hosted.compute_s),
        energy=Energy(joules=0.001),
    )


def answered(attempt: int, profile: NodeProfile, name: str = "r", **changes: Any) -> events.PeerAnswered:
    return events.PeerAnswered(
        request_id=RequestId(name),
        attempt=attempt,
        node_id=profile.node_id,
        answer=answer_of(profile, **changes),
        transferred_bytes=10_100,
        telemetry=warm(profile),
    )


def refused(attempt: int, profile: NodeProfile, code: str, name: str = "r") -> events.PeerRefused:
    return events.PeerRefused(
        request_id=RequestId(name),
        attempt=attempt,
        node_id=profile.node_id,
        code=code,
        message="it will not",
        telemetry=None,
    )


def scheduler(own: NodeProfile, *peers: NodeProfile, settings: Settings | None = None) -> Scheduler:
    """A node at time 0 with its models warm, in session with its peers, the first heartbeat sent."""
    made = Scheduler(own, settings or Settings(), 0.0)
    state = warm(own)
    sampled = events.HostChanged(warm=state.warm, battery_fraction=None, charging=False, free_memory_bytes=None)
    made.handle(sampled, 0.0)
    for peer in peers:
        made.handle(met(peer), 0.0)
    return made


def step(made: Scheduler, event: events.Event, now: float = 0.0) -> list[Command]:
    """Handle an event and let the heuristic answer every ChoosePlan; return all other commands but heartbeats."""
    told: list[Command] = []
    for command in made.handle(event, now):
        if isinstance(command, ChoosePlan):
            told += step(made, chosen(command), now)
        elif not isinstance(command, Announce):
            told.append(command)
    return told


def chosen(asked: ChoosePlan, index: int | None = None, policy: str = "test") -> events.PlanChosen:
    """Answer a ChoosePlan: with an index, or as the heuristic would."""
    observation = asked.observation
    return events.PlanChosen(
        request_id=observation.request_id,
        decision=observation.decision,
        index=LeastExpectedCost().choose(observation) if index is None else index,
        policy=policy,
    )
