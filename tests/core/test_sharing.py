"""Shares of a batch: who takes how many items, and when sharing is offered at all."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from meshd.core.candidate import Candidate, Mask, Observation
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedTier
from meshd.core.request import Privacy, Request
from meshd.core.sharing import Host, filled
from tests.core.builders import HUB_TIER, PHONE_TIER, request, tier
from tests.core.parts import best, masks, member, mesh, node_id, seen

MODEL = tier(HUB_TIER, compute_s=0.010, max_items=64)
BATCH = request(input_bytes=16_000, batch=16, deadline_s=60.0)


def shares(observation: Observation) -> list[Candidate]:
    return [candidate for candidate in observation.candidates if candidate.shares]


def pair(there: HostedTier = MODEL, **changes: float) -> MeshView:
    return mesh(member("band", MODEL), member("kitchen", there), bps=changes.get("bps", 1e9))


def test_equal_nodes_share_equally_and_the_way_there_counts() -> None:
    chosen = best(seen(pair(), BATCH))
    assert [(share.node, share.items) for share in chosen.shares] == [("band", 8), ("kitchen", 8)]
    assert chosen.prediction.total_s == pytest.approx(0.081, rel=0.01)
    assert chosen.place == "band x8, kitchen x8"


def test_a_node_three_times_as_fast_takes_three_times_as_many() -> None:
    chosen = best(seen(pair(replace(MODEL, compute_s=0.010 / 3)), BATCH))
    assert {share.node: share.items for share in chosen.shares} == {"band": 4, "kitchen": 12}


def test_sharing_that_gains_too_little_is_masked() -> None:
    (shared,) = shares(seen(pair(bps=1e5), BATCH))
    assert shared.reason is not None
    assert shared.reason.mask is Mask.NO_GAIN


def test_four_nodes_take_a_batch_together_and_two_are_offered_as_well() -> None:
    view = mesh(member("band", MODEL), *(member(name, MODEL) for name in ("kitchen", "hall", "attic")), bps=1e9)
    two, four = shares(seen(view, BATCH))
    assert len(two.shares) == 2
    assert [share.items for share in four.shares] == [4, 4, 4, 4]


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        (replace(MODEL, artifact="other"), BATCH),
        (replace(MODEL, max_items=1), BATCH),
        (MODEL, replace(BATCH, batch=1)),
        (MODEL, replace(BATCH, privacy=Privacy.DEVICE)),
        (replace(MODEL, raw_input_may_leave=False), BATCH),
        (MODEL, replace(BATCH, via=(node_id("watch"),))),
    ],
    ids=["other artifact", "takes no batches", "one item", "privacy", "manifest", "delegated"],
)
def test_nothing_is_shared_that_may_not_be(there: HostedTier, asked: Request) -> None:
    assert shares(seen(pair(there), asked)) == []


def test_the_asker_can_say_who_takes_how_many() -> None:
    asked = replace(BATCH, plan="kitchen x3, band x13")
    assert masks(seen(pair(), asked)) == {
        "band": Mask.NOT_THE_PLAN,
        "kitchen": Mask.NOT_THE_PLAN,
        "kitchen x3, band x13": None,
    }


@pytest.mark.parametrize(
    "plan", ["kitchen x3, band x12", "kitchen x16", "kitchen x8, kitchen x8", "band x0, kitchen x16"]
)
def test_shares_that_do_not_make_up_the_batch_are_no_plan(plan: str) -> None:
    assert shares(seen(pair(), replace(BATCH, plan=plan))) == []


def test_one_artifact_in_two_tiers_is_shared_in_each_by_itself_and_the_weaker_where_it_may_be() -> None:
    weaker = replace(MODEL, tier=PHONE_TIER)
    view = mesh(member("band", weaker, MODEL), member("kitchen", weaker, MODEL), bps=1e9)
    assert [(c.tier.tier, c.place) for c in shares(seen(view, BATCH))] == [
        (PHONE_TIER, "band x8, kitchen x8"),
        (HUB_TIER, "band x8, kitchen x8"),
    ]
    assert [c.tier.tier for c in shares(seen(view, replace(BATCH, min_tier=HUB_TIER)))] == [HUB_TIER]


def test_a_node_that_announces_a_variant_twice_takes_one_share() -> None:
    view = mesh(member("band", MODEL), member("kitchen", MODEL, MODEL, MODEL), bps=1e9)
    assert [c.place for c in shares(seen(view, BATCH))] == ["band x8, kitchen x8"]


lines = st.lists(st.tuples(st.floats(0.0, 0.2), st.floats(1e-3, 0.1)), min_size=2, max_size=4)


def hosts(made: list[tuple[float, float]]) -> list[Host]:
    (node,) = mesh(member("band", MODEL)).nodes()
    return [Host(node=node, hosted=MODEL, fixed_s=fixed_s, item_s=item_s) for fixed_s, item_s in made]


def end_s(items: tuple[int, ...], made: list[tuple[float, float]]) -> float:
    return max(fixed_s + n * item_s for n, (fixed_s, item_s) in zip(items, made, strict=True) if n)


@given(lines, st.integers(2, 7))
def test_no_other_way_to_share_ends_sooner(made: list[tuple[float, float]], batch: int) -> None:
    items = tuple(filled(hosts(made), batch))
    every = (way for way in product(range(batch + 1), repeat=len(made)) if sum(way) == batch)
    assert end_s(items, made) == pytest.approx(min(end_s(way, made) for way in every))


@given(lines, st.integers(2, 2**20))
def test_shares_make_up_the_batch(made: list[tuple[float, float]], batch: int) -> None:
    items = filled(hosts(made), batch)
    assert sum(items) == batch
    assert all(n >= 0 for n in items)
