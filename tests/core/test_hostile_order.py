"""Events in any order, of peers that come, go, change and hand over nonsense: one end each, and nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from msgspec.structs import replace

from meshd.core import commands, events
from meshd.core.commands import Command
from meshd.core.ids import ArtifactHash, NodeId, RequestId
from meshd.core.node import HostedTier, NodeProfile, PeerLink, Telemetry, Way
from meshd.core.plan import Leg, Partial
from meshd.core.request import Priority, Privacy, Request
from meshd.core.run_queue import Token
from meshd.core.scheduler import Scheduler
from meshd.core.settings import Settings
from tests.core.builders import HUB_TIER, PHONE_TIER, UPSTREAM_TIER, WATCH_TIER, answer_of, request
from tests.core.parts import cut_tier, member

NAMES = tuple(NodeId(name) for name in ("band", "kitchen", "hall", "attic", "bed"))
OWN, PEERS = NAMES[0], NAMES[1:]
CLASSES = (PHONE_TIER, HUB_TIER, HUB_TIER, UPSTREAM_TIER, WATCH_TIER)
VARIANTS = ((WATCH_TIER, "w"), (PHONE_TIER, "a"), (HUB_TIER, "a"), (HUB_TIER, "h"))
PLANS = ("", "", "band", "kitchen", "band 0-1, kitchen 1-3", "band 0-1, kitchen 1-2, hall 2-3", "band x4, kitchen x4")
REFUSALS = ("overloaded", "invalid_input", "execution_failed", "stage_mismatch", "internal_error")


class Fate:
    """Decides what happens, and when."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)

    def hosted(self) -> tuple[HostedTier, ...]:
        return tuple(self._tier(*variant) for variant in VARIANTS if self.chance.random() < 0.5)

    def _tier(self, rank: object, artifact: str) -> HostedTier:
        pick = self.chance.choice
        n_stages = pick((0, 3, 3, 3, 2))
        seconds, way = pick((1e-4, 1e-2)), Way(codec="fp16", ratio=0.5)
        whole = cut_tier((seconds,) * 3, (68, 68), (way,), tier=rank, artifact=ArtifactHash(artifact))
        score, open_to_all = pick((None, "score")), pick((True, True, False))
        return replace(
            whole,
            stages=whole.stages[:n_stages],
            score_output=score,
            escalate_low=0.4,
            escalate_high=0.8,
            raw_input_may_leave=open_to_all,
        )

    def profile(self, name: NodeId, incarnation: int = 1) -> NodeProfile:
        rank = CLASSES[NAMES.index(name)]
        made = member(name, rank=rank, codecs=("fp16",), slots=self.chance.choice((1, 2)))
        return replace(made, hosted=self.hosted(), incarnation=incarnation)

    def telemetry(self) -> Telemetry:
        pick = self.chance.choice
        links = tuple(PeerLink(node=name, rtt_s=pick((1e-4, 1e-2)), byte_s=pick((1e-9, 1e-5))) for name in NAMES)
        return Telemetry(backlog_s=pick((0.0, 0.01)), links=pick((None, links)))

    def request(self, name: str) -> Request:
        pick = self.chance.choice
        asked = request(
            name,
            deadline_s=pick((0.05, 1.0, 1e-9)),
            batch=pick((1, 8)),
            priority=pick(list(Priority)),
            privacy=pick(list(Privacy)),
            min_tier=pick((None, None, HUB_TIER)),
        )
        if self.chance.random() < 0.6:
            return replace(asked, plan=pick(PLANS))
        via = tuple(self.chance.sample(PEERS, 2))
        return replace(asked, via=via, start_tier=pick((None, PHONE_TIER, HUB_TIER)), partial=self._partial())

    def _partial(self) -> Partial | None:
        pick = self.chance.choice
        ranges = pick((None, ((1, 3),), ((1, 2), (2, 3)), ((2, 2),), ((1, 2),)))
        if ranges is None:
            return None
        names = (OWN, pick(NAMES))
        legs = tuple(Leg(node_id=n, node=n, first=a, last=b) for n, (a, b) in zip(names, ranges, strict=False))
        return Partial(artifact=ArtifactHash(pick(("a", "h", "zz"))), legs=legs)

    def ran(self, token: Token) -> events.Event:
        pick = self.chance.choice
        if self.chance.random() < 0.15:
            code = pick(("execution_failed", "invalid_input"))
            return events.StageFailed(request_id=token[0], attempt=token[1], code=code, message="it broke")
        return events.StageFinished(
            request_id=token[0],
            attempt=token[1],
            compute_s=1e-4,
            load_s=0.0,
            score=pick((None, 0.1, 0.5, float("nan"))),
            anomalous=None,
            malformed=self.chance.random() < 0.1,
            out_bytes=100,
        )

    def reply(self, sent: commands.Dispatch, hosted: tuple[HostedTier, ...]) -> list[events.Event]:
        pick = self.chance.choice
        if self.chance.random() < 0.2 or not hosted:
            return []
        if self.chance.random() < 0.25:
            refusal = events.PeerRefused(
                request_id=sent.request_id,
                attempt=sent.attempt,
                node_id=sent.node_id,
                code=pick(REFUSALS),
                message="it will not",
                telemetry=None,
            )
            return [refusal]
        ranks = (sent.start_tier, sent.start_tier, UPSTREAM_TIER) if sent.partial is None else (sent.start_tier,)
        answer = answer_of(member(sent.node_id, replace(pick(hosted), tier=pick(ranks))), degraded=pick((True, False)))
        if sent.partial is not None:
            hops = tuple(replace(answer.route[0], stages=(leg.first, leg.last)) for leg in sent.partial.legs)
            answer = replace(answer, route=hops)
        answered = events.PeerAnswered(
            request_id=sent.request_id,
            attempt=sent.attempt,
            node_id=sent.node_id,
            answer=answer,
            transferred_bytes=100,
            telemetry=self.telemetry(),
            sent_bytes=pick((0, 100)),
        )
        return [answered]


class Node:
    """One scheduler; what follows from its commands comes later, in any order, or never."""

    def __init__(self, seed: int) -> None:
        self.fate = Fate(seed)
        self.now, self.incarnation, self.arrivals = 100.0, 1, 0
        self.live: set[RequestId] = set()
        self.coming: list[events.Event] = []
        settings = Settings(max_requests=self.fate.chance.choice((6, 1024)))
        self.scheduler = Scheduler(self.fate.profile(OWN), settings, self.now)
        for peer in PEERS:
            self.feed(self.met(peer))

    def met(self, peer: NodeId) -> events.PeerConnected:
        return events.PeerConnected(profile=self.fate.profile(peer, self.incarnation), telemetry=self.fate.telemetry())

    def feed(self, event: events.Event) -> None:
        for command in self.scheduler.handle(event, self.now):
            self.take(command)

    def take(self, command: Command) -> None:
        """Check that a command is about what is alive, and note what comes of it."""
        match command:
            case commands.Announce() | commands.StandingChanged():
                return
            case commands.WarmUp():
                self.coming.append(events.WarmedUp(tier=command.tier, load_s=0.1))
                return
            case commands.RunBatch():
                assert {name for name, _ in command.members} <= self.live
                self.coming += [self.fate.ran(token) for token in command.members]
                return
            case commands.ChoosePlan(observation=seen):
                assert seen.request_id in self.live
                allowed = [index for index, candidate in enumerate(seen.candidates) if candidate.allowed]
                index, name = self.fate.chance.choice((*allowed, *allowed, -1, 99)), seen.request_id
                plan = events.PlanChosen(request_id=name, decision=seen.decision, index=index, policy="any")
                self.coming.append(plan)
                return
        assert command.request_id in self.live, command
        match command:
            case commands.Finish():
                self.live.remove(command.request_id)
            case commands.Fork():
                assert not self.live & set(command.children)
                self.live |= set(command.children)
            case commands.RunStage():
                self.coming.append(self.fate.ran((command.request_id, command.attempt)))
            case commands.Dispatch():
                peer = self.scheduler.view.peer(command.node_id)
                self.coming += self.fate.reply(command, peer.profile.hosted if peer else ())

    def happen(self) -> None:
        """Let something happen, and some of what was to come."""
        chance = self.fate.chance
        self.now += chance.choice((0.0, 1e-4, 1e-2, 0.1, 0.3))
        happenings: tuple[tuple[int, Callable[[], None]], ...] = (
            (6, self.arrive),
            (1, self.cancel),
            (1, lambda: self.feed(events.PeerDisconnected(node_id=chance.choice(PEERS), left=False, reason="x"))),
            (1, self.meet),
            (1, lambda: self.feed(events.ModelsChanged(hosted=self.fate.hosted()))),
            (2, lambda: self.feed(events.TimePassed())),
        )
        chance.choices([happen for _, happen in happenings], [weight for weight, _ in happenings])[0]()
        for _ in range(min(len(self.coming), chance.randrange(5))):
            self.feed(self.coming.pop(chance.randrange(len(self.coming))))

    def arrive(self) -> None:
        self.arrivals += 1
        name = self.fate.chance.choice((f"r{self.arrivals}", f"r{self.arrivals}", f"r{self.arrivals - 1}/0"))
        if name not in self.live:
            self.live.add(RequestId(name))
            self.feed(events.RequestArrived(request=self.fate.request(name)))

    def cancel(self) -> None:
        if self.live:
            self.feed(events.RequestCancelled(request_id=self.fate.chance.choice(sorted(self.live))))

    def meet(self) -> None:
        self.incarnation += self.fate.chance.randrange(2)
        self.feed(self.met(self.fate.chance.choice(PEERS)))

    def settle(self) -> None:
        """Let everything come that is to come, and every deadline pass."""
        for _ in range(12):
            while self.coming:
                self.feed(self.coming.pop(0))
            self.now += 0.25
            self.feed(events.TimePassed())


@pytest.mark.parametrize("seeds", [range(start, start + 60) for start in (0, 60, 120)])
def test_every_request_ends_once_and_leaves_nothing(seeds: range) -> None:
    for seed in seeds:
        node = Node(seed)
        for _ in range(60):
            node.happen()
        node.settle()
        told = node.scheduler.telemetry()
        assert (node.live, node.scheduler.alive_requests, told.queued, told.running) == (set(), 0, 0, 0), seed
        links = [view.link for view in node.scheduler.view.nodes() if view.link is not None]
        assert not any(link.outstanding for link in links), seed
