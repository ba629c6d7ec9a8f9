"""What stands in for models that no daemon has."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from model_registry import codec
from policies.mesh.question import HOUSEHOLD, MODEL
from policies.mesh.replayed import cast_of
from policies.mesh.stand_in import StandIn, hosts_of, stand_ins_of
from policies.scenario import draw
from policies.scenario.model_catalogue import catalogue
from tests.policies.mesh.meshes import HUB, PHONE, WATCH
from tests.policies.mesh.pictures import PICTURE_BYTES, picture

SCENARIO = draw("home", 3)
CAST = cast_of(SCENARIO)


def test_a_stand_in_is_to_a_policy_what_its_model_is_in_the_scenario() -> None:
    found = {one.model: one for one in stand_ins_of(SCENARIO, CAST)}
    assert found.keys() == {model.name for model in SCENARIO.models} - {MODEL}
    for name, node in CAST.items():
        for hosting in node.hosted:
            said = hosting.announced
            if said.model != MODEL:
                one = found[said.model]
                assert one.seconds[name] == hosting.compute_s
                assert (one.tier, one.macs, one.accuracy) == (said.tier, said.macs, said.accuracy)
                assert (one.input_bytes, one.max_items) == (said.input_bytes, said.max_items)


def test_every_model_that_is_stood_in_for_has_one_tier() -> None:
    assert {name for name, model in catalogue().items() if len(model.tiers) > 1} == {MODEL}


def test_each_node_hosts_what_it_hosts_in_the_scenario() -> None:
    hosts = hosts_of(stand_ins_of(SCENARIO, CAST))
    assert {name: set(hosts[name]) for name in HOUSEHOLD} == {
        WATCH: {"ecg-anomaly", "scene:phone"},
        PHONE: {"ecg-anomaly", "scene:phone", "memo:phone", "picture:hub"},
        HUB: {"ecg-anomaly", "scene:phone", "memo:phone", "picture:hub"},
    }


def test_what_nobody_of_the_three_hosts_has_no_stand_in() -> None:
    bare = {name: replace(node, hosted=()) for name, node in CAST.items()}
    assert stand_ins_of(SCENARIO, bare) == ()


@pytest.mark.parametrize("stand_in", stand_ins_of(SCENARIO, CAST), ids=lambda one: one.model)
def test_an_item_has_about_the_bytes_of_the_model_raw_and_on_a_link(stand_in: StandIn) -> None:
    said = next(one.announced for node in CAST.values() for one in node.hosted if one.announced.model == stand_in.model)
    assert stand_in.item.nbytes == said.input_bytes
    assert {way.codec for way in said.ways} >= stand_in.ratios.keys()
    for way in said.ways:
        if way.codec in codec.available():
            assert stand_in.ratios[way.codec] == pytest.approx(way.ratio, rel=0.1)


def test_an_item_is_the_same_whenever_it_is_asked_for() -> None:
    assert (picture().item == picture().item).all()
    assert picture().item.shape == (1, 100, 100, 3)
    assert picture().item.nbytes == PICTURE_BYTES
