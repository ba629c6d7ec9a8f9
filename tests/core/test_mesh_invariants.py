"""What must hold whatever happens: any mix of requests, kills, stalls, cut links, broken models and bad policies."""

from __future__ import annotations

from itertools import combinations
from math import inf, nan
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace
from typing_extensions import override

from meshd.core import events
from meshd.core.answer import Answer
from meshd.core.candidate import WAIT, Observation
from meshd.core.ids import NodeId, RequestId
from meshd.core.itinerary import MOST_HOPS
from meshd.core.node import DeviceClass, HostedStage, HostedTier, NodeProfile
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

TIGHT = Settings(max_requests=8, max_queued=3, max_nodes=4, max_explained=3, max_batch=2)
"""Bounds small enough that a short scenario hits every one of them."""


def _cut(rank: DeviceClass, **changes: Any) -> HostedTier:
    """A tier in four stages; nothing may travel before the second, and every batch may be joined."""
    whole = tier(rank, max_items=32, **changes)
    early = HostedStage(compute_s=0.05 * whole.compute_s, out_bytes=1_000)
    late = HostedStage(compute_s=0.45 * whole.compute_s, out_bytes=1_000)
    return replace(whole, stages=(replace(early, may_travel=False), early, late, late))


PROFILES = (
    watch(_cut(WATCH_TIER), _cut(HUB_TIER, compute_s=0.3)),
    phone(_cut(WATCH_TIER), _cut(PHONE_TIER), _cut(HUB_TIER, compute_s=0.1)),
    hub(_cut(PHONE_TIER), _cut(HUB_TIER), slots=2),
    upstream(_cut(HUB_TIER, artifact="artifact-hub-large"), _cut(UPSTREAM_TIER), slots=2),
)
DIVISIONS = ("watch 0-2, hub 2-4", "phone 0-2, hub 2-4", "watch 0-2, phone 2-3, hub 3-4", "hub 0-3, phone 3-4")
"""Plans that an asker may name, so that they happen also where they do not pay."""
NODES = tuple(profile.node_id for profile in PROFILES)
nodes = st.sampled_from(NODES)


def _one_of_a_kind(number: int, seed: int) -> Request:
    """The request with this number: the same content whenever its id is used again, as clients must keep it."""
    draw = Random(f"{seed} {number}")
    return request(
        deadline_s=draw.choice((0.003, 0.05, 0.1, 0.5, 0.5, 2.0, 8.0)),
        input_bytes=draw.choice((100, 10_000, 200_000)),
        batch=draw.choice((1, 1, 16)),
        priority=draw.choice(list(Priority)),
        privacy=draw.choice((*Privacy, Privacy.HOUSEHOLD, Privacy.PUBLIC)),
        min_tier=draw.choice((None, None, PHONE_TIER, HUB_TIER)),
        plan=draw.choice((*("",) * 8, *DIVISIONS)),
    )


class Mesh(RuleBasedStateMachine):
    """Four nodes under a storm."""

    @initialize(seed=st.integers(0, 10_000), policy=st.sampled_from(("calm", "wild", "dividing", "waiting")))
    def begin(self, seed: int, policy: str) -> None:
        self.seed = seed
        self.chance = Random(seed)
        policies = {
            "calm": LeastExpectedCost().choose,
            "wild": self._wild_policy,
            "dividing": self._dividing_policy,
            "waiting": self._waiting_policy,
        }
        choose = policies[policy]
        self.world = World(*PROFILES, settings=TIGHT, opinion=self._opinion, choose=choose)
        self.away: dict[NodeId, NodeProfile] = {}
        self.open: dict[RequestId, tuple[NodeId, float]] = {}
        self.stalls: dict[NodeId, float] = {}
        for place, pair in enumerate(combinations(NODES, 2)):
            self.world.set_link(*pair, delay_s=0.001 * (1 + place), rate_bps=self.chance.choice((1e5, 1e6, 1e7, 1e8)))
        self.seen_ends = self.seen_dispatches = 0

    def _wild_policy(self, observation: Observation) -> int | None:
        """Masked candidates, none at all, indices from nowhere, and now and then a sensible one."""
        index: int | None = self.chance.choice((None, -1, 99, *range(len(observation.candidates))))
        return index

    def _dividing_policy(self, observation: Observation) -> int | None:
        """Divide whatever may be divided."""
        candidates = observation.candidates
        divided = [index for index, c in enumerate(candidates) if c.allowed and (c.legs or c.shares)]
        return self.chance.choice(divided) if divided else LeastExpectedCost().choose(observation)

    def _waiting_policy(self, observation: Observation) -> int | None:
        """Wait whenever that may be, and now and then when it may not; else anything that is allowed."""
        allowed = [index for index, candidate in enumerate(observation.candidates) if candidate.allowed]
        may_wait = observation.wait_s is not None
        return WAIT if self.chance.random() < (0.9 if may_wait else 0.1) else self.chance.choice(allowed)

    def _opinion(self, name: RequestId, hosted: HostedTier) -> Verdict:
        if self.chance.random() < 0.1:
            return Verdict(error=self.chance.choice((ExecutionFailed.code, InvalidInput.code, ModelUnusable.code)))
        if hosted.score_output is None:
            return Verdict(score=None, malformed=self.chance.random() < 0.1)
        score = self.chance.choice((CALM, ALARM, DOUBT, DOUBT, nan, inf, None))
        return Verdict(score=score, malformed=self.chance.random() < 0.05)

    @rule(where=nodes, numbers=st.sets(st.integers(0, 11), min_size=1, max_size=5))
    def submit(self, where: NodeId, numbers: set[int]) -> None:
        for number in sorted(numbers):
            self._submit(where, number)

    def _submit(self, where: NodeId, number: int) -> None:
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
            assert sent.partial is None or sent.partial.legs[0].first >= 2, "this cut may not travel"
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
            assert len(conductor._books.waiting) <= TIGHT.max_queued // 2
            assert made.telemetry().queued <= TIGHT.max_queued
            assert made.telemetry().running <= host.profile.slots
            assert len(conductor.timers._heap) <= 16 * (TIGHT.max_requests + 4)
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
            assert host.scheduler.telemetry().backlog_s == 0.0
            assert host.keeps_nothing
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
    assert answer.escalations == len({hop.tier for hop in answer.route}) - 1
    assert len(answer.route) <= MOST_HOPS
    whole = [hop for hop in answer.route if hop.stages is None]
    assert asked.batch > 1 or len({(hop.node_id, hop.tier) for hop in whole}) == len(whole)
    assert asked.batch > 1 or answer.degraded or (last.tier, last.score) == (answer.tier, answer.score)
    assert asked.privacy is not Privacy.DEVICE or len({hop.node_id for hop in answer.route}) == 1
    assert answer.energy.joules > 0.0


TestMesh = Mesh.TestCase
TestMesh.settings = settings(
    max_examples=60, derandomize=True, stateful_step_count=60, suppress_health_check=list(HealthCheck)
)


WEATHER = ("wait",) * 14 + ("submit",) * 14 + ("cancel", "kill", "stall", "cut", "battery", "models")


@pytest.mark.parametrize("policy", ["calm", "wild", "dividing", "waiting"])
@pytest.mark.parametrize("seed", range(4))
def test_a_busy_mesh_in_changing_weather(seed: int, policy: str) -> None:
    """The same rules under load: hypothesis rarely keeps a mesh whole for long enough to divide much work."""
    mesh = Mesh()
    mesh.begin(seed=seed, policy=policy)
    mesh.wait(2.5)
    for _ in range(300):
        _change(mesh, mesh.chance.choice(WEATHER), mesh.chance.choice(NODES), mesh.chance)
        mesh.every_end_is_the_only_one_and_in_time()
        mesh.no_hard_rule_is_broken_by_what_is_sent()
        mesh.everything_is_bounded()
    mesh.teardown()


def _change(mesh: Mesh, what: str, where: NodeId, chance: Random) -> None:
    """Let something happen; what went wrong before is mended now and then."""
    if what == "submit":
        mesh.submit(where=where, numbers=set(chance.sample(range(40), k=chance.randint(1, 4))))
    elif what == "wait":
        mesh.wait(seconds=chance.choice((0.001, 0.005, 0.01, 0.02, 0.05, 0.3)))
    elif what == "cancel" and mesh.open:
        name = chance.choice(sorted(mesh.open))
        mesh.world.cancel(mesh.open[name][0], name)
    elif what == "cut":
        mesh.cut_and_mend(a=where, b=chance.choice(NODES), left=chance.random() < 0.3)
    elif what == "battery":
        mesh.battery(where=where, fraction=chance.choice((None, None, 0.05)))
    elif what == "models":
        mesh.change_models(where=where, kept=chance.random() < 0.8)
    elif what in ("kill", "stall"):
        for node_id in NODES:
            mesh.come_back(where=node_id)
            mesh.resume(where=node_id)
        mesh.every_end_is_the_only_one_and_in_time()
        (mesh.kill if what == "kill" else mesh.stall)(where=where)
