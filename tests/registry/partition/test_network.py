"""A minimum cut is the best of all places that there are."""

from __future__ import annotations

import pytest

pytest.importorskip("networkx", reason="cutting needs the `convert` extra")

from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.partition.graph import Graph
from model_registry.partition.hull import hull
from model_registry.partition.network import Head, Network

NOTHING: Head = frozenset()


def network(reads: list[list[str]], *, outputs: list[str], sizes: dict[str, int], work: list[int]) -> Network:
    """Return a graph whose node n gives `tn`, with one input `x`."""
    graph = Graph(
        reads={number: tuple(names) for number, names in enumerate(reads)},
        makes={number: (f"t{number}",) for number in range(len(reads))},
        inputs=("x",),
        outputs=tuple(outputs),
        copied=frozenset(),
    )
    return Network(graph=graph, bytes_of=sizes, work_ns=dict(enumerate(work)))


def heads(net: Network) -> list[Head]:
    """Return every set of nodes that holds all that its nodes depend on."""
    found = [NOTHING]
    for node, names in net.graph.reads.items():
        needed = {net.graph.maker[name] for name in names if name in net.graph.maker}
        found += [head | {node} for head in found if needed <= head]
    return found


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Return graphs of up to nine nodes with branches, skips, dead ends, early outputs and an input used late."""
    count = draw(st.integers(1, 9))
    tensors = ["x", *(f"t{number}" for number in range(count))]
    reads = [
        draw(st.lists(st.sampled_from(tensors[: n + 1]), min_size=1, max_size=3, unique=True)) for n in range(count)
    ]
    sizes = draw(st.lists(st.integers(1, 50), min_size=count + 1, max_size=count + 1))
    outputs = {tensors[-1], *draw(st.lists(st.sampled_from(tensors[1:]), max_size=2))}
    work = draw(st.lists(st.integers(1, 20), min_size=count, max_size=count))
    return network(reads, outputs=sorted(outputs), sizes=dict(zip(tensors, sizes, strict=True)), work=work)


def cost(net: Network, head: Head, price: Fraction) -> Fraction:
    return net.bytes(head) + price * net.work(head)


@given(networks(), st.fractions(-20, 20, max_denominator=7))
@settings(max_examples=150)
def test_no_place_is_better_than_the_one_found(net: Network, price: Fraction) -> None:
    found = net.best(price, least=NOTHING, most=net.all_nodes)

    assert found in heads(net)
    assert cost(net, found, price) == min(cost(net, head, price) for head in heads(net))


@given(networks(), st.data())
@settings(max_examples=100)
def test_the_best_between_two_places_is_the_best_of_those_between_them(net: Network, data: st.DataObject) -> None:
    less = data.draw(st.sampled_from(heads(net)))
    more = data.draw(st.sampled_from([head for head in heads(net) if less <= head]))

    found = net.best(Fraction(1, 3), least=less, most=more)

    between = [head for head in heads(net) if less <= head <= more]
    assert found in between
    assert cost(net, found, Fraction(1, 3)) == min(cost(net, head, Fraction(1, 3)) for head in between)


@given(networks())
@settings(max_examples=150)
def test_corners_are_exactly_the_lower_hull_of_all_places_and_nested(net: Network) -> None:
    corners = hull(net)

    ends = (NOTHING, *corners, net.all_nodes)
    points = {(net.work(head), net.bytes(head)) for head in heads(net)}
    for (work, size), (next_work, next_size) in pairwise((net.work(head), net.bytes(head)) for head in ends):
        price = Fraction(size - next_size, next_work - work)
        assert min(y + price * x for x, y in points) == size + price * work
    assert all(before < behind for before, behind in pairwise(ends))


def test_a_tensor_that_many_nodes_read_is_counted_once() -> None:
    net = network([["x"], ["t0"], ["t0"], ["t0"], ["t1", "t2", "t3"]], outputs=["t4"], sizes=SIZES, work=[1] * 5)

    assert net.bytes(frozenset({0})) == SIZES["t0"]
    assert net.bytes(frozenset({0, 1})) == SIZES["t0"] + SIZES["t1"]


SIZES = {"x": 100, "t0": 10, "t1": 7, "t2": 7, "t3": 7, "t4": 1}


def test_an_input_that_is_used_late_crosses_as_long_as_it_is_needed() -> None:
    net = network([["x"], ["t0", "x"]], outputs=["t1"], sizes={"x": 5, "t0": 3, "t1": 1}, work=[1, 1])

    assert net.graph.crossing(frozenset({0})) == ("x", "t0")
    assert net.bytes(frozenset({0})) == 8


def test_an_output_that_is_made_early_crosses_to_the_end() -> None:
    net = network([["x"], ["t0"]], outputs=["t0", "t1"], sizes={"x": 5, "t0": 3, "t1": 1}, work=[1, 1])

    assert net.graph.crossing(net.all_nodes) == ("t0", "t1")


def test_nothing_is_cut_where_what_crosses_may_not() -> None:
    net = network([["x"], ["t0"], ["t1"]], outputs=["t2"], sizes={"x": 9, "t1": 8, "t2": 7}, work=[1, 1, 1])

    assert not net.is_possible(frozenset({0}))
    assert hull(net) == ()
    assert net.best(Fraction(-1), least=frozenset({0}), most=frozenset({0, 1})) == {0, 1}


def test_nodes_that_belong_together_are_never_parted() -> None:
    loose = network([["x"], ["t0"], ["t1"]], outputs=["t2"], sizes={"x": 9, "t0": 1, "t1": 2, "t2": 8}, work=[1] * 3)
    bound = Network(graph=loose.graph, bytes_of=loose.bytes_of, work_ns=loose.work_ns, together=((0, 1),))

    assert hull(loose) == (frozenset({0}), frozenset({0, 1}))
    assert hull(bound) == (frozenset({0, 1}),)
