"""One request over several nodes: heads here, tails there, and what happens when a node on the way is lost."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.answer import Answer, Failure
from meshd.core.ids import NodeId, RequestId
from meshd.core.node import HostedTier
from tests.core.builders import DOUBT, HUB_TIER, UPSTREAM_TIER, request, tier
from tests.core.mesh_in_memory import Verdict, World
from tests.core.parts import cut_tier, member, slower

BAND, KITCHEN, CELLAR = NodeId("band"), NodeId("kitchen"), NodeId("cellar")

CUT = cut_tier([0.004, 0.004, 0.004], [2_000, 2_000])
"""The first third shrinks 600 kB to 2 kB: too much to send, so a slow node runs that much itself."""
SLOW = slower(CUT, 10.0)


def mesh(*others: HostedTier, **changes: object) -> World:
    """A slow band with a fast kitchen behind a link of 10 Mbit/s, and a cellar like the kitchen."""
    hosted = others or (CUT,)
    world = World(member("band", SLOW), member("kitchen", *hosted), member("cellar", *hosted), **changes)  # type: ignore[arg-type]
    world.run(1.0)
    return world


def ask(world: World, seconds: float = 1.0, **changes: object) -> None:
    world.submit(BAND, request("r", **{"input_bytes": 600_000, **changes}))
    world.run(seconds)


def route(answer: Answer) -> list[tuple[str, tuple[int, int] | None]]:
    return [(hop.node, hop.stages) for hop in answer.route]


def tail_node(world: World) -> NodeId:
    """Who was given the rest of the plan last."""
    _, sent, _ = world.dispatched[-1]
    assert sent.partial is not None
    return sent.node_id


def test_a_head_runs_here_and_its_tail_on_a_peer() -> None:
    world = mesh()
    ask(world)
    answer = world.answer("r")
    assert route(answer) == [("band", (0, 1)), (answer.route[1].node, (1, 3))]
    assert (answer.escalations, answer.degraded) == (0, False)
    assert answer.timings.compute_s == pytest.approx(0.040 + 0.008)
    assert answer.timings.total_s == pytest.approx(answer.timings.compute_s + answer.timings.transfer_s)
    assert answer.timings.total_s < SLOW.compute_s
