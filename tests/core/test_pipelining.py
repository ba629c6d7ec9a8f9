"""Several requests in flight: heads here and tails on a peer keep both nodes busy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from heapq import heappop, heappush

import pytest
from msgspec.structs import replace

from meshd.core.answer import Answer
from meshd.core.candidate import Candidate
from meshd.core.cost import Here
from meshd.core.mesh_view import MeshView
from tests.core.builders import request
from tests.core.mesh_in_memory import World
from tests.core.parts import MAINS, best, cut_tier, member, mesh, node_id, seen

STAGE_S = 0.010
EQUAL = cut_tier((STAGE_S, STAGE_S), (2_000,))


class Stream:
    """Two nodes with one slot each, and so many requests in flight that each answer makes place for the next."""

    def __init__(self, view: MeshView) -> None:
        self._view = view
        self._here_until_s = self._there_until_s = 0.0
        self._heads_end_s: list[float] = []
        self._tails_s: list[tuple[float, float]] = []
        self._answers_s: list[float] = []
        self.split = 0

    def run(self, in_flight: int, n_requests: int) -> float:
        """Return when the last of so many requests was answered."""
        now = 0.0
        for number in range(n_requests):
            if number >= in_flight:
                now = heappop(self._answers_s)
            self._start(best(seen(self._view, request(input_bytes=600_000, deadline_s=60.0), self._look(now))), now)
        return max(self._answers_s)

    def _look(self, now: float) -> Here:
        """Return what a request meets here now, and count what is out at the peer."""
        self._heads_end_s = [end_s for end_s in self._heads_end_s if end_s > now]
        out = sum(sent_s <= now < answered_s for sent_s, answered_s in self._tails_s)
        self._view.link_to(node_id("kitchen")).outstanding = out
        return Here(is_full=False, wait_s=max(0.0, self._here_until_s - now), alive=len(self._heads_end_s))

    def _start(self, chosen: Candidate, now: float) -> None:
        here_s = chosen.legs[0].compute_s if chosen.legs else chosen.prediction.compute_s
        answered_s = self._here_until_s = max(now, self._here_until_s) + here_s
        self._heads_end_s.append(self._here_until_s)
        if chosen.legs:
            arrived_s = self._here_until_s + chosen.legs[1].transfer_s
            answered_s = self._there_until_s = max(arrived_s, self._there_until_s) + chosen.legs[1].compute_s
            self._tails_s.append((self._here_until_s, answered_s))
            self.split += 1
        heappush(self._answers_s, answered_s)


def stream() -> Stream:
    return Stream(mesh(member("band", EQUAL), member("kitchen", EQUAL), bps=1e7))


def test_one_request_at_a_time_is_not_split_between_equal_nodes() -> None:
    alone = stream()
    alone.run(1, 20)
    assert alone.split == 0


@pytest.mark.parametrize("in_flight", [4, 6, 12])
def test_a_stream_over_two_equal_stages_has_at_least_1_7_times_the_throughput_of_one_node(in_flight: int) -> None:
    n_requests = 200
    piped = stream()
    took_s = piped.run(in_flight, n_requests)
    assert n_requests * 2 * STAGE_S / took_s >= 1.7


def throughput(world: World, in_flight: int, n_requests: int) -> float:
    """Answers a second of a client of the first node that always has so many requests under way."""
    world.run(3.0)
    begun_s, sent = world.now, 0
    while len(world.ended) < n_requests:
        while sent < n_requests and sent - len(world.ended) < in_flight:
            world.submit(node_id("band"), request(f"r{sent}", input_bytes=600_000, deadline_s=10.0))
            sent += 1
        world.run(STAGE_S / 20)
    assert all(isinstance(ended.outcome, Answer) for ended in world.ended)
    return n_requests / (max(ended.at_s for ended in world.ended) - begun_s)


def test_real_schedulers_that_learn_as_they_go_reach_1_7_times_the_throughput_of_one_node() -> None:
    one_by_one = replace(EQUAL, max_items=1)  # Nothing is gained by running requests together.
    radio = replace(MAINS, radio_bps=1e7)
    band, kitchen = (member(name, one_by_one, power=radio) for name in ("band", "kitchen"))
    alone, together = World(band, link_s=0.001), World(band, kitchen, link_s=0.001)
    assert throughput(together, 6, 120) >= 1.7 * throughput(alone, 6, 120)


LINK_BPS = 2e7
WINDOWS = 6


def gains(stages_s: Sequence[float], out_bytes: Sequence[int], *, told_bps: float, in_flight: int) -> list[float]:
    """What a peer behind 20 Mbit/s brings a stream, as throughput over that of one node: in one window after another.

    Both radios are known for ``told_bps``: what the link bears is found out by using it.
    """
    hosted = replace(cut_tier(stages_s, out_bytes), max_items=1)
    band, kitchen = (member(name, hosted, power=replace(MAINS, radio_bps=told_bps)) for name in ("band", "kitchen"))
    world = World(band, kitchen, link_s=0.001)
    world.set_link(band.node_id, kitchen.node_id, delay_s=0.001, rate_bps=LINK_BPS)
    throughput(world, in_flight, 240)
    ends_s = sorted(ended.at_s for ended in world.ended)[in_flight:-in_flight]  # As it begins and ends it is no stream.
    window_s = (ends_s[-1] - ends_s[0]) / WINDOWS
    counts = Counter(min(int((at_s - ends_s[0]) / window_s), WINDOWS - 1) for at_s in ends_s)
    return [counts[window] * sum(stages_s) / window_s for window in range(WINDOWS)]


@pytest.mark.parametrize("told_bps", [LINK_BPS, 1e8])
@pytest.mark.parametrize("in_flight", [4, 8])
@pytest.mark.parametrize(
    ("stages_s", "out_bytes"), [((0.012, 0.012), (262_000,)), ((0.012, 0.012), (60_000,)), ((0.012, 0.012), (20_000,))]
)
def test_a_stream_over_a_slow_link_never_falls_below_what_one_node_does(
    stages_s: tuple[float, ...], out_bytes: tuple[int, ...], told_bps: float, in_flight: int
) -> None:
    assert min(gains(stages_s, out_bytes, told_bps=told_bps, in_flight=in_flight)) >= 0.95


@pytest.mark.parametrize("told_bps", [LINK_BPS, 1e8])
def test_a_stream_over_a_slow_link_has_1_7_times_the_throughput_where_little_crosses(told_bps: float) -> None:
    found = gains((0.012, 0.012), (20_000,), told_bps=told_bps, in_flight=8)
    assert sum(found) / len(found) >= 1.7
