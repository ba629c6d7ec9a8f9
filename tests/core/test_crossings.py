"""What crosses between stages where inputs differ in length."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.crossings import Crossings
from tests.core.builders import arrived, finished, request, scheduler, step
from tests.core.parts import best, cut_tier, member, mesh, seen, slower

TOKEN_BYTES, STATE_BYTES = 24, 1_536
SHORT = replace(cut_tier((0.0034, 0.0136), (STATE_BYTES,)), input_bytes=TOKEN_BYTES)
"""Announced for one token; a sentence of 64 tokens gives 64 states."""


def crossing(known: Crossings, tokens: int, items: int = 1) -> float:
    return known.bytes_before(SHORT, 1, input_bytes=tokens * TOKEN_BYTES * items, items=items)


def test_what_crosses_is_taken_to_grow_with_the_input_until_it_was_seen() -> None:
    assert crossing(Crossings(), 64, items=2) == 2 * 64 * STATE_BYTES


def test_what_was_seen_to_cross_once_counts_for_inputs_of_any_length() -> None:
    known = Crossings()
    known.learn(SHORT, 1, out_bytes=32 * 100, input_bytes=32 * TOKEN_BYTES)
    assert crossing(known, 64) == pytest.approx(64 * 100)


def test_what_crosses_of_inputs_of_one_length_is_what_was_announced() -> None:
    fixed = replace(SHORT, input_bytes=0)
    assert Crossings().bytes_before(fixed, 1, input_bytes=600_000, items=3) == 3 * STATE_BYTES


def test_a_model_whose_long_inputs_cross_slowly_is_not_split_for_them() -> None:
    view = mesh(member("band", slower(SHORT, 10.0)), member("kitchen", SHORT), bps=2e6, rtt_s=0.004)
    long = request(input_bytes=64 * TOKEN_BYTES, deadline_s=30.0)
    assert not best(seen(view, long)).is_split
    split = next(c for c in seen(view, long).candidates if c.is_split)
    assert split.legs[1].transfer_s >= 64 * STATE_BYTES * 8 / 2e6


def test_one_run_teaches_what_crosses() -> None:
    plain = cut_tier((0.0034, 0.0136), (STATE_BYTES,))
    made = scheduler(member("band", slower(plain, 10.0)), member("kitchen", plain))
    step(made, arrived(input_bytes=64 * TOKEN_BYTES, deadline_s=30.0, plan="band 0-1, kitchen 1-2"))
    step(made, finished(1, None, out_bytes=64 * STATE_BYTES))
    seen_bytes = made.view.crossings.bytes_before(plain, 1, input_bytes=128 * TOKEN_BYTES, items=1)
    assert seen_bytes == pytest.approx(128 * STATE_BYTES)


def test_a_split_that_was_weighed_is_weighed_anew_once_something_else_was_seen_to_cross() -> None:
    plain = cut_tier((0.0034, 0.0136), (STATE_BYTES,))
    view = mesh(member("band", slower(plain, 10.0)), member("kitchen", plain), bps=2e6)
    crosses_s = []
    for out_bytes in (64 * STATE_BYTES, 128 * STATE_BYTES):
        view.crossings.learn(plain, 1, out_bytes=out_bytes, input_bytes=10_000)
        split = next(c for c in seen(view, request(deadline_s=30.0)).candidates if c.is_split)
        crosses_s.append(split.legs[1].transfer_s - view.link_to(split.legs[1].node_id).rtt_s.mean)
    assert crosses_s == pytest.approx([64 * STATE_BYTES * 8 / 2e6, 128 * STATE_BYTES * 8 / 2e6])
