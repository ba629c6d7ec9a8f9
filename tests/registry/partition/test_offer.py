"""Few places are offered: those that somebody would miss."""

from __future__ import annotations

import pytest

pytest.importorskip("networkx", reason="cutting needs the `convert` extra")

from fractions import Fraction
from itertools import pairwise

from model_registry.partition.balance import balanced
from model_registry.partition.hull import hull
from model_registry.partition.network import Network
from model_registry.partition.offer import offered, pays
from tests.registry.partition.test_network import network


def chain(*sizes: int, work: int = 1000) -> Network:
    """Return a chain whose tensors, input first, have these bytes."""
    reads = [["x"], *([f"t{number}"] for number in range(len(sizes) - 2))]
    names = ["x", *(f"t{number}" for number in range(len(sizes) - 1))]
    return network(
        reads, outputs=[names[-1]], sizes=dict(zip(names, sizes, strict=True)), work=[work] * (len(sizes) - 1)
    )


def first(net: Network, count: int) -> frozenset[int]:
    return frozenset(range(count))


def test_a_head_of_nearly_all_the_work_never_pays() -> None:
    net = chain(100, *[50] * 19, 1, 1)

    assert pays(net, first(net, 10))
    assert not pays(net, first(net, 20))


def test_a_place_that_another_beats_in_every_way_is_dropped() -> None:
    net = chain(*[1000] * 9, 5, *[1000] * 9, 1)

    better, worse = first(net, 9), first(net, 10)

    assert offered(net, [better, worse], 5) == (better,)


def test_places_of_different_use_are_kept_up_to_the_most() -> None:
    net = chain(10_000, *[5000] * 3, *[500] * 3, *[50] * 3, 1)
    heads = [first(net, count) for count in (1, 4, 7)]

    assert offered(net, heads, 5) == tuple(heads)
    assert len(offered(net, heads, 2)) == 2


def test_at_least_one_is_offered() -> None:
    net = chain(1, 1000, 1000, 1)

    assert len(offered(net, [first(net, 1), first(net, 2)], 5)) >= 1


def test_thirds_and_halves_are_found_where_no_corner_is_near() -> None:
    net = chain(1, *[100] * 29, 1)

    found = balanced(net, hull(net))

    shares = [Fraction(net.work(head), net.work(net.all_nodes)) for head in found]
    assert [round(share * 6) for share in shares] == [2, 3, 4]


def test_a_target_that_a_corner_is_near_needs_no_other_place() -> None:
    net = chain(1000, *[900] * 14, 1, *[900] * 14, 1)
    corners = hull(net)

    assert first(net, 15) in corners
    assert all(abs(Fraction(len(head), 30) - Fraction(1, 2)) > Fraction(1, 15) for head in balanced(net, corners))


def test_balanced_places_are_nested_in_the_corners() -> None:
    net = chain(10_000, *[9000] * 5, 100, *[9000] * 20, 10, *[9000] * 4, 1)
    corners = hull(net)

    every = sorted([*corners, *balanced(net, corners)], key=len)
    assert all(less < more for less, more in pairwise(every))
