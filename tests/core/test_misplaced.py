"""An asker who names a place that nothing can run at is told what is wrong with it, and what there is instead."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.mesh_view import MeshView
from meshd.core.misplaced import places, possible_places, why_misplaced
from meshd.core.request import Privacy
from tests.core.builders import request
from tests.core.parts import cut_tier, member, mesh, seen

MODEL = cut_tier((0.0016, 0.0009, 0.0005), (75_000, 25_000))
ASKED = request(input_bytes=600_000, deadline_s=60.0)


def household() -> MeshView:
    return mesh(member("band", MODEL), member("kitchen", MODEL), bps=4e7)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("kitchn", "'kitchn' is no node that hosts it; did you mean 'kitchen'?"),
        ("attic", "'attic' is no node that hosts it"),
        ("kitchen, sent as uint8", "'sent as uint8' is no node that hosts it"),
        ("band 0-1, kitchen 2-3", "one part ends before stage 1 and the next begins with stage 2"),
        ("band 0-2, kitchen 2-9", "its stages are 0-3, and the parts have to make up all of them"),
        ("kitchen 0-1, band 1-3", "the first stages run where it is asked for, on 'band'"),
        ("band 0-1, kitchen", "each of its nodes needs stages, as in 'band 0-2'"),
        ("band x2, kitchen x2", "its items add up to 4, and the batch has 1"),
    ],
)
def test_what_is_wrong_with_a_place_is_said(place: str, why: str) -> None:
    observation = seen(household(), replace(ASKED, plan=place))
    assert not observation.offers_any
    told = f"there is no way to run it as '{place}' now: {why}"
    assert why_misplaced(place, observation.candidates, 1) == told


def test_a_place_that_a_rule_forbids_is_told_with_the_rule() -> None:
    observation = seen(household(), replace(ASKED, plan="kitchen", privacy=Privacy.DEVICE))
    (sentence,) = [c.reason.sentence for c in observation.candidates if c.node == "kitchen" and c.reason]
    assert why_misplaced("kitchen", observation.candidates, 1).endswith(f"hub tier on kitchen: {sentence}")
    assert possible_places(observation.candidates) == "'band'"


def test_splits_are_among_the_places_to_name_instead() -> None:
    observation = seen(household(), replace(ASKED, plan="attic"))
    assert possible_places(observation.candidates) == (
        "'band', 'kitchen', 'band 0-1, kitchen 1-3', 'band 0-2, kitchen 2-3'"
    )


def test_where_the_input_stays_what_crosses_may_still_be_sent() -> None:
    kept = replace(MODEL, raw_input_may_leave=False)
    observation = seen(mesh(member("band", kept), member("kitchen", kept), bps=4e7), replace(ASKED, plan="attic"))
    assert possible_places(observation.candidates) == "'band', 'band 0-1, kitchen 1-3', 'band 0-2, kitchen 2-3'"


def test_a_refusal_names_a_few_places_and_counts_the_rest() -> None:
    peers = [member(f"hub{number}", MODEL) for number in range(4)]
    observation = seen(mesh(member("band", MODEL), *peers, bps=4e7), replace(ASKED, plan="attic"))
    assert len(places(observation.candidates)) == 5 + 4 * 2
    assert possible_places(observation.candidates).endswith("'band 0-2, hub0 2-3', 'band 0-1, hub1 1-3' and 5 more")


def test_every_place_that_is_named_can_be_run_at() -> None:
    named = places(seen(household(), ASKED).candidates)
    assert named == ["band", "kitchen", "band 0-1, kitchen 1-3", "band 0-2, kitchen 2-3"]
    for place in named:
        assert seen(household(), replace(ASKED, plan=place)).offers_any
