"""Who forbids codecs that lose anything gets every bit, and is told what that costs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.answer import Answer
from meshd.core.candidate import Mask, Observation
from meshd.core.commands import Dispatch, Finish, RunStage
from meshd.core.encodings import is_lossy
from meshd.core.ids import ModelName, NodeId
from meshd.core.node import Way
from meshd.core.plan import Leg, Partial
from tests.core.builders import answered, arrived, finished, request, scheduler, step
from tests.core.parts import cut_tier, member, mesh, seen, slower

HALF = Way(codec="fp16", ratio=0.25)
GRID = Way(codec="uint8", ratio=0.5, exact=True)
CODECS = ("fp16", "uint8")
MODEL = replace(cut_tier((0.001, 0.001), (100_000,), (HALF, GRID)), ways=(HALF, GRID))
PICTURE = request(input_bytes=400_000, deadline_s=60.0)


def told(*, lossless: bool, ways: tuple[Way, ...] = (HALF, GRID)) -> Observation:
    hosted = replace(MODEL, ways=ways, stages=(replace(MODEL.stages[0], ways=ways), MODEL.stages[1]))
    view = mesh(member("band", slower(hosted, 50), codecs=CODECS), member("kitchen", hosted, codecs=CODECS), bps=4e7)
    return seen(view, replace(PICTURE, lossless=lossless))


def codecs(observation: Observation) -> dict[str, list[tuple[str, Mask | None]]]:
    """The codec of what travels to the kitchen and the mask, by place."""
    found: dict[str, list[tuple[str, Mask | None]]] = {}
    for c in observation.candidates:
        if not c.here or c.legs:
            codec = c.legs[-1].codec if c.legs else c.codec
            found.setdefault(c.place, []).append((codec, c.reason.mask if c.reason else None))
    return found


def test_without_the_wish_what_is_soonest_is_taken_whatever_it_loses() -> None:
    assert codecs(told(lossless=False))["kitchen"] == [("fp16", None)]


def test_with_it_everything_travels_in_ways_that_lose_nothing_and_the_others_say_why_they_are_forbidden() -> None:
    observation = told(lossless=True)
    assert codecs(observation)["kitchen"] == [("uint8", None), ("fp16", Mask.LOSSY)]
    assert all(codec == "uint8" for place, ways in codecs(observation).items() for codec, _ in ways if "-" in place)
    [masked] = [c for c in observation.candidates if c.reason and c.reason.mask is Mask.LOSSY]
    assert masked.reason is not None
    assert masked.reason.sentence == "fp16 loses something, and the asker wants every bit as it is"


def test_where_every_codec_loses_something_it_travels_raw() -> None:
    assert codecs(told(lossless=True, ways=(HALF,)))["kitchen"] == [("raw", None), ("fp16", Mask.LOSSY)]


def test_where_nothing_is_lost_anyway_nothing_is_forbidden() -> None:
    assert codecs(told(lossless=True, ways=(GRID,)))["kitchen"] == [("uint8", None)]


def test_models_that_share_an_artifact_travel_by_the_codecs_that_each_of_them_lists() -> None:
    """What one of them may lose, or has no way to lose, says nothing of the other."""
    ways = {"scans": (GRID,), "pictures": (replace(GRID, exact=False),), "plain": ()}
    models = [
        replace(MODEL, model=name, ways=listed, stages=(replace(MODEL.stages[0], ways=listed), MODEL.stages[1]))
        for name, listed in ways.items()
    ]
    view = mesh(
        member("band", *(slower(hosted, 50) for hosted in models), codecs=CODECS),
        member("kitchen", *models, codecs=CODECS),
        bps=4e7,
    )
    found = {name: codecs(seen(view, replace(PICTURE, model=ModelName(name), lossless=True))) for name in ways}
    travels = {name: [told for place in sorted(by) for told in by[place]] for name, by in found.items()}
    assert {name: {codec for codec, mask in told if mask is None} for name, told in travels.items()} == {
        "scans": {"uint8"},
        "pictures": {"raw"},
        "plain": {"raw"},
    }


@pytest.mark.parametrize(("codec", "lossy"), [("raw", False), ("uint8", False), ("fp16", True), ("unheard-of", True)])
def test_a_codec_of_which_nobody_says_that_it_keeps_every_bit_may_lose_some(codec: str, *, lossy: bool) -> None:
    assert is_lossy(codec, (HALF, GRID)) is lossy


CHAIN = cut_tier((0.001, 0.001, 0.001), (2_000, 2_000), (HALF,))
KITCHEN, CELLAR = member("kitchen", CHAIN, codecs=CODECS), member("cellar", CHAIN, codecs=CODECS)


@pytest.mark.parametrize("lossless", [False, True])
def test_the_rest_of_a_plan_does_not_go_on_in_a_codec_that_the_asker_forbade(*, lossless: bool) -> None:
    """Whoever made the plan may be of a release that knows no such wish."""
    legs = (
        Leg(node_id=KITCHEN.node_id, node="kitchen", first=1, last=2),
        Leg(node_id=CELLAR.node_id, node="cellar", first=2, last=3, codec="fp16"),
    )
    made = scheduler(KITCHEN, CELLAR)
    rest = Partial(artifact=CHAIN.artifact, legs=legs)
    step(
        made, arrived(partial=rest, via=(NodeId("band"),), start_tier=CHAIN.tier, input_bytes=2_000, lossless=lossless)
    )
    [told] = step(made, finished(1, None, out_bytes=2_000))
    if lossless:
        assert not isinstance(told, Dispatch)
    else:
        assert isinstance(told, Dispatch)
        assert told.codec == "fp16"


def test_an_answer_tells_in_which_codec_its_input_came_and_what_was_really_sent() -> None:
    """Bytes on the radio cost a joule each here; 50,000 were foretold, and 30,000 were sent."""
    radio = replace(member("band").power, radio_joules_per_byte=1.0)
    band = member("band", slower(MODEL, 1_000), codecs=CODECS, power=radio)
    kitchen = member("kitchen", MODEL, codecs=CODECS)

    def joules(sent_bytes: int) -> tuple[float, str]:
        made = scheduler(band, kitchen)
        step(made, arrived(input_bytes=200_000, deadline_s=60.0, plan="kitchen"))
        reply = replace(answered(1, kitchen), sent_bytes=sent_bytes, codec="fp16")
        [finish] = step(made, reply, 1.0)
        assert isinstance(finish, Finish)
        assert isinstance(finish.outcome, Answer)
        return finish.outcome.energy.joules, finish.outcome.route[0].codec

    foretold, really = joules(50_000), joules(30_000)
    assert really[1] == "fp16"
    assert foretold[0] - really[0] == pytest.approx(20_000.0)


def test_receiving_an_input_costs_what_came_over_the_link() -> None:
    radio = replace(member("kitchen").power, radio_joules_per_byte=1.0)

    def joules(link_bytes: int) -> float:
        made = scheduler(member("kitchen", MODEL, power=radio))
        told = step(made, arrived(input_bytes=200_000, link_bytes=link_bytes, via=(NodeId("band"),)))
        assert isinstance(told[0], RunStage)
        [finish] = step(made, finished(1, None))
        assert isinstance(finish, Finish)
        assert isinstance(finish.outcome, Answer)
        return finish.outcome.energy.joules

    assert joules(0) - joules(50_000) == pytest.approx(150_000.0)
