"""Heads, tails and chains: which are offered, what they are predicted to take, and where privacy lets them go."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from meshd.core.candidate import Candidate, Mask, Observation
from meshd.core.cost import Here
from meshd.core.gain import LEAST_GAIN
from meshd.core.handling import Taken
from meshd.core.life import Reached
from meshd.core.mesh_view import MeshView
from meshd.core.node import HostedTier
from meshd.core.node_view import NodeView
from meshd.core.plan import Leg, Partial
from meshd.core.request import Priority, Privacy
from tests.core.builders import UPSTREAM_TIER, request
from tests.core.parts import (
    IDLE,
    MAINS,
    best,
    closed,
    cut_tier,
    masks,
    member,
    mesh,
    node_id,
    seen,
    slower,
)

RTT_S = 0.001
MODEL = cut_tier((0.0016, 0.0009, 0.0005, 0.0020), (75_000, 25_000, 12_500))
"""As a small network for pictures: what crosses shrinks, and the input is four times the first of it."""
SLOW = slower(MODEL, 10)
PICTURE = request(input_bytes=600_000, deadline_s=60.0)


def household(bps: float, *, own: HostedTier = SLOW, there: HostedTier = MODEL) -> MeshView:
    return mesh(member("band", own), member("kitchen", there), bps=bps)


def splits(observation: Observation) -> list[Candidate]:
    return [candidate for candidate in observation.candidates if candidate.legs]


@pytest.mark.parametrize(
    ("bps", "place"),
    [
        (2e6, "band"),
        (1e7, "band 0-3, kitchen 3-4"),
        (4e7, "band 0-2, kitchen 2-4"),
        (2e8, "band 0-1, kitchen 1-4"),
        (1e10, "kitchen"),
    ],
)
def test_the_faster_the_link_the_earlier_the_cut(bps: float, place: str) -> None:
    assert best(seen(household(bps), PICTURE)).place == place


def test_a_split_says_what_each_leg_takes_and_what_all_of_it_takes() -> None:
    (split,) = splits(seen(household(4e7), PICTURE))
    transfer_s = RTT_S + 25_000 * 8 / 4e7
    (head, tail) = split.legs
    assert (head.node, head.first, head.last, head.transfer_s) == ("band", 0, 2, 0.0)
    assert (tail.node, tail.first, tail.last, tail.codec) == ("kitchen", 2, 4, "raw")
    assert (head.compute_s, tail.compute_s, tail.transfer_s) == pytest.approx((0.025, 0.0025, transfer_s))
    assert split.prediction.total_s == pytest.approx(0.025 + transfer_s + 0.0025)
    assert (split.here, split.node, split.tier) == (True, "band", SLOW)


def test_a_split_that_gains_less_than_a_tenth_is_masked_with_both_figures() -> None:
    (split,) = splits(seen(household(2e6), PICTURE))
    assert split.reason is not None
    assert split.reason.mask is Mask.NO_GAIN
    told = "it would take 83 ms, and hub tier on band whole takes 50 ms; a split has to be 1.1 times sooner or cheaper"
    assert split.reason.sentence == told


def test_figures_that_hold_the_delay_of_others_say_so() -> None:
    (split,) = splits(seen(household(1e6), PICTURE, here=Here(is_full=False, wait_s=0.0, alive=1)))
    assert split.reason is not None
    assert ", the delay for others included; a split has to be" in split.reason.sentence


def test_a_split_that_saves_a_tenth_of_the_cost_is_allowed_though_it_is_not_sooner() -> None:
    thirsty = replace(MAINS, battery_joules=4000.0, active_watts=1.0, macs_per_s=1e9, radio_joules_per_byte=1e-6)
    own, there = (replace(hosted, macs=100_000_000) for hosted in (SLOW, MODEL))
    view = mesh(member("band", own, power=thirsty), member("kitchen", there), bps=1e9)
    told = seen(view, PICTURE)
    band, kitchen = (candidate.prediction for candidate in told.candidates if not candidate.legs)
    (split,) = splits(told)
    assert split.allowed
    assert split.prediction.total_s > LEAST_GAIN * kitchen.total_s
    assert split.prediction.cost * LEAST_GAIN < min(band.cost, kitchen.cost)


def test_only_the_very_same_artifact_in_as_many_stages_is_split() -> None:
    other = replace(MODEL, artifact="other")
    coarser = replace(MODEL, stages=MODEL.stages[:3])
    for there in (other, coarser):
        assert splits(seen(household(4e7, there=there), PICTURE)) == []


def test_what_waits_at_the_peer_is_worked_off_while_the_head_runs() -> None:
    view = household(4e7)
    view.link_to(node_id("kitchen")).outstanding = 8  # 20 ms of tails, 25 ms of head.
    (split,) = splits(seen(view, PICTURE))
    assert split.prediction.queue_s == 0.0


def test_a_chain_goes_over_a_link_that_only_its_middle_knows() -> None:
    own, middle = slower(MODEL, 40), slower(MODEL, 4)
    nodes = (member("band", own), member("phone", middle), member("hub", MODEL))
    bps = {"phone": 3e7, "hub": 2e6}
    alone = seen(mesh(*nodes, bps=bps), PICTURE)
    assert all(len(split.legs) == 2 for split in splits(alone))

    told = seen(mesh(*nodes, bps=bps, told={("phone", "hub"): 1e9}), PICTURE)
    chosen = best(told)
    assert [(leg.node, leg.first, leg.last) for leg in chosen.legs] == [
        ("band", 0, 1),
        ("phone", 1, 2),
        ("hub", 2, 4),
    ]


def test_the_asker_can_name_a_split_that_does_not_pay() -> None:
    asked = replace(PICTURE, plan="band 0-1, kitchen 1-4")
    assert masks(seen(household(2e6), asked)) == {
        "band": Mask.NOT_THE_PLAN,
        "kitchen": Mask.NOT_THE_PLAN,
        "band 0-1, kitchen 1-4": None,
    }


def test_the_asker_can_name_a_node() -> None:
    asked = seen(household(4e7), replace(PICTURE, plan="kitchen"))
    assert masks(asked) == {"band": Mask.NOT_THE_PLAN, "kitchen": None}


@pytest.mark.parametrize("plan", ["attic", "band 0-1, attic 1-4", "band 0-4, kitchen 4-4", "band 0-1,kitchen 1-4", " "])
def test_a_plan_that_nobody_can_follow_masks_everything(plan: str) -> None:
    asked = seen(household(4e7), replace(PICTURE, plan=plan))
    assert set(masks(asked).values()) == {Mask.NOT_THE_PLAN}


def test_an_input_that_stays_is_offloaded_as_activations_alone_and_then_no_gain_is_asked_for() -> None:
    kept = closed(replace(SLOW, raw_input_may_leave=False), 1)
    there = closed(replace(MODEL, raw_input_may_leave=False), 1)
    told = masks(seen(household(2e6, own=kept, there=there), PICTURE))
    assert told == {"band": None, "kitchen": Mask.PRIVACY, "band 0-3, kitchen 3-4": None}


@pytest.mark.parametrize("privacy", list(Privacy))
def test_activations_of_an_input_that_stays_never_reach_an_upstream(privacy: Privacy) -> None:
    kept, there = (replace(hosted, raw_input_may_leave=False) for hosted in (SLOW, MODEL))
    view = mesh(member("band", kept), member("cloud", there, rank=UPSTREAM_TIER), bps=1e9)
    assert splits(seen(view, replace(PICTURE, privacy=privacy))) == []


def test_privacy_device_keeps_activations_too() -> None:
    assert splits(seen(household(4e7), replace(PICTURE, privacy=Privacy.DEVICE))) == []


@pytest.mark.parametrize("side", ["own", "there"])
def test_a_cut_that_either_manifest_closes_is_not_offered(side: str) -> None:
    own, there = (closed(SLOW, 1, 2), MODEL) if side == "own" else (SLOW, closed(MODEL, 1, 2))
    for priority in Priority:
        asked = replace(PICTURE, priority=priority)
        places = masks(seen(household(2e8, own=own, there=there), asked))
        assert set(places) <= {"band", "kitchen", "band 0-3, kitchen 3-4"}


def test_an_emergency_takes_the_most_accurate_also_where_it_has_to_be_split() -> None:
    rough = replace(cut_tier((0.001,), ()), artifact="rough", accuracy=0.8, stages=())
    view = mesh(member("band", SLOW, rough), member("kitchen", MODEL), bps=4e7)
    for _ in range(30):
        view.learn_compute(node_id("band"), SLOW, 0.050, 0.0)
        view.learn_compute(node_id("kitchen"), MODEL, 0.005, 0.0)
    urgent = replace(PICTURE, priority=Priority.EMERGENCY, deadline_s=0.060)
    chosen, regular = best(seen(view, urgent)), best(seen(view, replace(PICTURE, deadline_s=0.060)))
    assert chosen.place == "band 0-2, kitchen 2-4"
    assert (regular.place, regular.tier.accuracy) == ("band", 0.8)


def reached(attempt: int | None = 7) -> Reached:
    return Reached(tier=SLOW, stage=2, attempt=attempt, n_bytes=25_000)


def test_what_has_begun_can_go_on_here_or_on_peers_or_begin_again() -> None:
    view = mesh(member("band", SLOW), member("kitchen", MODEL), member("hall", MODEL), bps=4e7)
    told = seen(view, PICTURE, reached=reached(), shunned={node_id("kitchen"): "it is gone"})
    assert masks(told) == {
        "band 2-4": None,
        "hall 2-4": None,
        "band": None,
        "kitchen": Mask.SHUNNED,
        "hall": None,
    }
    here, there = told.candidates[:2]
    assert (here.here, there.here, there.node_id) == (True, False, node_id("hall"))
    assert here.prediction.total_s == pytest.approx(0.025)
    assert there.prediction.total_s == pytest.approx(RTT_S + 25_000 * 8 / 4e7 + 0.0025)


def test_the_rest_of_a_plan_from_elsewhere_never_begins_again() -> None:
    rest = Partial(artifact=MODEL.artifact, legs=(Leg(node_id=node_id("band"), node="band", first=2, last=4),))
    partial = replace(PICTURE, input_bytes=25_000, via=(node_id("watch"),), partial=rest)
    told = seen(household(4e7), partial, reached=reached(attempt=None))
    assert masks(told) == {"band 2-4": None}


def test_the_rest_does_not_travel_over_a_cut_that_is_closed() -> None:
    begun = replace(reached(), tier=closed(SLOW, 2))
    told = seen(household(4e7, own=closed(SLOW, 2)), PICTURE, reached=begun)
    assert [c.place for c in splits(told)] == ["band 2-4"]


def test_a_thousand_nodes_are_thinned_to_the_best_and_the_best_is_among_them() -> None:
    peers = [member(f"peer-{number}", slower(MODEL, 2.0 + number % 7)) for number in range(998)]
    fastest = member("fastest", MODEL)
    view = mesh(member("band", SLOW), *peers, fastest, bps=4e7)
    told = seen(view, PICTURE)
    assert len(told.candidates) < 50
    assert best(told).place == "band 0-2, fastest 2-4"
    assert "fastest" in masks(told)
    assert "band" in masks(told)


def test_of_many_peers_the_one_whose_way_was_learned_to_be_the_quickest_is_offered_though_its_parts_are_not() -> None:
    rivals = [member(f"rival-{number}", MODEL) for number in range(40)]
    view = mesh(member("band", SLOW), *rivals, member("kitchen", slower(MODEL, 1.2)), bps=4e7)
    parts_s = 0.025 + RTT_S + 25_000 * 8 / 4e7 + 1.2 * 0.0025
    taken = Taken(
        artifact=MODEL.artifact,
        cuts=(2,),
        n_bytes=PICTURE.input_bytes,
        parts_s=parts_s,
        beyond_s=0.0,
        took_s=0.7 * parts_s,
    )
    for second in range(30):
        view.learn_handling(node_id("kitchen"), taken, float(second))
    told = best(seen(view, PICTURE))
    assert told.place == "band 0-2, kitchen 2-4"
    assert told.prediction.total_s == pytest.approx(0.7 * parts_s, rel=0.01)


seconds = st.floats(1e-4, 0.1)
n_bytes = st.integers(100, 300_000)
rates = st.floats(1e5, 1e9)


@st.composite
def meshes(draw: st.DrawFn) -> tuple[MeshView, list[str], Here]:
    """A node with one to three peers that host the same stages at speeds of their own, some cuts closed."""
    n_stages = draw(st.integers(2, 4))
    crossing = [draw(n_bytes) for _ in range(n_stages - 1)]
    names = ["own", *(f"peer-{number}" for number in range(draw(st.integers(1, 3))))]

    def hosted() -> HostedTier:
        made = cut_tier([draw(seconds) for _ in range(n_stages)], crossing)
        return closed(made, *draw(st.sets(st.integers(1, n_stages - 1), max_size=1)))

    own, *peers = [member(name, hosted()) for name in names]
    told = {pair: draw(rates) for pair in permutations(names[1:], 2) if draw(st.booleans())}
    view = mesh(own, *peers, bps={peer.name: draw(rates) for peer in peers}, told=told)
    here = Here(is_full=False, wait_s=draw(st.floats(0.0, 0.2)), alive=draw(st.integers(0, 5)))
    return view, names, here


def by_hand(view: MeshView, here: Here) -> dict[str, float]:
    """The seconds that everybody waits for every split there is, by name, without any of the planner's short cuts."""
    nodes = list(view.nodes())
    n_stages = len(view.own.profile.hosted[0].stages)
    rows = [row for n_nodes in (2, 3) for row in permutations(nodes, n_nodes) if row[0] is view.own]
    found: dict[str, float] = {}
    for row in rows:
        for cuts in combinations(range(1, n_stages), len(row) - 1):
            edges = list(pairwise((0, *cuts, n_stages)))
            place = ", ".join(f"{node.profile.name} {a}-{b}" for node, (a, b) in zip(row, edges, strict=True))
            runs_s = [run_s(node, *edge) for node, edge in zip(row, edges, strict=True)]
            ways_s = [crossing_s(view, *pair, cut) for pair, cut in zip(pairwise(row), cuts, strict=True)]
            found[place] = here.wait_s + runs_s[0] * here.alive + sum(runs_s) + sum(ways_s)
    return {place: takes_s for place, takes_s in found.items() if takes_s < inf}


def run_s(node: NodeView, first: int, last: int) -> float:
    return sum(stage.compute_s for stage in node.profile.hosted[0].stages[first:last])


def crossing_s(view: MeshView, sender: NodeView, receiver: NodeView, cut: int) -> float:
    """Seconds on the link, infinity where a manifest closes the cut or nobody knows the link."""
    if not all(node.profile.hosted[0].stages[cut - 1].may_travel for node in (view.own, sender, receiver)):
        return inf
    crossing_bytes = view.own.profile.hosted[0].stages[cut - 1].out_bytes
    if sender.link is None:
        return RTT_S + crossing_bytes * view.link_to(receiver.profile.node_id).byte_s
    told = sender.links.get(receiver.profile.name)
    return told.rtt_s + crossing_bytes * told.byte_s if told is not None else inf


@given(meshes())
def test_the_best_split_of_all_is_offered_where_it_is_worth_it(made: tuple[MeshView, list[str], Here]) -> None:
    view, _, here = made
    told = seen(view, PICTURE, here)
    everything = by_hand(view, here)
    whole = min((c for c in told.candidates if not c.legs), key=lambda c: c.prediction.burden_s)
    shared_s = whole.prediction.queue_s  # Only this node has a queue, and every split waits in it.
    most_s = shared_s + (whole.prediction.burden_s - shared_s) / LEAST_GAIN
    offered = {c.place: c.prediction.burden_s for c in splits(told)}
    for place, burden_s in offered.items():
        assert burden_s == pytest.approx(everything[place]), "prediction and arithmetic by hand agree"
    soonest_s = min(everything.values(), default=inf)
    if soonest_s < most_s * (1.0 - 1e-9):
        assert min(offered.values()) == pytest.approx(soonest_s)
        assert any(c.allowed for c in splits(told))
    else:
        assert not any(c.allowed and c.prediction.burden_s < soonest_s * (1 - 1e-9) for c in splits(told))


@given(meshes())
def test_legs_follow_each_other_from_the_first_stage_to_the_last_over_open_cuts(
    made: tuple[MeshView, list[str], Here],
) -> None:
    view, _, here = made
    for split in splits(seen(view, PICTURE, here)):
        edges = [0, *(leg.last for leg in split.legs)]
        assert [leg.first for leg in split.legs] == edges[:-1]
        assert edges[-1] == len(split.tier.stages)
        assert all(before < behind for before, behind in pairwise(edges))
        assert all(split.tier.stages[leg.first - 1].may_travel for leg in split.legs[1:])
        assert len({leg.node_id for leg in split.legs}) == len(split.legs)
        assert split.legs[0].node_id == split.node_id == node_id("own")


@given(meshes(), st.sampled_from(list(Privacy)), st.booleans())
def test_nothing_that_privacy_keeps_is_ever_allowed_to_leave(
    made: tuple[MeshView, list[str], Here], privacy: Privacy, stays: bool
) -> None:
    view, _, _ = made
    if stays:
        (hosted,) = view.own.profile.hosted
        view.models_changed((replace(hosted, raw_input_may_leave=False),))
    for candidate in seen(view, replace(PICTURE, privacy=privacy, batch=4), IDLE).candidates:
        if candidate.allowed and (privacy is Privacy.DEVICE or stays):
            assert candidate.here
            assert not candidate.shares
            assert privacy is not Privacy.DEVICE or not candidate.legs
