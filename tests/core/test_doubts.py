"""Links that looked slow are tried again, by one request at a time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from meshd.core.answer import Answer
from meshd.core.link import Link
from meshd.core.node import Telemetry
from tests.core.builders import HUB_TIER, request, tier
from tests.core.mesh_in_memory import World
from tests.core.parts import MAINS, member, mesh, node_id
from tests.core.test_link import affine, link, used

BAND, KITCHEN = node_id("band"), node_id("kitchen")
N_BYTES = 154_000
FAST_S, SLOW_S = (affine(bps)(N_BYTES) for bps in (2e7, 2e5))


def fast() -> Link:
    return used(link(), affine(2e7))


def silent() -> Link:
    """One over which something has not ended after a second, at second 10."""
    made = fast()
    made.overdue(N_BYTES, 1.0, 10.0)
    return made


def predicted_s(made: Link, now: float) -> float:
    made.weigh(now)
    return made.transfer_s(N_BYTES)


def test_what_did_not_end_is_believed_for_five_seconds_and_then_left_aside_for_one_request() -> None:
    made = silent()
    assert predicted_s(made, 14.9) == pytest.approx(1.0)
    assert predicted_s(made, 15.0) == pytest.approx(FAST_S, rel=0.05)
    made.outstanding = 1
    assert predicted_s(made, 15.0) == pytest.approx(1.0), "one is trying it already"


def test_each_try_that_comes_to_nothing_doubles_the_time_until_the_next_up_to_minutes() -> None:
    made, now = silent(), 10.0
    tries: list[float] = []
    while len(tries) < 8:
        now += 1.0
        if predicted_s(made, now) < 2 * FAST_S:
            tries.append(now)
            made.overdue(N_BYTES, 1.0, now)
    assert [later - earlier for earlier, later in pairwise(tries)] == [
        10,
        20,
        40,
        80,
        160,
        240,
        240,
    ]


def test_many_requests_that_fail_together_are_one_failure() -> None:
    made = silent()
    for _ in range(20):
        made.overdue(N_BYTES, 2.0, 10.5)
    assert predicted_s(made, 14.9) == pytest.approx(2.0)
    assert predicted_s(made, 15.0) == pytest.approx(FAST_S, rel=0.05)


def test_what_ends_after_all_ends_the_doubt() -> None:
    made = silent()
    made.measured(N_BYTES, FAST_S, 10.2)
    assert made.transfer_s(N_BYTES) == pytest.approx(FAST_S, rel=0.05)


def test_a_link_that_was_measured_slow_is_tried_again_within_a_minute_and_trusted_at_once_if_it_is_not() -> None:
    made = fast()
    for _ in range(2):
        made.measured(N_BYTES, SLOW_S, 10.0)
    assert predicted_s(made, 50.0) == pytest.approx(SLOW_S, rel=0.05)
    assert predicted_s(made, 60.0) == pytest.approx(FAST_S, rel=0.05)
    made.measured(4_000, affine(2e7)(4_000), 60.0)
    made.outstanding = 1
    assert predicted_s(made, 60.0) == pytest.approx(SLOW_S, rel=0.05), "a small exchange tells nothing of large ones"
    made.measured(N_BYTES, FAST_S, 60.1)
    assert predicted_s(made, 60.1) == pytest.approx(FAST_S, rel=0.05)


def test_a_link_that_stays_slow_is_believed_for_longer_each_time() -> None:
    made = fast()
    for _ in range(2):
        made.measured(N_BYTES, SLOW_S, 0.0)
    made.measured(N_BYTES, SLOW_S, 45.0)
    assert predicted_s(made, 134.0) == pytest.approx(SLOW_S, rel=0.05)
    assert predicted_s(made, 135.0) == pytest.approx(FAST_S, rel=0.05)


@pytest.mark.parametrize(("incarnation", "expected_s"), [(1, 1.0), (2, FAST_S)])
def test_a_peer_that_was_born_again_is_tried_at_once(incarnation: int, expected_s: float) -> None:
    view = mesh(member("band"), member("kitchen"))
    known = used(view.link_to(KITCHEN), affine(2e7))
    known.doubt = None  # It is slower than was announced.
    view.learn_overdue(KITCHEN, N_BYTES, 1.0, 10.0)
    view.connected(replace(member("kitchen"), incarnation=incarnation), Telemetry(), 11.0)
    view.weigh_doubts(11.0)
    assert view.link_to(KITCHEN).transfer_s(N_BYTES) == pytest.approx(expected_s, rel=0.05)


def household() -> World:
    """A slow band beside a kitchen that does everything twenty times as fast, behind 20 Mbit/s."""
    own, there = tier(HUB_TIER, compute_s=0.04), tier(HUB_TIER, compute_s=0.002)
    profiles = (
        member(name, hosted, power=replace(MAINS, radio_bps=2e7))
        for name, hosted in zip(("band", "kitchen"), (own, there), strict=True)
    )
    return World(*profiles, link_s=0.001)


class Load:
    """A client of the band that asks ten times a second, whatever comes of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sent = 0

    def last(self, seconds: float) -> list[float]:
        """Go on for so long; return when requests were sent to the kitchen."""
        world, before = self._world, len(self._world.dispatched)
        sent_s: list[float] = []
        until_s = world.now + seconds
        while world.now < until_s:
            world.submit(BAND, request(f"r{self._sent}", input_bytes=50_000, deadline_s=30.0))
            self._sent += 1
            world.run(0.1)
            sent_s += [world.now] * (len(world.dispatched) - before)
            before = len(world.dispatched)
        return sent_s


@pytest.mark.parametrize("ends", ["never", "late"])
def test_a_link_that_was_slow_for_a_moment_has_work_again_within_a_minute_and_few_requests_pay_for_it(
    ends: str,
) -> None:
    world = household()
    load = Load(world)
    world.run(2.0)
    assert len(load.last(5.0)) >= 50
    if ends == "late":
        world.set_link(BAND, KITCHEN, delay_s=0.05, rate_bps=2e6)
    else:
        world.stall(KITCHEN)
    during = load.last(2.0)
    if ends == "late":
        world.set_link(BAND, KITCHEN, delay_s=0.001, rate_bps=2e7)
    else:
        world.resume(KITCHEN)
    assert len(during) <= 8
    load.last(55.0)
    assert len(load.last(5.0)) >= 45
    world.run(30.0)
    assert all(isinstance(ended.outcome, Answer) for ended in world.ended)


def test_a_link_that_stays_slow_is_tried_by_one_request_at_a_time() -> None:
    world = household()
    load = Load(world)
    world.run(2.0)
    load.last(5.0)
    world.set_link(BAND, KITCHEN, delay_s=0.1, rate_bps=2e5)
    load.last(5.0)
    tries_s = load.last(120.0)
    assert 3 <= len(tries_s) <= 6
    assert all(later - earlier > 1.0 for earlier, later in pairwise(tries_s))


def test_a_link_that_is_slower_than_announced_is_not_believed_to_have_been_faster() -> None:
    made = link()  # Announced for much more than 200 kbit/s, and never used for anything large.
    for tenth in range(6):
        made.measured(400, affine(2e5)(400), tenth / 10)
        made.measured(N_BYTES, SLOW_S, tenth / 10)
    assert made.doubt is None
    assert predicted_s(made, 50.0) == pytest.approx(SLOW_S, rel=0.05)
