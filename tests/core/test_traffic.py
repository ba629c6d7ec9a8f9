"""What is on its way over a link: what comes behind it waits, and is not blamed for it."""

from __future__ import annotations

import pytest

from meshd.core.cost import Here
from meshd.core.traffic import Traffic
from tests.core.builders import HUB_TIER, request, tier
from tests.core.parts import member, mesh, node_id, seen

CROSSING_S, RTT_S = 0.100, 0.002


def busy(n_sent: int) -> Traffic:
    made = Traffic()
    for _ in range(n_sent):
        made.sent(CROSSING_S, 0.0)
    return made


def test_what_is_sent_waits_for_all_that_was_sent_before_less_the_time_since() -> None:
    made = busy(3)
    assert [made.wait_s(now) for now in (0.0, 0.25, 9.0)] == pytest.approx([0.3, 0.05, 0.0])


def test_what_was_answered_is_waited_for_no_more_however_slow_the_link_was_believed() -> None:
    made = busy(3)
    made.ended(CROSSING_S)
    made.ended(CROSSING_S)
    assert made.wait_s(0.0) == pytest.approx(CROSSING_S)


def test_what_is_called_back_before_it_began_to_cross_is_waited_for_no_more() -> None:
    made = busy(3)
    made.ended(CROSSING_S)
    made.called_back(CROSSING_S, begins_s=0.2, rtt_s=RTT_S, now=0.05)
    assert made.wait_s(0.05) == pytest.approx(0.15)


def test_what_is_called_back_while_it_crosses_is_waited_for_and_nobody_is_blamed_for_that() -> None:
    made = busy(1)
    made.ended(CROSSING_S)
    made.called_back(CROSSING_S, begins_s=0.0, rtt_s=RTT_S, now=0.04)
    assert [made.wait_s(now) for now in (0.04, 0.09, 0.11)] == pytest.approx([0.06, 0.01, 0.0])
    next_s = made.alone_s(0.06 + CROSSING_S + RTT_S, sent_s=0.04, rtt_s=RTT_S)
    assert next_s == pytest.approx(CROSSING_S + RTT_S)


def test_what_an_exchange_waited_for_those_before_it_is_not_its_own() -> None:
    """All three are sent at once, and cross one after the other."""
    made = busy(3)
    waited = [RTT_S + number * CROSSING_S for number in (1, 2, 3)]
    alone = [made.alone_s(transfer_s, sent_s=0.0, rtt_s=RTT_S) for transfer_s in waited]
    assert alone == pytest.approx([RTT_S + CROSSING_S] * 3)


def test_an_exchange_waits_for_none_that_came_later_though_that_was_answered_first() -> None:
    made = Traffic()
    made.alone_s(RTT_S + 2 * CROSSING_S, sent_s=0.0, rtt_s=RTT_S)
    assert made.alone_s(RTT_S + CROSSING_S, sent_s=0.0, rtt_s=RTT_S) == pytest.approx(RTT_S + CROSSING_S)


def test_a_peer_is_predicted_to_be_reached_when_the_link_is_free() -> None:
    hub = tier(HUB_TIER, compute_s=0.024)
    view = mesh(member("band", hub), member("kitchen", hub), bps=2e7, rtt_s=RTT_S)
    link, n_bytes = view.link_to(node_id("kitchen")), 262_000
    for _ in range(5):
        link.outstanding += 1
        link.traffic.sent(link.crossing_s(n_bytes), 0.0)
    there = seen(view, request(input_bytes=n_bytes, deadline_s=30.0), Here(is_full=False, wait_s=0.12, alive=6))
    (whole,) = [candidate for candidate in there.candidates if candidate.node == "kitchen"]
    assert whole.prediction.total_s >= 6 * n_bytes * 8 / 2e7 + 0.024
