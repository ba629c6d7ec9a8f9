from __future__ import annotations

import pytest

from meshd.core.membership import Standing
from meshd.core.mesh_view import MeshView
from policies.scenario import Bandwidth, Happening, Kind, draw
from policies.simulator import Simulator
from tests.policies.simulator.playing import on, play
from tests.policies.simulator.worlds import TRIO, arrival, first_minute, links, scenario

WATCH, PHONE, HUB = TRIO


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("family", ["afternoon", "commuting", "evening", "flaky_radio", "garden", "home", "weekend"])
def test_rounds_that_are_passed_over_would_have_changed_nothing(
    family: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is forgotten between requests is rounded each time that it is looked at.
    monkeypatch.setattr(MeshView, "forget", lambda _view, _now: None)
    world = first_minute(draw(family, seed))
    few, all_of_them = Simulator(world), Simulator(world, makes_all_rounds=True)
    play(few)
    play(all_of_them)
    assert few.costs.since() == all_of_them.costs.since()


def test_what_is_known_of_a_peer_is_what_it_said_at_its_last_beat() -> None:
    simulator = Simulator(scenario(arrival(0, 5.5)))
    choice = simulator.next_choice()
    assert choice is not None
    ages_s = {node.profile.name: choice.now - node.heard_s for node in choice.view.nodes() if node.link is not None}
    assert set(ages_s) == {"phone", "hub"}
    assert all(0.0 <= age_s <= 1.005 for age_s in ages_s.values())


@pytest.mark.parametrize(("at_s", "standing"), [(4.0, Standing.ALIVE), (7.5, Standing.SUSPECT), (9.9, Standing.ALIVE)])
def test_a_peer_that_stalls_is_suspected_after_three_beats_and_comes_back(at_s: float, standing: Standing) -> None:
    befalls = (
        Happening(at_s=3.0, kind=Kind.STALLS, node_id=HUB.node_id),
        Happening(at_s=8.0, kind=Kind.RESUMES, node_id=HUB.node_id),
    )
    simulator = Simulator(scenario(arrival(0, at_s), happenings=befalls))
    choice = simulator.next_choice()
    assert choice is not None
    assert choice.view.membership[HUB.node_id].standing is standing


def test_a_peer_behind_a_lost_link_is_suspected_though_nothing_is_wrong_with_it() -> None:
    lost = Bandwidth.of([0.0, 3.0, 9.0], [1e7, 0.0, 1e7])
    known = {}
    for at_s in (2.5, 8.5):
        world = scenario(arrival(0, at_s), links=(*links(WATCH, PHONE), *links(WATCH, HUB, bandwidth=lost)))
        choice = Simulator(world).next_choice()
        assert choice is not None
        known[at_s] = choice.view.membership[HUB.node_id].standing
    assert known == {2.5: Standing.ALIVE, 8.5: Standing.SUSPECT}


def test_a_node_that_waits_for_a_peer_notices_its_silence_in_time() -> None:
    stalls = Happening(at_s=1.001, kind=Kind.STALLS, node_id=HUB.node_id)
    simulator = Simulator(scenario(arrival(0, 1.0, deadline_s=8.0), happenings=(stalls,), horizon_s=20.0))
    asked = play(simulator, on("hub"))
    (ended,) = simulator.costs.ends
    assert not ended.is_missed
    assert len(asked) > 1
    assert ended.seconds < 4.0


def test_telemetry_is_as_old_as_the_beat_and_no_younger() -> None:
    """What the phone runs right now nobody knows before it beats again."""
    busy = [arrival(number, 5.0 + 0.001 * number, PHONE, plan="phone") for number in range(5)]
    simulator = Simulator(scenario(*busy, arrival(5, 5.01, WATCH)))
    asked = play(simulator)
    told = next(choice for choice in asked if choice.node_id == WATCH.node_id).view.peer(PHONE.node_id)
    assert told is not None
    assert told.telemetry.queued == 0
