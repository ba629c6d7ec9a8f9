"""What requests teach about kinds of ways: slowly, within bounds, and not for ever."""

from __future__ import annotations

import random

import msgspec
import pytest

from meshd.core.node import DeviceClass
from meshd.policy.experience import MOST, Experience, Kept, Kind, Tally, Way
from tests.core.parts import node_id

KITCHEN = Way(node_id=node_id("kitchen"), tier=DeviceClass.HUB, kind=Kind.WHOLE)
BAND = Way(node_id=node_id("band"), tier=DeviceClass.WATCH, kind=Kind.WHOLE)


def taught(*shares: float, now: float = 0.0) -> Tally:
    tally = Tally(way=KITCHEN)
    for share in shares:
        tally = tally.learned(share, now)
    return tally


def test_fewer_than_eight_requests_correct_nothing() -> None:
    assert [taught(*[2.0] * n).correction(0.0) > 0.0 for n in (7, 20)] == [False, True]


def test_a_way_that_costs_twice_what_was_predicted_comes_to_look_dearer_up_to_the_bound() -> None:
    corrections = [taught(*[1.0] * n).correction(0.0) for n in (15, 30, 60)]
    assert corrections == sorted(corrections)
    assert (corrections[0] > 0.0, corrections[-1]) == (True, MOST)


def test_no_way_ever_looks_cheaper() -> None:
    assert taught(*[-0.9] * 60).correction(0.0) == 0.0


def test_what_scatters_around_its_prediction_is_hardly_ever_corrected() -> None:
    chance = random.Random(3)
    tally, n_corrected = Tally(way=KITCHEN), 0
    for _ in range(5_000):
        tally = tally.learned(chance.gauss(0.0, 0.5), 0.0)
        n_corrected += tally.correction(0.0) > 0.0
    assert n_corrected < 50


@pytest.mark.parametrize("outlier", [10.0, 1e4])
def test_one_request_that_met_a_pause_corrects_nothing(outlier: float) -> None:
    assert taught(*[0.0] * 20, outlier).correction(0.0) == 0.0


def test_what_was_learned_fades_until_the_way_is_tried_again() -> None:
    known = taught(*[1.0] * 60)
    assert [known.correction(hours * 3_600.0) > 0.0 for hours in (0.0, 1.0, 3.0)] == [True, True, False]


def test_a_way_that_is_as_predicted_again_is_corrected_no_more() -> None:
    known = taught(*[1.0] * 60, *[0.0] * 120)
    assert known.correction(0.0) == 0.0


def experienced(policy: str = "p") -> Experience:
    made = Experience(policy)
    for _ in range(40):
        made.learn(KITCHEN, 1.0, 5.0)
        made.learn(BAND, 0.0, 5.0)
    return made


def test_only_ways_that_are_corrected_are_told_of_and_none_once_all_is_forgotten() -> None:
    made = experienced()
    assert made.corrections(5.0) == {KITCHEN: MOST}
    made.forget()
    assert made.corrections(5.0) == {}


def test_what_all_ways_cost_beyond_their_predictions_corrects_none() -> None:
    made = Experience("p")
    for _ in range(40):
        made.learn(KITCHEN, 1.0, 5.0)
        made.learn(BAND, 1.0, 5.0)
    assert made.corrections(5.0) == {}


@pytest.mark.parametrize("share", [10.0, 1e5])
def test_one_way_that_is_off_by_any_factor_hides_no_other_that_costs_more_than_usual(share: float) -> None:
    made, off = experienced(), Way(node_id=node_id("shed"), tier=DeviceClass.PHONE, kind=Kind.STAGES)
    for _ in range(40):
        made.learn(off, share, 5.0)
    assert made.corrections(5.0) == {KITCHEN: MOST, off: MOST}


def test_of_two_ways_the_one_that_was_gone_most_is_held_against_the_other() -> None:
    made = Experience("p")
    for number in range(40):
        made.learn(KITCHEN, 1.0, 5.0)
        if number % 4 == 0:
            made.learn(BAND, 0.0, 5.0)
    assert made.corrections(5.0) == {KITCHEN: MOST}


def test_corrections_that_have_faded_are_left_out() -> None:
    assert experienced().corrections(5.0 + 4 * 3_600.0) == {}


def test_what_is_kept_comes_back_under_the_same_policy_alone() -> None:
    kept = msgspec.json.decode(msgspec.json.encode(experienced().kept()), type=Kept)
    same, other = Experience("p"), Experience("q")
    assert (same.remember(kept, 1e6), other.remember(kept, 1e6)) == (True, False)
    assert (same.corrections(1e6), other.corrections(1e6)) == ({KITCHEN: MOST}, {})


def test_it_is_bounded_and_what_taught_longest_ago_goes_first() -> None:
    made = Experience("p")
    for number in range(300):
        made.learn(Way(node_id=node_id(f"n{number}"), tier=DeviceClass.HUB, kind=Kind.WHOLE), 0.0, float(number))
    kept = made.kept().tallies
    assert (len(kept), kept[0].way.node_id) == (256, node_id("n44"))


@pytest.mark.parametrize(
    "broken", [{"mean": 1e300}, {"lessons": -1.0}, {"lessons": 1e9}, {"variance": -1.0}, {"way": {"kind": "magic"}}]
)
def test_figures_that_nobody_can_have_learned_are_no_experience(broken: dict[str, object]) -> None:
    told = msgspec.json.decode(msgspec.json.encode(experienced().kept()))
    told["tallies"][0] |= broken
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(told, Kept)
