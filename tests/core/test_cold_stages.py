"""Loading costs where it is met: of the very stages that a plan asks for, on the node that would run them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.books import Books
from meshd.core.candidate import Candidate, Observation
from meshd.core.ids import NodeId
from meshd.core.mesh_view import MeshView
from meshd.core.node import NodeProfile, Telemetry, WarmStages
from meshd.core.node_view import NodeView
from meshd.core.regret import Regret
from meshd.core.run_queue import RunQueue
from meshd.core.settings import Settings
from tests.core.builders import power, request, warm
from tests.core.parts import cut_tier, member, mesh, seen, slower

FAST = replace(cut_tier((0.002, 0.002, 0.100), (1000, 1000)), load_s=0.4)
BAND, HUB = member("band", slower(FAST, 10.0)), member("hub", FAST)
SPLIT = "band 0-1, hub 1-3"


def telling(profile: NodeProfile, *ranges: tuple[int, int]) -> Telemetry:
    """Return what a node says that has the whole in memory, and these ranges of stages."""
    return warm(profile, warm_stages=(WarmStages(artifact=FAST.artifact, ranges=ranges),))


def telling_of(*, band: tuple[tuple[int, int], ...], hub: tuple[tuple[int, int], ...]) -> MeshView:
    view = mesh(BAND, HUB, bps=1e7)
    view.own.tell_warm(telling(BAND, *band).warm_stages)
    view.heard(HUB.node_id, telling(HUB, *hub), 0.0)
    return view


def loads_s(view: MeshView) -> dict[str, float]:
    """Return the predicted seconds of loading for each place."""
    found = seen(view, request(input_bytes=2_000_000, deadline_s=30.0)).candidates
    return {candidate.place: candidate.prediction.load_s for candidate in found}


def test_a_split_pays_for_each_end_that_is_cold_though_the_whole_is_warm() -> None:
    warm_ends = [(((0, 1),), ((1, 3),)), (((0, 1),), ((2, 3),)), ((), ())]
    told = [loads_s(telling_of(band=band, hub=hub)) for band, hub in warm_ends]
    assert told == [{"band": 0.0, "hub": 0.0, SPLIT: cold * FAST.load_s} for cold in range(3)]


def test_the_cut_whose_ends_are_warm_is_preferred_to_a_slightly_better_one_that_is_cold() -> None:
    assert list(loads_s(telling_of(band=((0, 2),), hub=((2, 3),)))) == ["band", "hub", "band 0-2, hub 2-3"]


def test_what_a_cold_split_loses_leaves_out_each_load_at_its_own_nodes_watts() -> None:
    thrifty, thirsty = (replace(power(on_battery=True), active_watts=watts) for watts in (0.1, 2.0))
    band, hub = replace(BAND, power=thirsty), replace(HUB, power=thrifty)

    def offered(there: Telemetry) -> tuple[MeshView, Observation, dict[str, Candidate]]:
        view = mesh(band, hub, bps=1e9)
        view.own.tell_warm(telling(band, (0, 1)).warm_stages)
        view.heard(hub.node_id, there, 0.0)
        told = seen(view, request(input_bytes=2_000, deadline_s=30.0))
        return view, told, {candidate.place: candidate for candidate in told.candidates}

    _, _, warm_ones = offered(telling(hub, (1, 3)))
    view, told, cold_ones = offered(Telemetry(warm_stages=()))
    Regret(Books(view, Settings(), RunQueue(1, 1), [])).look_back(told, cold_ones[SPLIT], 0.0)
    lost = warm_ones[SPLIT].prediction.cost - warm_ones["hub"].prediction.cost
    assert lost > 0.0
    there = view.peer(hub.node_id)
    assert there is not None
    assert there.loading.forgone == {FAST.artifact: pytest.approx(lost)}


def test_of_a_node_that_does_not_tell_of_stages_the_whole_counts() -> None:
    hub = NodeView(profile=HUB, telemetry=warm(HUB), heard_s=0.0, link=None)
    assert (hub.load_s(FAST, 1, 3), hub.least_load_s(FAST)) == (0.0, 0.0)
    hub.telemetry = Telemetry()
    assert (hub.load_s(FAST, 1, 3), hub.least_load_s(FAST)) == (FAST.load_s, FAST.load_s)


def test_what_was_told_of_stages_holds_until_it_is_told_anew() -> None:
    view = telling_of(band=(), hub=((1, 3),))
    view.heard(HUB.node_id, warm(HUB), 1.0)
    hub = view.peer(NodeId(HUB.node_id))
    assert hub is not None
    assert hub.load_s(FAST, 1, 3) == 0.0
    view.heard(HUB.node_id, telling(HUB), 2.0)
    assert hub.load_s(FAST, 1, 3) == FAST.load_s
