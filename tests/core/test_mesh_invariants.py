"""What must hold whatever happens: any mix of requests, kills, stalls, cut links, broken models and bad policies."""

from __future__ import annotations

from math import inf, nan
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace
from typing_extensions import override

from meshd.core import events
from meshd.core.answer import Answer
from meshd.core.candidate import Observation
from meshd.core.ids import NodeId, RequestId
from meshd.core.node import HostedTier, NodeProfile
from meshd.core.policy import LeastExpectedCost
from meshd.core.request import Priority, Privacy, Request
from meshd.core.settings import Settings
from meshd.errors import ExecutionFailed, InvalidInput, ModelUnusable
from tests.core.builders import (
    ALARM,
    CALM,
    DOUBT,
    HUB_TIER,
    PHONE_TIER,
    UPSTREAM_TIER,
    WATCH_TIER,
    hub,
    phone,
    request,
    tier,
    upstream,
    watch,
)
from tests.core.mesh_in_memory import Verdict, World

TIGHT = Settings(max_requests=6, max_queued=2, max_nodes=4, max_explained=3)
"""Bounds small enough that a short scenario hits every one of them."""

PROFILES = (
    watch(),
    phone(tier(WATCH_TIER), tier(PHONE_TIER)),
    hub(tier(PHONE_TIER), tier(HUB_TIER), slots=2),
    upstream(tier(HUB_TIER, artifact="artifact-hub-large"), tier(UPSTREAM_TIER), slots=2),
)
NODES = tuple(profile.node_id for profile in PROFILES)
nodes = st.sampled_from(NODES)


def _one_of_a_kind(number: int, seed: int) -> Request:
    """The request with this number: the same content whenever its id is used again, as clients must keep it."""
    draw = Random(f"{seed} {number}")
    return request(
        deadline_s=draw.choice((0.003, 0.02, 0.1, 0.5, 2.0)),
        input_bytes=draw.choice((100, 10_000, 600_000)),
        batch=draw.choice((1, 1, 16)),
        priority=draw.choice(list(Priority)),
        privacy=draw.choice(list(Privacy)),
        min_tier=draw.choice((None, None, None, PHONE_TIER, HUB_TIER)),
    )


class Mesh(RuleBasedStateMachine):
    """Four nodes under a storm."""

    @initialize(seed=st.integers(0, 10_000), calm_policy=st.booleans())
    def begin(self, seed: int, calm_policy: bool) -> None:
        self.seed = seed
        self.chance = Random(seed)
        choose = LeastExpectedCost().choose if calm_policy else self._wild_policy
        self.world = World(*PROFILES, settings=TIGHT, opinion=self._opinion, choose=choose)
        self.away: dict[NodeId, NodeProfile] = {}
        self.open: dict[RequestId, tuple[NodeId, float]] = {}
        self.stalls: dict[NodeId, float] = {}
        self.seen_ends = self.seen_dispatches = 0

    def _wild_policy(self, observation: Observation) -> int | None:
        """Masked candidates, none at all, indices from nowhere, and now and then a sensible one."""
        index: int | None = self.chance.choice((None, -1, 99, *range(len(observation.candidates))))
        return index

    def _opinion(self, name: RequestId, hosted: HostedTier) -> Verdict:
        if self.chance.random() < 0.1:
            return Verdict(error=self.chance.choice((ExecutionFailed.code, InvalidInput.code, ModelUnusable.code)))
        if hosted.score_output is None:
            return Verdict(score=None, malformed=self.chance.random() < 0.1)
        score = self.chance.choice((CALM, ALARM, DOUBT, DOUBT, nan, inf, None))
        return Verdict(score=score, malformed=self.chance.random() < 0.05)

    @rule(where=nodes, number=st.integers(0, 5))
    def submit(self, where: NodeId, number: int) -> None:
        name = RequestId(f"{where}-{number}")
        if where not in self.world.hosts or where in self.stalls or name in self.open:
            return
        asked = _one_of_a_kind(number, self.seed)
        self.open[name] = (where, self.world.now + asked.deadline_s)
        self.world.submit(where, replace(asked, request_id=name))

    @rule(data=st.data())
    @precondition(lambda self: self.open)
    def cancel(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.open)))
        self.world.cancel(self.open[name][0], name)

    @rule(where=nodes)
    def kill(self, where: NodeId) -> None:
        if where in self.world.hosts:
            self.away[where] = self.world.kill(where)
            self.stalls.pop(where, None)
            self.open = {name: at for name, at in self.open.items() if at[0] != where}

    @rule(where=nodes)
    def come_back(self, where: NodeId) -> None:
        if where in self.away:
            self.world.start(self.away.pop(where))

    @rule(where=nodes)
    def stall(self, where: NodeId) -> None:
        if where in self.world.hosts and where not in self.stalls:
            self.world.stall(where)
            self.stalls[where] = self.world.now

    @rule(where=nodes)
    def resume(self, where: NodeId) -> None:
        if self.stalls.pop(where, None) is not None:
            self.world.resume(where)

    @rule(a=nodes, b=nodes, left=st.booleans())
    def cut_and_mend(self, a: NodeId, b: NodeId, left: bool) -> None:
        if a != b and {a, b} <= self.world.hosts.keys():
            self.world.disconnect(a, b, left=left)
            self.world.connect(a, b)

    @rule(where=nodes, fraction=st.sampled_from((None, 0.05, 0.5)))
    def battery(self, where: NodeId, fraction: float | None) -> None:
        if where in self.world.hosts:
            changed = events.HostChanged(warm=(), battery_fraction=fraction, charging=False, free_memory_bytes=None)
            self.world.tell(where, changed)

    @rule(where=nodes, kept=st.booleans())
    def change_models(self, where: NodeId, kept: bool) -> None:
        if where in self.world.hosts:
            hosted = self.world.hosts[where].profile.hosted if kept else ()
            self.world.tell(where, events.ModelsChanged(hosted=hosted))

    @rule(seconds=st.sampled_from((0.0005, 0.004, 0.006, 0.02, 0.2, 1.0, 4.0, 12.0)))
    def wait(self, seconds: float) -> None:
        self.world.run(seconds)

    @invariant()
    def every_end_is_the_only_one_and_in_time(self) -> None:
        for ended in self.world.ended[self.seen_ends :]:
            where, due_s = self.open.pop(ended.request_id)  # KeyError: it ended twice
            assert ended.node_id == where
            if isinstance(ended.outcome, Answer):
                _check_answer(ended.outcome, _one_of_a_kind(int(ended.request_id.rpartition("-")[2]), self.seed))
            assert ended.at_s <= due_s or where in self.world.stalled_at(due_s)
        self.seen_ends = len(self.world.ended)
        for name, (where, due_s) in self.open.items():
            assert self.world.now < due_s or where in self.stalls, f"{name} should have ended"

    @invariant()
    def no_hard_rule_is_broken_by_what_is_sent(self) -> None:
        for sender, sent, asked in self.world.dispatched[self.seen_dispatches :]:
            assert asked.privacy is not Privacy.DEVICE
            assert asked.privacy is Privacy.PUBLIC or sent.node_id != UPSTREAM_TIER.value
            assert sent.via == (*asked.via, sender)
            assert sent.node_id not in sent.via
            assert len(sent.via) <= len(PROFILES)
            assert sent.deadline_s > 0.0
            assert asked.min_tier is None or sent.start_tier.rank >= asked.min_tier.rank
        self.seen_dispatches = len(self.world.dispatched)

    @invariant()
    def everything_is_bounded(self) -> None:
        for host in self.world.hosts.values():
            made = host.scheduler
            conductor = made._conductor
            assert made.alive_requests <= TIGHT.max_requests
            assert made.telemetry().queued <= TIGHT.max_queued
            assert made.telemetry().running <= host.profile.slots
            assert len(conductor._timers._heap) <= 16 * (TIGHT.max_requests + 4)
            stories = made.explanations._stories.values()
            assert len(stories) <= TIGHT.max_explained
            assert made.explanations._n_candidates == sum(story.n_candidates for story in stories)
            assert len(list(made.view.nodes())) <= 1 + TIGHT.max_nodes

    @override
    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for where in self.stalls:
            self.world.resume(where)
        self.stalls.clear()
        self.world.run(60.0)
        self.every_end_is_the_only_one_and_in_time()
        assert self.open == {}
        for host in self.world.hosts.values():
            assert host.scheduler.alive_requests == 0
            assert (host.scheduler.telemetry().running, host.scheduler.telemetry().queued) == (0, 0)
            for peer in list(host.scheduler.view.nodes())[1:]:
                assert peer.link is not None
                assert peer.link.outstanding == 0
        for host, is_same in self.world.replays():
            assert is_same, f"the journal of {host.profile.name} leads to other commands"


def _check_answer(answer: Answer, asked: Request) -> None:
    """An answer is well formed, strong enough, tells its whole story, and is degraded if it is in doubt."""
    last = answer.route[-1]
    screens = answer.tier in (WATCH_TIER, PHONE_TIER)
    assert not screens or answer.score in (CALM, ALARM, DOUBT)
    assert answer.degraded or answer.score != DOUBT
    assert asked.min_tier is None or answer.tier.rank >= asked.min_tier.rank
    assert answer.escalations == len(answer.route) - 1
    assert len({(hop.node_id, hop.tier) for hop in answer.route}) == len(answer.route)
    assert answer.degraded or (last.tier, last.score) == (answer.tier, answer.score)
    assert asked.privacy is not Privacy.DEVICE or len({hop.node_id for hop in answer.route}) == 1
    assert answer.energy.joules > 0.0


TestMesh = Mesh.TestCase
TestMesh.settings = settings(
    max_examples=60, derandomize=True, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
