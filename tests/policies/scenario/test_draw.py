"""Worlds: what a family and a seed make, and what the splits keep apart."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from meshd.core.cascade import escalates
from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from model_registry.device_class import device_class
from policies.scenario import Happening, Kind, Scenario, Split, draw, family, family_names
from policies.scenario.device import devices_of

SMALL = [name for name in family_names() if name != "sixty_four_nodes"]


def drawn(name: str, seeds: int = 3) -> list[Scenario]:
    return [draw(name, seed) for seed in range(seeds)]


@pytest.mark.parametrize("name", ["home", "household"])
def test_a_family_and_a_seed_make_one_world_and_another_seed_another(name: str) -> None:
    assert draw(name, 5) == draw(name, 5)
    assert draw(name, 5).arrivals != draw(name, 6).arrivals


def test_what_is_drawn_for_one_thing_does_not_depend_on_what_else_there_is() -> None:
    home = family("home")
    more = replace(home, streams=(*home.streams, replace(home.streams[0], node="hub")))
    with_more, without = draw(more, 2), draw(home, 2)
    assert with_more.nodes == without.nodes
    assert with_more.links == without.links
    hub = next(node.node_id for node in without.nodes if node.profile.name == "hub")
    kept = [(one.at_s, one.node_id, one.truth) for one in with_more.arrivals if one.node_id != hub]
    assert kept == [(one.at_s, one.node_id, one.truth) for one in without.arrivals if one.node_id != hub]


@pytest.mark.parametrize("name", SMALL)
def test_requests_come_in_order_within_the_horizon_to_nodes_that_there_are(name: str) -> None:
    for world in drawn(name):
        nodes = {node.node_id for node in world.nodes}
        assert [one.request.request_id for one in world.arrivals] == [str(n) for n in range(len(world.arrivals))]
        assert all(before.at_s <= after.at_s for before, after in pairwise(world.arrivals))
        assert all(0.0 <= one.at_s < world.horizon_s and one.node_id in nodes for one in world.arrivals)
        for one in world.arrivals:
            assert one.request.input_bytes == world.model(one.request.model).input_bytes * one.request.batch


@pytest.mark.parametrize("name", SMALL)
def test_whoever_can_send_can_also_receive(name: str) -> None:
    for world in drawn(name):
        pairs = [(link.sender, link.receiver) for link in world.links]
        assert len(set(pairs)) == len(pairs)
        assert {(b, a) for a, b in pairs} == set(pairs)


def test_devices_of_one_split_are_in_no_other() -> None:
    names = [one.name for split in Split for kind in DeviceClass for one in devices_of(kind, split)]
    speeds = {split: {one.int8_ms for kind in DeviceClass for one in devices_of(kind, split)} for split in Split}
    assert len(set(names)) == len(names)
    assert sum(map(len, speeds.values())) == len(set.union(*speeds.values()))
    for world in (draw(name, seed) for name in SMALL for seed in range(2)):
        assert {round(569e6 / node.power.macs_per_s * 1e3, 6) for node in world.nodes} <= speeds[world.split]


def test_a_training_family_drawn_as_test_has_other_devices_and_other_luck() -> None:
    trained, tested = draw("home", 1), draw("home", 1, split=Split.TEST)
    assert {node.power.macs_per_s for node in trained.nodes}.isdisjoint(node.power.macs_per_s for node in tested.nodes)
    assert {node.node_id for node in trained.nodes}.isdisjoint(node.node_id for node in tested.nodes)
    assert trained.luck != tested.luck


def test_energy_per_byte_is_swept_over_the_published_range() -> None:
    joules = sorted(draw("home", seed).radio_joules_per_byte for seed in range(40))
    low, high = device_class("watch").radio_joules_per_byte_range
    assert low <= joules[0] < 2.0 * low
    assert high / 2.0 < joules[-1] <= high


@pytest.mark.parametrize("name", SMALL)
def test_some_models_do_not_fit_into_memory_with_the_others_but_each_does_alone(name: str) -> None:
    crowded = 0
    for world in drawn(name):
        for node in world.nodes:
            sizes = {one.announced.artifact: one.memory_bytes for one in node.hosted}
            assert max(sizes.values(), default=0) <= node.memory_bytes
            assert sum(sizes[artifact] for artifact in node.warm) <= node.memory_bytes
            crowded += node.memory_bytes < sum(sizes.values())
    assert crowded >= 2


@pytest.mark.parametrize("name", SMALL)
def test_what_a_node_announces_is_near_the_truth_and_not_the_truth(name: str) -> None:
    for node in draw(name, 0).nodes:
        assert tuple(one.announced for one in node.hosted) == node.profile.hosted
        for one in node.hosted:
            assert one.announced.compute_s != one.compute_s
            assert one.announced.compute_s == pytest.approx(one.compute_s, rel=0.5)
            assert len(one.stages_s) == len(one.announced.stages)
            if one.stages_s:
                assert one.compute_s <= sum(one.stages_s) <= 1.05 * one.compute_s


@pytest.mark.parametrize("name", SMALL)
def test_a_battery_is_on_a_charger_from_when_it_is_needed_no_longer(name: str) -> None:
    for world in drawn(name):
        for node in world.nodes:
            battery, mine = node.battery, happenings_of(world, node.node_id)
            assert (battery is None) == (node.power.battery_joules is None)
            if battery is not None:
                charger = [(one.at_s, one.kind) for one in mine if one.kind in {Kind.CHARGES, Kind.DISCHARGES}]
                assert charger[-1] == (battery.needed_until_s, Kind.CHARGES)
                assert 0.0 < battery.fraction <= 1.0


@pytest.mark.parametrize("name", SMALL)
def test_what_befalls_a_node_ends_and_nobody_is_struck_while_away(name: str) -> None:
    ends = {Kind.LEAVES: Kind.JOINS, Kind.DIES: Kind.JOINS, Kind.STALLS: Kind.RESUMES}
    for world in drawn(name, 6):
        for node in world.nodes:
            moves = {*ends, *ends.values()}
            mine = [one.kind for one in happenings_of(world, node.node_id) if one.kind in moves]
            if not node.is_present:
                assert mine.pop(0) is Kind.JOINS
            assert mine[1::2] == [ends[kind] for kind in mine[::2]]
        met = [(one.node_id, one.peer_id) for one in world.happenings if one.kind is Kind.MEETS]
        parted = [(one.node_id, one.peer_id) for one in world.happenings if one.kind is Kind.PARTS]
        assert sorted(map(str, met)) == sorted(map(str, parted))


def test_who_is_away_together_parts_and_meets_at_the_same_moments() -> None:
    for seed in range(5):
        world = draw("errand", seed)
        moments = [
            [(one.at_s, one.kind) for one in happenings_of(world, node.node_id) if one.peer_id is not None]
            for node in world.nodes
            if node.battery is not None
        ]
        assert moments[0] == moments[1] != []


def test_answers_escalate_about_as_often_as_the_manifest_expects_and_the_share_drifts() -> None:
    worlds = [draw(name, seed) for name in ("home", "afternoon") for seed in range(12)]
    for tier, expected in ((DeviceClass.WATCH, 0.206), (DeviceClass.PHONE, 0.039)):
        shares = [escalating_share(world, tier) for world in worlds]
        assert sum(shares) / len(shares) == pytest.approx(expected, rel=0.3)
        assert max(shares) > 1.4 * expected
        assert min(shares) < 0.6 * expected


def test_a_larger_tier_misses_fewer_anomalies() -> None:
    ill = [
        (world.model(one.request.model).alarm_at, one.truth)
        for world in (draw(name, seed) for name in ("night", "afternoon") for seed in range(10))
        for one in world.arrivals
        if one.truth.is_anomaly
    ]
    watch, phone, hub = (
        sum(not truth.called_by(tier, alarm_at) for alarm_at, truth in ill) / len(ill)
        for tier in (DeviceClass.WATCH, DeviceClass.PHONE, DeviceClass.HUB)
    )
    assert 0.02 < watch < 0.1
    assert phone < watch + 0.01
    assert hub == pytest.approx(0.037, abs=0.02)


def test_sixty_four_nodes_are_sixty_four() -> None:
    assert len(draw("sixty_four_nodes", 0).nodes) == 64
    assert len(draw("twelve_nodes", 0).nodes) == 12


def happenings_of(world: Scenario, node_id: NodeId) -> list[Happening]:
    return [one for one in world.happenings if one.node_id == node_id]


def escalating_share(world: Scenario, tier: DeviceClass) -> float:
    hosted = next(
        one.announced
        for node in world.nodes
        for one in node.hosted
        if (one.announced.model, one.announced.tier) == ("ecg-anomaly", tier)
    )
    scores = [one.truth.score(tier) for one in world.arrivals if one.request.model == "ecg-anomaly"]
    return sum(escalates(hosted, score) for score in scores) / len(scores)
