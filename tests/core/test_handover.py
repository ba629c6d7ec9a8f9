"""What a receiver looks at before it goes on with a plan that began elsewhere."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd import errors
from meshd.core.answer import Failure
from meshd.core.handover import tier_of, why_not_continue
from meshd.core.ids import ArtifactHash
from meshd.core.node import NodeProfile
from meshd.core.plan import Leg, Partial
from meshd.core.request import Privacy
from tests.core.builders import UPSTREAM_TIER, request
from tests.core.parts import ARTIFACT, closed, cut_tier, member, node_id

MODEL = cut_tier((0.001, 0.001, 0.001, 0.001), (100, 100, 100))
OWN = member("kitchen", MODEL)


def leg(name: str, first: int, last: int) -> Leg:
    return Leg(node_id=node_id(name), node=name, first=first, last=last)


def partial(*legs: Leg, artifact: ArtifactHash = ARTIFACT) -> Partial:
    return Partial(artifact=artifact, legs=legs)


def refusal(
    rest: Partial, own: NodeProfile = OWN, *, privacy: Privacy = Privacy.HOUSEHOLD, keeps_input: bool = False
) -> Failure | None:
    asked = request(partial=rest, start_tier=MODEL.tier, privacy=privacy)
    return why_not_continue(asked, rest, own, keeps_input=keeps_input)


def code(rest: Partial, own: NodeProfile = OWN) -> str:
    refused = refusal(rest, own)
    assert refused is not None
    return refused.code


@pytest.mark.parametrize(
    "rest",
    [
        partial(leg("kitchen", 1, 4)),
        partial(leg("kitchen", 3, 4)),
        partial(leg("kitchen", 1, 2), leg("hall", 2, 4)),
        partial(leg("kitchen", 1, 2), leg("hall", 2, 3), leg("attic", 3, 4)),
    ],
)
def test_a_sensible_rest_is_taken(rest: Partial) -> None:
    assert refusal(rest) is None
    assert tier_of(request(start_tier=MODEL.tier), rest, OWN) == MODEL


def test_a_plan_for_a_weaker_tier_than_the_request_asks_for_is_refused() -> None:
    rest = partial(leg("kitchen", 1, 4))
    asked = request(partial=rest, start_tier=MODEL.tier, min_tier=UPSTREAM_TIER)
    refused = why_not_continue(asked, rest, OWN, keeps_input=False)
    assert refused is not None
    assert refused.code == errors.StageMismatch.code
    assert why_not_continue(replace(asked, min_tier=MODEL.tier), rest, OWN, keeps_input=False) is None


@pytest.mark.parametrize(
    "rest",
    [
        partial(leg("kitchen", 1, 4), artifact=ArtifactHash("other")),
        partial(leg("hall", 1, 4)),
        partial(leg("kitchen", 0, 4)),
        partial(leg("kitchen", 1, 3)),
        partial(leg("kitchen", 1, 5)),
        partial(leg("kitchen", 2, 2), leg("hall", 2, 4)),
        partial(leg("kitchen", 3, 1), leg("hall", 1, 4)),
        partial(leg("kitchen", 1, 2), leg("hall", 3, 4)),
        partial(leg("kitchen", 1, 3), leg("hall", 2, 4)),
        partial(leg("kitchen", 1, 2), leg("kitchen", 2, 4)),
        partial(leg("kitchen", 1, 2), leg("hall", 2, 3), leg("kitchen", 3, 4)),
    ],
    ids=[
        "another artifact",
        "meant for another node",
        "the input itself",
        "does not reach the end",
        "more stages than there are",
        "an empty leg",
        "a leg backwards",
        "a gap",
        "an overlap",
        "the same node twice in a row",
        "back to a node",
    ],
)
def test_a_rest_that_does_not_fit_what_is_hosted_here_is_a_mismatch(rest: Partial) -> None:
    assert code(rest) == errors.StageMismatch.code


def test_a_variant_that_is_hosted_here_in_one_piece_is_a_mismatch() -> None:
    assert code(partial(leg("kitchen", 1, 4)), member("kitchen", replace(MODEL, stages=()))) == "stage_mismatch"


@pytest.mark.parametrize("rest", [partial(leg("kitchen", 2, 4)), partial(leg("kitchen", 1, 2), leg("hall", 2, 4))])
def test_a_cut_that_the_manifest_here_closes_is_refused_wherever_it_lies_in_the_rest(rest: Partial) -> None:
    assert code(rest, member("kitchen", closed(MODEL, 2))) == errors.RefusedByPrivacy.code


@pytest.mark.parametrize(
    ("privacy", "keeps_input", "refused"),
    [
        (Privacy.PUBLIC, False, False),
        (Privacy.PUBLIC, True, True),
        (Privacy.HOUSEHOLD, False, True),
        (Privacy.DEVICE, False, True),
    ],
)
def test_an_upstream_takes_only_activations_of_what_is_public_and_may_leave(
    privacy: Privacy, keeps_input: bool, refused: bool
) -> None:
    cloud = member("kitchen", MODEL, rank=UPSTREAM_TIER)
    told = refusal(partial(leg("kitchen", 1, 4)), cloud, privacy=privacy, keeps_input=keeps_input)
    assert (told is not None) is refused
