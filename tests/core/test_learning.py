"""What a node learns of links and tiers by using them."""

import pytest
from msgspec.structs import replace

from meshd.core.estimate import Estimate
from meshd.core.link import Link
from meshd.core.mesh_view import MeshView
from meshd.core.node import Telemetry
from meshd.core.rate import Rate
from meshd.core.settings import Settings
from meshd.core.spans import StageTimes
from tests.core.builders import answer_of, hub, phone, warm, watch
from tests.core.parts import cut_tier, member, mesh, node_id


def _link(*, rtt_s: float = 0.02, bps: float = 1.26e6) -> Link:
    return Link(rtt_s=Estimate.prior(rtt_s, 0.0), byte_s=8.0 / bps)


def test_a_link_much_faster_than_its_class_is_found_out_by_small_exchanges() -> None:
    link = _link()
    for second in range(40):
        link.measured(7_200, 0.0014, float(second))
    assert link.transfer_s(7_200) == pytest.approx(0.0014, rel=0.02)


def test_exchanges_of_two_sizes_tell_round_trip_from_bandwidth() -> None:
    link = _link()
    for second in range(2_000):
        n_bytes = 100 if second % 2 else 1_000_000
        link.measured(n_bytes, 0.004 + n_bytes * 8.0 / 50e6, float(second))
    assert link.rtt_s.mean == pytest.approx(0.004, rel=0.25)
    assert 8.0 / link.byte_s == pytest.approx(50e6, rel=0.25)


def test_an_exchange_of_no_length_does_not_make_a_link_free_for_good() -> None:
    link = _link()
    for second in range(50):
        link.measured(7_200, 0.0, float(second))
    for second in range(50, 150):
        link.measured(7_200, 0.05, float(second))
    assert link.transfer_s(7_200) == pytest.approx(0.05, rel=0.05)


def test_a_burst_of_escalations_moves_a_rate_little() -> None:
    rate = Rate.believed(0.2, 0.0)
    for second in range(5):
        rate = rate.updated(happened=True, now=float(second))
    assert rate.at(5.0) < 0.3


def test_a_rate_follows_what_happens_in_the_long_run() -> None:
    rate = Rate.believed(0.5, 0.0)
    for number in range(1_000):
        rate = rate.updated(happened=number % 10 == 0, now=number * 0.1)
    assert rate.at(100.0) == pytest.approx(0.1, abs=0.05)


def test_a_rate_that_gets_no_samples_returns_to_its_prior() -> None:
    rate = Rate(prior=0.2, learned=0.9, at_s=0.0, lately=0.9)
    assert rate.at(0.0) == pytest.approx(0.9)
    assert rate.at(10_000.0) == pytest.approx(0.2)


def test_a_peer_teaches_of_itself_and_of_nobody_else() -> None:
    view = MeshView(watch(), Settings(), 0.0)
    liar, rival = phone(), hub()
    for peer in (liar, rival):
        view.connected(peer, Telemetry(), 0.0)
    slow = [replace(hop, compute_s=1e6) for peer in (rival, liar) for hop in answer_of(peer).route]
    view.learn_from(liar.node_id, replace(answer_of(liar), route=tuple(slow)), 1.0)
    learned = [len(node.learned) for node in view.nodes()]
    assert learned == [0, 1, 0]


CUT = cut_tier((0.010, 0.010), (1_000,))


def test_a_hop_that_ran_a_tail_teaches_of_that_tail_and_not_of_the_whole() -> None:
    view = mesh(member("band", CUT), member("kitchen", CUT))
    kitchen = member("kitchen", CUT)
    (hop,) = answer_of(kitchen).route
    said = replace(answer_of(kitchen), route=(replace(hop, stages=(1, 2), compute_s=0.040, items=2),))
    for second in range(40):
        view.learn_from(kitchen.node_id, said, float(second))
    peer = view.peer(kitchen.node_id)
    assert peer is not None
    assert peer.learned == {}
    assert peer.times.spans(CUT).seconds[1][2] == pytest.approx(0.020, rel=0.01)


def test_a_head_that_ran_here_teaches_nothing_of_how_often_its_tier_escalates() -> None:
    view = mesh(member("band", CUT), member("kitchen", CUT))
    kitchen = member("kitchen", CUT)
    (hop,) = answer_of(kitchen).route
    head = replace(answer_of(kitchen), route=(replace(hop, stages=(0, 1)), hop))
    before = view.escalations.rate(CUT, 0.0)
    view.learn_from(kitchen.node_id, replace(head, route=head.route[:1]), 0.0)
    assert view.escalations.rate(CUT, 0.0) == before


def test_a_tail_behind_a_head_of_the_same_tier_is_no_escalation() -> None:
    screen = replace(CUT, escalation_rate=0.5)
    view = mesh(member("band", screen), member("kitchen", screen), member("hall", screen))
    (hop,) = answer_of(member("kitchen", screen)).route
    behind = replace(hop, node_id=member("hall").node_id, node="hall")
    said = replace(answer_of(member("kitchen", screen)), route=(hop, behind))
    view.learn_from(member("kitchen").node_id, said, 0.0)
    assert view.escalations.rate(screen, 0.0) < 0.5


def test_a_peer_that_is_silent_for_longer_than_its_work_takes_makes_the_link_slower() -> None:
    view = mesh(member("band"), member("kitchen"), bps=1e8)
    kitchen = member("kitchen").node_id
    before_s = view.link_to(kitchen).transfer_s(600_000)
    view.learn_overdue(kitchen, 600_000, before_s / 2, 0.0)
    assert view.link_to(kitchen).transfer_s(600_000) == before_s
    view.learn_overdue(kitchen, 600_000, 5.0, 0.0)
    assert view.link_to(kitchen).transfer_s(600_000) == pytest.approx(5.0)


def test_links_that_a_heartbeat_told_of_stay_known_when_a_reply_tells_of_none() -> None:
    view = mesh(member("band"), member("kitchen"), told={("kitchen", "hall"): 1e7})
    kitchen = view.peer(member("kitchen").node_id)
    assert kitchen is not None
    view.heard(kitchen.profile.node_id, Telemetry(), 1.0)
    assert set(kitchen.links) == {"hall"}
    view.heard(kitchen.profile.node_id, Telemetry(links=()), 2.0)
    assert kitchen.links == {}


def test_times_learned_while_a_node_was_busy_are_forgotten_and_those_of_its_stages_too() -> None:
    view = mesh(member("band", CUT), member("kitchen", CUT))
    for second in range(10):
        view.learn_compute(node_id("kitchen"), CUT, 10 * CUT.compute_s, float(second))
        view.learn_stages(node_id("kitchen"), CUT, 0, 1, 10 * CUT.stages[0].compute_s, float(second))
    peer = view.peer(node_id("kitchen"))
    assert peer is not None
    assert peer.item_s(CUT) > 5 * CUT.compute_s
    for second in range(10, 1_200):
        view.forget(float(second))
    assert peer.item_s(CUT) == pytest.approx(CUT.compute_s, rel=0.05)
    assert peer.times.spans(CUT).seconds[0] == pytest.approx(StageTimes().spans(CUT).seconds[0], rel=0.1)


def test_who_starts_anew_is_believed_what_it_announces() -> None:
    """Its process may have stood still before it ended, and the last runs with it."""
    band, kitchen = member("band", CUT), member("kitchen", CUT)
    view = mesh(band, kitchen)
    for second in range(5):
        view.learn_compute(kitchen.node_id, CUT, 100 * CUT.compute_s, float(second))
        view.learn_stages(kitchen.node_id, CUT, 0, 1, 1.0, float(second))
    view.connected(replace(kitchen, incarnation=kitchen.incarnation + 1), warm(kitchen), 6.0)
    peer = view.peer(kitchen.node_id)
    assert peer is not None
    assert (peer.item_s(CUT), peer.times.spans(CUT)) == (CUT.compute_s, StageTimes().spans(CUT))
