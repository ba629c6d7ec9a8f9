"""Longer inputs take longer: how that is read off a few lengths, foretold, and learned from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack
from msgspec.structs import replace

from meshd.core.growth import growth_at
from meshd.core.handover import predicted_here
from meshd.core.life import Reached
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedTier
from meshd.core.plan import Leg, Partial
from tests.core.builders import request
from tests.core.parts import best, cut_tier, life_of, member, mesh, node_id, seen, slower

SIZES, GROWTH = (400, 1_600), (3.0, 15.0)
TEXT = replace(cut_tier((0.001, 0.003), (1_000,)), input_bytes=100, sizes=SIZES, growth=GROWTH, macs=0)
"""A transformer: four times as many words take three times, sixteen times as many fifteen times as long."""
UNEVEN = replace(TEXT, stages=(replace(TEXT.stages[0], growth=(1.0, 1.0)), replace(TEXT.stages[1], growth=(4.0, 20.0))))
"""The first stage takes as long for any length."""


def here(view: MeshView, item_bytes: int, batch: int = 1) -> float:
    told = seen(view, request(input_bytes=item_bytes * batch, batch=batch, deadline_s=60.0))
    return next(c.prediction.compute_s for c in told.candidates if c.here and not c.legs and not c.shares)


@pytest.mark.parametrize(
    ("item_bytes", "times"),
    [(0.0, 1.0), (100.0, 1.0), (250.0, 2.0), (400.0, 3.0), (1_000.0, 9.0), (1_600.0, 15.0), (2_800.0, 27.0)],
)
def test_what_lies_between_two_lengths_is_read_off_the_line_and_beyond_the_last_it_goes_on(
    item_bytes: float, times: float
) -> None:
    assert growth_at(item_bytes, 100, SIZES, GROWTH) == pytest.approx(times)


def test_a_run_that_gets_no_longer_does_not_get_shorter_either_beyond_what_was_timed() -> None:
    assert growth_at(10_000.0, 100, (400, 1_600), (2.0, 1.9)) == 1.9


@given(
    st.floats(0.0, 1e12),
    st.integers(0, 2**40),
    st.lists(st.integers(0, 2**62), max_size=4),
    st.lists(st.floats(0.01, 1e9), max_size=4),
)
def test_whatever_a_peer_announces_gives_a_finite_factor_above_zero(
    item_bytes: float, smallest: int, sizes: Sequence[int], growth: Sequence[float]
) -> None:
    times = growth_at(item_bytes, smallest, tuple(sizes), tuple(growth))
    assert isfinite(times)
    assert times > 0.0


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=4), st.lists(st.floats(0.0, 1e6), min_size=2, max_size=20))
def test_a_longer_input_is_never_foretold_to_take_less_where_none_took_less(
    growth: list[float], inputs: list[float]
) -> None:
    sizes = tuple(1_000 * (k + 1) for k in range(len(growth)))
    told = [growth_at(n_bytes, 100, sizes, tuple(sorted(growth))) for n_bytes in sorted(inputs)]
    assert all(before <= behind * (1.0 + 1e-9) for before, behind in pairwise(told))


def test_a_whole_run_is_foretold_by_the_length_of_its_items() -> None:
    view = mesh(member("band", TEXT))
    assert here(view, 100) == pytest.approx(0.004)
    assert here(view, 400) == pytest.approx(0.012)
    assert here(view, 400, batch=3) == pytest.approx(0.036)


def test_of_a_model_that_was_timed_at_one_length_every_input_takes_as_long() -> None:
    view = mesh(member("band", replace(TEXT, sizes=(), growth=())))
    assert here(view, 100) == here(view, 1_600) == pytest.approx(0.004)


def test_each_stage_grows_by_itself() -> None:
    spans = mesh(member("band", UNEVEN)).own.times.spans
    assert spans(UNEVEN, 100.0).seconds[0] == pytest.approx((0.0, 0.001, 0.004))
    assert spans(UNEVEN, 400.0).seconds[0] == pytest.approx((0.0, 0.001, 0.013))
    assert spans(UNEVEN, 400.0).work == pytest.approx((0.0, 1 / 13, 1.0))


def test_stages_that_were_not_timed_at_several_lengths_grow_as_the_whole_does() -> None:
    spans = mesh(member("band", TEXT)).own.times.spans
    assert spans(TEXT, 400.0).seconds[0] == pytest.approx((0.0, 0.003, 0.012))


def test_a_long_input_goes_where_a_short_one_would_not() -> None:
    """The way takes 10 ms, and the other node is ten times as quick."""
    view = mesh(member("band", TEXT), member("kitchen", slower(TEXT, 0.1)), rtt_s=0.010, bps=1e9)
    assert [best(seen(view, request(input_bytes=n, deadline_s=60.0))).place for n in (100, 1_600)] == [
        "band",
        "kitchen",
    ]


def test_a_long_run_does_not_make_short_ones_look_slow() -> None:
    view = mesh(member("band", TEXT), member("kitchen", TEXT))
    for node in ("band", "kitchen"):
        for second in range(10):
            view.learn_compute(node_id(node), TEXT, 0.060, float(second), item_bytes=1_600)
    assert here(view, 100) == pytest.approx(0.004)
    assert view.own.times.spans(TEXT).seconds[0] == pytest.approx((0.0, 0.001, 0.004))


@given(st.lists(st.sampled_from((100, 250, 400, 1_600, 5_000)), min_size=30, max_size=60), st.floats(0.2, 5.0))
def test_a_device_that_is_slower_than_it_says_is_found_out_by_inputs_of_any_length(
    lengths: list[int], pace: float
) -> None:
    view = mesh(member("band", TEXT))
    for second, n_bytes in enumerate(lengths):
        seconds = 0.004 * pace * TEXT.growth_at(n_bytes)
        view.learn_compute(node_id("band"), TEXT, seconds, float(second), item_bytes=n_bytes)
    for n_bytes in (100, 400, 1_600):
        assert here(view, n_bytes) == pytest.approx(0.004 * pace * TEXT.growth_at(n_bytes), rel=0.02)


def test_stages_that_ran_for_a_long_input_tell_of_short_ones() -> None:
    view = mesh(member("band", UNEVEN))
    for second in range(40):
        view.learn_stages(node_id("band"), UNEVEN, 1, 2, 0.024, float(second), item_bytes=400)
    assert view.own.times.spans(UNEVEN).seconds[1][2] == pytest.approx(0.006, rel=0.01)
    assert view.own.times.spans(UNEVEN, 400.0).seconds[1][2] == pytest.approx(0.024, rel=0.01)
    assert view.own.times.deviation_s(UNEVEN, 1, 2, 40.0, 400.0) == pytest.approx(
        4.0 * view.own.times.deviation_s(UNEVEN, 1, 2, 40.0)
    )


def test_who_gets_the_rest_of_a_plan_tells_the_length_by_what_crosses() -> None:
    rest = Partial(artifact=UNEVEN.artifact, legs=(_leg("kitchen"),))
    life = life_of(request(input_bytes=2 * 4_000, batch=2, partial=rest, via=(node_id("band"),)))
    life.reached = Reached(tier=UNEVEN, stage=1, attempt=None, n_bytes=2 * 4_000)
    assert life.item_bytes == 400.0

    view = mesh(member("kitchen", UNEVEN))
    [leg] = predicted_here(rest.legs, UNEVEN, view, items=2, n_bytes=2 * 4_000)
    assert leg.compute_s == pytest.approx(2 * 0.012)


def _leg(name: str) -> Leg:
    return Leg(node_id=node_id(name), node=name, first=1, last=2)


@pytest.mark.parametrize("told", [TEXT, replace(TEXT, sizes=(), growth=())], ids=["lengths", "none"])
def test_lengths_cross_the_wire_and_whoever_says_nothing_of_them_is_understood_to_have_none(told: HostedTier) -> None:
    on_the_wire = msgpack.encode(told)
    assert msgpack.decode(on_the_wire, type=HostedTier) == told

    of_an_earlier_build = {key: said for key, said in msgpack.decode(on_the_wire).items() if key not in _NEW}
    understood = msgpack.decode(msgpack.encode(of_an_earlier_build), type=HostedTier)
    assert understood == replace(told, sizes=(), growth=())
    assert understood.growth_at(1_600) == 1.0


_NEW = ("sizes", "growth")
