"""Peers may say any number that the wire lets through: nothing raises, every request ends, others are told no worse."""

from __future__ import annotations

from random import Random

import pytest
from msgspec import Struct, msgpack
from msgspec.structs import replace

from meshd.core import commands, events
from meshd.core.answer import Answer, Energy, Hop, Timings
from meshd.core.commands import Command
from meshd.core.ids import ArtifactHash, NodeId, RequestId
from meshd.core.node import DeviceClass, HostedStage, HostedTier, NodeProfile, PeerLink, Telemetry, Way
from meshd.core.request import Priority
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from model_registry.power import PowerModel
from tests.core.builders import ECG, HUB_TIER, PHONE_TIER, request, tier
from tests.core.parts import cut_tier, member

OWN, PEERS = NodeId("0" * 64), tuple(NodeId(digit * 64) for digit in "123")
MODEL = cut_tier((1e-4, 1e-4, 1e-4), (68, 72), (Way(codec="fp16", ratio=0.5),), artifact="a")
SECONDS = (0.0, 5e-324, 1e-300, 1e-160, 1e-12, 1e-3, 1.0, 1e9)
COUNTS = (0, 1, 2**31, 2**62)
POWERS = (1e-9, 1.0, 1e18)
RANGES = (None, (0, 1), (1, 3), (0, 3), (2, 2), (3, 1), (0, 16))


class Liar:
    """Draws what peers say, each figure sensible or at the end of what is allowed."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)

    def profile(self, node_id: NodeId) -> NodeProfile:
        pick = self.chance.choice
        said = PowerModel(
            idle_watts=pick((0.0, 1e18)),
            active_watts=pick(POWERS),
            macs_per_s=pick(POWERS),
            radio_joules_per_byte=pick((0.0, 1e18)),
            radio_wake_joules=pick((0.0, 1e18)),
            radio_bps=pick(POWERS),
        )
        hosted = tuple(self.hosted() for _ in range(self.chance.randint(1, 3)))
        slots, codecs = pick((1, 4096)), ("fp16", "int8")
        return NodeProfile(
            node_id=node_id,
            name=node_id[:4],
            device_class=HUB_TIER,
            incarnation=1,
            slots=slots,
            power=said,
            hosted=hosted,
            codecs=codecs,
        )

    def hosted(self) -> HostedTier:
        pick = self.chance.choice
        return tier(
            pick((HUB_TIER, HUB_TIER, PHONE_TIER)),
            artifact=ArtifactHash(pick("aaab")),
            accuracy=pick((0.0, 0.5, 1.0)),
            macs=pick(COUNTS),
            compute_s=pick(SECONDS),
            load_s=pick(SECONDS),
            escalation_rate=pick((0.0, 1.0)),
            score_output=pick((None, "score")),
            escalate_low=pick((0.0, float("nan"), -1e308)),
            escalate_high=pick((None, float("inf"), 1e308)),
            stages=tuple(self.stage() for _ in range(pick((0, 1, 3, 3, 3, 16)))),
            ways=self.ways(),
            input_bytes=pick(COUNTS),
            max_items=pick((1, 2**31)),
        )

    def stage(self) -> HostedStage:
        pick = self.chance.choice
        return HostedStage(
            compute_s=pick(SECONDS), measured=pick((True, False)), out_bytes=pick(COUNTS), ways=self.ways()
        )

    def ways(self) -> tuple[Way, ...]:
        pick = self.chance.choice
        ratios = (0.0, 5e-324, 0.5, 4.0)
        return tuple(Way(codec=c, ratio=pick(ratios), seconds=pick(SECONDS)) for c in pick(((), ("fp16", "int8"))))

    def telemetry(self) -> Telemetry:
        pick = self.chance.choice
        links = tuple(PeerLink(node=to[:16], rtt_s=pick(SECONDS), byte_s=pick(SECONDS)) for to in PEERS)
        return Telemetry(
            queued=pick(COUNTS),
            running=pick(COUNTS),
            backlog_s=pick(SECONDS),
            warm=pick(((), (ArtifactHash("a"),))),
            battery_fraction=pick((None, 0.0, 1.0)),
            links=pick((None, links)),
        )

    def answer(self, node_id: NodeId, start: DeviceClass) -> Answer:
        pick = self.chance.choice
        hops = tuple(self.hop(pick((node_id, node_id, OWN)), start) for _ in range(self.chance.randint(1, 3)))
        return Answer(
            model=ECG,
            version="1",
            tier=start,
            variant="int8",
            score=pick((None, 1e300, 0.5)),
            anomalous=None,
            confidence=None,
            degraded=pick((True, False, False)),
            escalations=0,
            route=hops,
            timings=Timings(queue_s=pick(SECONDS), compute_s=pick(SECONDS), total_s=pick(SECONDS)),
            energy=Energy(joules=pick((0.0, 1e12))),
        )

    def hop(self, node_id: NodeId, start: DeviceClass) -> Hop:
        pick = self.chance.choice
        seconds, score, stages = pick(SECONDS), pick((None, 1e300, -1e300)), pick(RANGES)
        items = pick((1, 2**31))
        return Hop(
            node_id=node_id,
            node="x",
            tier=start,
            variant="int8",
            compute_s=seconds,
            items=items,
            score=score,
            stages=stages,
        )


class Node:
    """One scheduler whose stages take no time and whose peers lie."""

    def __init__(self, seed: int) -> None:
        self.liar, self.now = Liar(seed), 100.0
        self.ended: list[RequestId] = []
        own = replace(member("band", MODEL, codecs=("fp16", "int8")), node_id=OWN)
        self.scheduler = Scheduler(own, Settings(), self.now)
        for peer in PEERS:
            self.feed(events.PeerConnected(profile=self.liar.profile(peer), telemetry=self.liar.telemetry()))

    def feed(self, event: events.Event) -> None:
        for command in self.scheduler.handle(event, self.now):
            check_may_be_sent(command)
            for following in self.follow(command):
                self.feed(following)

    def follow(self, command: Command) -> list[events.Event]:
        match command:
            case commands.Finish():
                self.ended.append(command.request_id)
            case commands.ChoosePlan(observation=seen):
                allowed = [index for index, candidate in enumerate(seen.candidates) if candidate.allowed]
                index = self.liar.chance.choice(allowed)
                plan = events.PlanChosen(request_id=seen.request_id, decision=seen.decision, index=index, policy="any")
                return [plan]
            case commands.RunStage():
                return [ran(command.request_id, command.attempt)]
            case commands.RunBatch():
                return [ran(*token) for token in command.members]
            case commands.Dispatch() if self.liar.chance.random() < 0.8:
                return [self.answered(command)]
            case _:
                pass
        return []

    def answered(self, sent: commands.Dispatch) -> events.PeerAnswered:
        pick = self.liar.chance.choice
        return events.PeerAnswered(
            request_id=sent.request_id,
            attempt=sent.attempt,
            node_id=sent.node_id,
            answer=self.liar.answer(sent.node_id, sent.start_tier),
            transferred_bytes=pick((0, 1, 10**8)),
            telemetry=self.liar.telemetry(),
            sent_bytes=pick((0, 100)),
        )


def check_may_be_sent(command: Command) -> None:
    """Fail where what others are told is beyond what they take: they would end the session with this node."""
    told: Struct | None = None
    match command:
        case commands.Finish():
            told = command.outcome
        case commands.Announce():
            told = command.telemetry
        case commands.Dispatch():
            told = command.partial
        case _:
            pass
    if told is not None:
        assert msgpack.decode(msgpack.encode(told), type=type(told)) == told


def ran(request_id: RequestId, attempt: int) -> events.StageFinished:
    return events.StageFinished(
        request_id=request_id,
        attempt=attempt,
        compute_s=1e-4,
        load_s=0.0,
        score=None,
        anomalous=None,
        malformed=False,
        out_bytes=100,
    )


@pytest.mark.parametrize("seeds", [range(start, start + 40) for start in (0, 40, 80)])
def test_no_number_stops_a_request_or_is_passed_on_where_a_message_does_not_hold_it(seeds: range) -> None:
    for seed in seeds:
        node = Node(seed)
        chance = node.liar.chance
        for number in range(12):
            node.now += chance.choice((1e-4, 0.1))
            heard = node.liar.telemetry()
            rtt_s = chance.choice((None, 0.0, 1e-9, 1.0))
            node.feed(events.PeerHeard(node_id=chance.choice(PEERS), telemetry=heard, rtt_s=rtt_s))
            asked = request(f"r{number}", batch=chance.choice((1, 1, 8)), priority=chance.choice(list(Priority)))
            node.feed(events.RequestArrived(request=asked))
        for _ in range(10):
            node.now += 0.25
            node.feed(events.TimePassed())
        asked_for = {f"r{number}" for number in range(12)}
        assert sorted(name for name in node.ended if "/" not in name) == sorted(asked_for), seed
        assert node.scheduler.alive_requests == 0
