"""Which way tensors take over a link, by the link, the peer and what encoding was seen to do."""

from __future__ import annotations

import pytest

from meshd.core.encodings import Encodings
from meshd.core.events import PeerAnswered
from meshd.core.mesh_view import MeshView
from meshd.core.node import Way
from meshd.core.request import Privacy
from tests.core.builders import HUB_TIER, answer_of, request, tier
from tests.core.parts import best, cut_tier, member, mesh, seen

JPEG = Way(codec="jpeg", ratio=0.03, seconds=0.010)
UINT8 = Way(codec="uint8", ratio=0.25, seconds=0.0005)
PICTURE = tier(HUB_TIER, ways=(JPEG, UINT8), compute_s=0.0001)
ASKED = request(input_bytes=600_000, privacy=Privacy.PUBLIC)
BOTH = ("jpeg", "uint8")


def codec_over(bps: float, ours: tuple[str, ...] = BOTH, theirs: tuple[str, ...] = BOTH) -> str:
    view = mesh(member("band", codecs=ours), member("kitchen", PICTURE, codecs=theirs), bps=bps)
    (there,) = [c for c in seen(view, ASKED).candidates if c.node == "kitchen"]
    return there.codec


@pytest.mark.parametrize(("bps", "codec"), [(2e6, "jpeg"), (2e8, "uint8"), (1e10, "raw")])
def test_the_faster_the_link_the_less_work_goes_into_encoding(bps: float, codec: str) -> None:
    assert codec_over(bps) == codec


@pytest.mark.parametrize(
    ("ours", "theirs", "codec"), [(BOTH, (), "raw"), ((), BOTH, "raw"), (BOTH, ("uint8",), "uint8")]
)
def test_only_what_both_ends_know_is_used(ours: tuple[str, ...], theirs: tuple[str, ...], codec: str) -> None:
    assert codec_over(2e6, ours, theirs) == codec


def sent(codec_s: float, sent_bytes: int, codec: str = "raw") -> PeerAnswered:
    return PeerAnswered(
        request_id=ASKED.request_id,
        attempt=1,
        node_id=member("kitchen").node_id,
        answer=answer_of(member("kitchen", PICTURE)),
        transferred_bytes=sent_bytes + 4_000,
        telemetry=None,
        sent_bytes=sent_bytes,
        codec_s=codec_s,
        codec=codec,
    )


def test_a_codec_that_does_not_shrink_these_inputs_is_given_up() -> None:
    view = mesh(member("band", codecs=BOTH), member("kitchen", PICTURE, codecs=BOTH), bps=2e6)
    link = view.link_to(member("kitchen").node_id)
    for second in range(5):
        took_s = link.rtt_s.mean + 604_000 * link.byte_s
        view.learn_exchange(sent(0.010, 600_000, "jpeg"), PICTURE, 0, "jpeg", 600_000, took_s + 0.010, float(second))
    (there,) = [c for c in seen(view, ASKED).candidates if c.node == "kitchen"]
    assert there.codec == "uint8"


def codecs_after_misfits(n: int) -> str:
    """Return how an input would be sent after so many that went raw, for they had no form in the codec."""
    view = mesh(member("band", codecs=BOTH), member("kitchen", PICTURE, codecs=BOTH), bps=2e6)
    link = view.link_to(member("kitchen").node_id)
    for second in range(n):
        took_s = link.rtt_s.mean + 604_000 * link.byte_s
        view.learn_exchange(sent(0.010, 600_000), PICTURE, 0, "jpeg", 600_000, took_s + 0.010, float(second))
    (there,) = [c for c in seen(view, ASKED).candidates if c.node == "kitchen"]
    return there.codec


def test_one_input_that_had_no_form_in_a_codec_says_nothing_of_the_next_and_many_in_a_row_do() -> None:
    assert [codecs_after_misfits(n) for n in (1, 3, 6)] == ["jpeg", "jpeg", "uint8"]


def test_a_codec_that_was_given_up_is_tried_again_after_a_few_minutes_and_one_that_does_well_is_kept() -> None:
    encodings = Encodings()
    for second in range(20):
        encodings.learn_misfit(PICTURE, 0, "jpeg", float(second))
        encodings.learn(PICTURE, 0, "uint8", ratio=0.5, encoding_s=0.0, now=float(second))
    ratios, versions = [], set()
    for now in (20.0, 200.0, 400.0):
        encodings.forget(now)
        ratios.append([encodings.ratio(PICTURE, 0, way) for way in (JPEG, UINT8)])
        versions.add(encodings.version)
    assert ratios == [[1.0, 0.5], [1.0, 0.5], [JPEG.ratio, 0.5]]
    assert len(versions) == 2


def test_a_view_lets_go_of_it_with_all_that_it_forgets() -> None:
    view = mesh(member("band", codecs=BOTH), member("kitchen", PICTURE, codecs=BOTH), bps=2e6)
    for second in range(5):
        view.encodings.learn_misfit(PICTURE, 0, "jpeg", float(second))
    view.forget(400.0)
    assert view.encodings.ratio(PICTURE, 0, JPEG) == JPEG.ratio


def test_the_answers_bytes_are_predicted_with_the_inputs() -> None:
    view = mesh(member("band"), member("kitchen", PICTURE), bps=2e6)
    link = view.link_to(member("kitchen").node_id)
    before_s = best_transfer_s(view)
    view.learn_exchange(sent(0.0, 600_000), PICTURE, 0, "raw", 600_000, link.transfer_s(604_000), 0.0)
    assert best_transfer_s(view) == pytest.approx(before_s + 4_000 * 8 / 2e6, rel=1e-3)


def best_transfer_s(view: MeshView) -> float:
    (there,) = [c for c in seen(view, ASKED).candidates if c.node == "kitchen"]
    return there.prediction.transfer_s


def test_what_crosses_a_cut_has_ways_of_its_own() -> None:
    ways = (Way(codec="int8", ratio=0.26, seconds=0.0001),)
    model = cut_tier((0.010, 0.001), (100_000,), ways)
    slow_head = cut_tier((0.010, 0.100), (100_000,), ways)
    view = mesh(member("band", slow_head, codecs=("int8",)), member("kitchen", model, codecs=("int8",)), bps=2e7)
    chosen = best(seen(view, request(input_bytes=600_000)))
    assert [(leg.node, leg.codec) for leg in chosen.legs] == [("band", "raw"), ("kitchen", "int8")]
    assert chosen.legs[1].transfer_s == pytest.approx(0.001 + 26_000 * 8 / 2e7 + 0.0001)
