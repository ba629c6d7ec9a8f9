"""What a node learns of links and tiers by using them."""

import pytest
from msgspec.structs import replace

from meshd.core.estimate import Estimate
from meshd.core.link import Link
from meshd.core.mesh_view import MeshView
from meshd.core.node import Telemetry
from meshd.core.rate import Rate
from meshd.core.settings import Settings
from tests.core.builders import answer_of, hub, phone, watch


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
    rate = Rate(prior=0.2, learned=0.9, at_s=0.0)
    assert rate.at(0.0) == pytest.approx(0.9)
    assert rate.at(10_000.0) == pytest.approx(0.2)


def test_a_peer_teaches_of_itself_and_of_nobody_else() -> None:
    view = MeshView(watch(), Settings(), 0.0)
    liar, rival = phone(), hub()
    for peer in (liar, rival):
        view.connected(peer, Telemetry(), 0.0)
    slow = [replace(hop, compute_s=1e6) for peer in (rival, liar) for hop in answer_of(peer).route]
    view.learn_from(liar.node_id, replace(answer_of(liar), route=tuple(slow)), 1, 1.0)
    learned = [len(node.learned) for node in view.nodes()]
    assert learned == [0, 1, 0]
