"""What would be decided, here or elsewhere, over the links that there are or others; and the map of when what wins."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.candidate import Candidate
from meshd.core.events import PeerHeard
from meshd.core.handling import Taken
from meshd.core.ids import NodeId
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedStage, NodeProfile, PeerLink, Way
from meshd.core.outlook import as_learned, at_rate, outlook, seen_from
from meshd.core.plan_map import Ground, Kind, PlanMap, draw
from meshd.core.policy import LeastExpectedCost
from meshd.core.settings import Settings
from tests.core.builders import WATCH_TIER, hub, met, request, scheduler, step, tier, warm, watch

TIME_ONLY = Settings(latency_price_watts=1e6)
SHARES = (0.1, 0.3, 0.3, 0.3)
CROSSING = (200_000, 20_000, 15_000, 0)


def cut(compute_s: float) -> NodeProfile:
    """Return a hub with one tier of four stages that takes so long."""
    stages = tuple(
        HostedStage(compute_s=compute_s * share, measured=True, out_bytes=n_bytes)
        for share, n_bytes in zip(SHARES, CROSSING, strict=True)
    )
    way = Way(codec="uint8", ratio=0.25, seconds=0.001)
    plain = tier(WATCH_TIER, compute_s=compute_s, score_output=None, escalate_high=None, escalation_rate=0.0)
    return replace(hub(replace(plain, stages=stages, ways=(way,))), codecs=("uint8",))


WEAK = replace(cut(0.100), node_id=watch().node_id, name="watch")
STRONG = cut(0.010)
ASKED = request(input_bytes=600_000, deadline_s=10.0)


def mesh() -> MeshView:
    made = scheduler(WEAK, STRONG, settings=TIME_ONLY)
    made.view.own.telemetry = warm(WEAK)
    step(made, met(STRONG, warm=warm(STRONG).warm))
    return made.view


def chosen(view: MeshView) -> Candidate:
    found = outlook(view, TIME_ONLY, LeastExpectedCost(), ASKED, now=0.0).chosen
    assert found is not None
    return found


def test_the_rate_of_links_that_is_supposed_changes_the_decision_and_nothing_else() -> None:
    view = mesh()
    before = chosen(view)
    places = [chosen(at_rate(view, rate_bps)).place for rate_bps in (1e5, 2e7, 1e10)]
    assert places == ["watch", "watch 0-2, hub 2-4", "hub"]
    assert chosen(view) == before


def test_supposing_a_rate_of_links_copies_nothing_that_was_learned_of_nodes() -> None:
    view = mesh()
    before, supposed = view.peer(STRONG.node_id), at_rate(view, 1e5).peer(STRONG.node_id)
    assert before is not None
    assert supposed is not None
    assert (supposed.learned is before.learned, supposed.times is before.times) == (True, True)
    assert supposed.link is not before.link


def test_another_node_decides_by_its_own_profile_and_by_the_link_that_it_tells_of() -> None:
    made = scheduler(WEAK, STRONG, settings=TIME_ONLY)
    told = PeerLink(node=WEAK.node_id[:16], rtt_s=0.001, byte_s=1e-6)
    telemetry = replace(warm(STRONG), links=(told,))
    step(made, PeerHeard(node_id=STRONG.node_id, telemetry=telemetry))
    seen = seen_from(made.view, STRONG.node_id, TIME_ONLY, 0.0)
    link = seen.link_to(WEAK.node_id)
    assert (seen.own.profile, link.rtt_s.mean, link.byte_s) == (STRONG, 0.001, 1e-6)
    assert chosen(seen).place == "hub"


def test_what_requests_take_beyond_their_runs_and_what_loading_takes_is_the_same_seen_from_elsewhere() -> None:
    view = mesh()
    artifact = STRONG.hosted[0].artifact
    for node_id, seconds in ((WEAK.node_id, 0.030), (STRONG.node_id, 0.040)):
        taken = Taken(artifact=artifact, cuts=(), n_bytes=1e3, parts_s=0.020, beyond_s=0.0, took_s=seconds)
        view.learn_handling(node_id, taken, 0.0)
    view.learn_load(WEAK.hosted[0], 0, 4, 0.7, 0.0)
    seen = seen_from(view, STRONG.node_id, TIME_ONLY, 0.0)
    known = {node.profile.name: node for node in view.nodes()}
    for node in seen.nodes():
        before = known[node.profile.name]
        assert node.handling.beyond_s(artifact, (), 1e3, 0.020) == before.handling.beyond_s(artifact, (), 1e3, 0.020)
        assert node.loading.cold_s(WEAK.hosted[0], 0, 4) == before.loading.cold_s(WEAK.hosted[0], 0, 4)
    assert [node.handling.beyond_s(artifact, (), 1e3, 0.020) is None for node in seen.nodes()] == [False, False]


def test_a_node_that_was_not_told_of_is_reached_over_the_link_that_this_one_knows() -> None:
    made = scheduler(WEAK, STRONG, settings=TIME_ONLY)
    made.view.link_to(STRONG.node_id).byte_s = 3e-6
    assert seen_from(made.view, STRONG.node_id, TIME_ONLY, 0.0).link_to(WEAK.node_id).byte_s == 3e-6


def test_what_was_learned_of_a_node_replaces_what_it_announced() -> None:
    view = mesh()
    (hosted,) = WEAK.hosted
    for _ in range(60):
        view.learn_stages(WEAK.node_id, hosted, 0, 1, 0.040, 0.0)
        view.learn_compute(WEAK.node_id, hosted, 0.200, 0.0)
    (learned,) = as_learned(view.own, hosted.model).hosted
    assert round(learned.compute_s, 3) == 0.200
    assert round(learned.stages[0].compute_s, 3) == 0.040


def plan_map() -> PlanMap:
    ground = Ground(here=WEAK, there=STRONG, request=ASKED, rtt_s=0.002)
    return draw(ground, TIME_ONLY, LeastExpectedCost(), rates_bps=(1e5, 5e6, 1e10), ratios=(1.0, 10.0))


def test_the_map_has_a_decision_for_every_rate_and_ratio() -> None:
    labels = [[point.kind.label for point in row] for row in plan_map().rows]
    assert labels == [["whole here"] * 3, ["whole here", "split at 2", "whole there, raw"]]


def test_kinds_are_listed_from_whole_here_over_the_cuts_to_whole_there() -> None:
    assert plan_map().kinds == [Kind(head=None), Kind(head=2), Kind(head=0)]


def test_nowhere_on_the_map_is_the_chosen_plan_later_than_whole_here() -> None:
    assert all(point.seconds <= point.here_s for row in plan_map().rows for point in row)


def test_shares_of_a_batch_are_a_kind_of_their_own() -> None:
    labels = [
        kind.label for kind in (Kind(head=None, shared=True), Kind(head=3, codec="int8"), Kind(head=0, codec="jpeg"))
    ]
    assert labels == ["batch shared", "split at 3, int8", "whole there, jpeg"]


def test_a_node_that_nobody_met_sees_nothing() -> None:
    with pytest.raises(KeyError, match="nobody"):
        seen_from(mesh(), NodeId("nobody"), TIME_ONLY, 0.0)
