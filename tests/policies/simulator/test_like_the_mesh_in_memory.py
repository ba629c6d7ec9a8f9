"""The simulator against the mesh that the core's own tests use: the same story has the same decisions and answers."""

from __future__ import annotations

from typing import Any

import pytest

from meshd.core.answer import Answer
from meshd.core.candidate import Observation
from meshd.core.ids import RequestId
from meshd.core.node import HostedTier
from meshd.core.request import Priority
from meshd.core.settings import Settings
from policies.scenario import Arrival, Scenario
from policies.simulator import Choice, Simulator
from tests.core.builders import HUB_TIER, PHONE_TIER, WATCH_TIER, hub, phone, watch
from tests.core.mesh_in_memory import Verdict, World
from tests.policies.simulator.playing import Rule, cheapest, dearest, play
from tests.policies.simulator.worlds import CLIMBS, arrival, cut, node, scenario

SETTINGS = Settings(probe_links=False)
WATCH = watch(cut(WATCH_TIER), cut(HUB_TIER, compute_s=0.2))
PHONE = phone(cut(PHONE_TIER), slots=2)
HUB = hub(cut(HUB_TIER), slots=2)
STORY: tuple[Arrival, ...] = (
    arrival(0, 2.0, WATCH),
    arrival(1, 4.3, WATCH, CLIMBS),
    arrival(2, 6.6, PHONE, CLIMBS),
    arrival(3, 8.9, HUB),
    arrival(4, 11.2, WATCH, plan="watch 0-1, hub 1-2", min_tier=HUB_TIER),
    arrival(5, 13.5, PHONE, priority=Priority.EMERGENCY, input_bytes=2_000),
    arrival(6, 15.8, WATCH, min_tier=HUB_TIER, input_bytes=100_000),
    arrival(7, 18.1, WATCH, input_bytes=300_000),
    arrival(8, 18.101, WATCH, CLIMBS, input_bytes=300_000),
    arrival(9, 18.102, WATCH, min_tier=PHONE_TIER),
    arrival(10, 21.4, PHONE, CLIMBS, deadline_s=0.02),
    arrival(11, 23.7, WATCH, deadline_s=0.001),
)


def _scenario() -> Scenario:
    nodes = tuple(node(profile, battery=None) for profile in (WATCH, PHONE, HUB))
    return scenario(*STORY, nodes=nodes, settings=SETTINGS, horizon_s=30.0)


def _told_in_memory(rule: Rule) -> tuple[list[Any], dict[str, Any]]:
    """Play the story in the core's own mesh; return what was asked, and how each request ended."""
    asked: list[Any] = []

    def choose(observation: Observation) -> int:
        asked.append((world.now, *_seen(observation)))
        return rule(observation)

    def opinion(name: RequestId, hosted: HostedTier) -> Verdict:
        truth = STORY[int(name.partition("/")[0])].truth
        return Verdict(score=truth.score(hosted.tier))

    world = World(WATCH, PHONE, HUB, settings=SETTINGS, opinion=opinion, choose=choose)
    for each in STORY:
        world.run(each.at_s - world.now)
        world.submit(each.node_id, each.request)
    world.run(5.0)
    ends = {
        str(ended.request_id): (
            pytest.approx(ended.at_s),
            ended.outcome.tier if isinstance(ended.outcome, Answer) else ended.outcome.code,
        )
        for ended in world.ended
    }
    return asked, ends


def _seen(observation: Observation) -> tuple[Any, ...]:
    predictions = [candidate.prediction for candidate in observation.candidates]
    return (
        observation.request_id,
        observation.above,
        [candidate.place for candidate in observation.candidates],
        [candidate.reason.mask if candidate.reason else None for candidate in observation.candidates],
        # Not every heartbeat is listened to, so that round trips are known from fewer samples.
        pytest.approx([prediction.cost for prediction in predictions], rel=5e-3),
        pytest.approx([prediction.total_s for prediction in predictions], rel=5e-3),
    )


@pytest.mark.parametrize("rule", [cheapest, dearest])
def test_the_same_story_has_the_same_decisions_and_the_same_ends_at_the_same_times(rule: Rule) -> None:
    asked, ends = _told_in_memory(rule)
    simulator = Simulator(_scenario())
    choices = play(simulator, rule)
    assert [_plain(choice) for choice in choices] == [(pytest.approx(now), *rest) for now, *rest in asked]
    assert len(choices) > len(STORY) / 2
    assert {str(e.request): (e.at_s, e.tier if e.tier is not None else e.code) for e in simulator.costs.ends} == ends


def _plain(choice: Choice) -> tuple[Any, ...]:
    candidates = choice.observation.candidates
    return (
        choice.now,
        choice.observation.request_id,
        choice.observation.above,
        [candidate.place for candidate in candidates],
        [candidate.reason.mask if candidate.reason else None for candidate in candidates],
        [candidate.prediction.cost for candidate in candidates],
        [candidate.prediction.total_s for candidate in candidates],
    )
