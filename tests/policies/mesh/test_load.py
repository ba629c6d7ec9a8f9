"""What is asked of a mesh."""

from __future__ import annotations

from math import log1p

import pytest
from msgspec.structs import replace

from meshd.core.node import DeviceClass
from meshd.policy.layout import CONTEXT, context_column
from meshd.policy.record import read
from meshd.policy.served import SHIPPED_PATH
from policies.errors import PoliciesError
from policies.mesh.load import mixed_load
from policies.mesh.question import HOUSEHOLD
from policies.mesh.replayed import form_of, load_of
from policies.scenario import Split, draw
from tests.policies.mesh.meshes import HUB, PHONE, WATCH


def test_the_held_out_load_is_its_seeds_and_asks_everywhere_for_windows_that_there_are() -> None:
    load = mixed_load(seed=3, lasts_s=20.0, n_windows=40)
    assert load == mixed_load(seed=3, lasts_s=20.0, n_windows=40)
    assert load != mixed_load(seed=4, lasts_s=20.0, n_windows=40)
    assert [one.at_s for one in load] == sorted(one.at_s for one in load)
    assert {one.node for one in load} == set(HOUSEHOLD)
    assert all(0.0 <= one.at_s < 20.1 and 0 <= one.window <= 40 - one.items for one in load)


def test_a_scenario_is_replayed_with_its_prices_links_and_appetites() -> None:
    scenario = draw("home", 3)
    form = form_of(scenario, policy="least-expected-cost", lasts_s=100.0)
    assert (form.settings, form.policy) == (scenario.settings, "least-expected-cost")
    assert form.powers == {node.profile.device_class: node.power for node in scenario.nodes}
    ids = {node.profile.device_class: node.node_id for node in scenario.nodes}
    delays_s = {(link.sender, link.receiver): link.delay_s for link in scenario.links}
    assert {shape.between: shape.delay_s for shape in form.shapes} == {
        (a, b): pytest.approx(delays_s[ids[a], ids[b]]) for a, b in ((WATCH, PHONE), (WATCH, HUB), (PHONE, HUB))
    }


def test_arrivals_keep_their_order_priorities_models_and_items_and_come_faster() -> None:
    scenario = draw("home", 3)
    load = load_of(scenario, speed_up=4.0, lasts_s=10.0, n_windows=40)
    first = [arrival for arrival in scenario.arrivals if arrival.at_s < 40.0]
    assert [one.at_s for one in load] == [arrival.at_s / 4.0 for arrival in first]
    assert [(one.priority, one.deadline_s) for one in load] == [
        (arrival.request.priority, arrival.request.deadline_s) for arrival in first
    ]
    assert [(one.model, one.items) for one in load] == [
        (arrival.request.model, arrival.request.batch) for arrival in first
    ]
    assert all(one.window + one.items <= 40 for one in load)


@pytest.mark.parametrize("family", ["home", "afternoon", "night", "overloaded_hub"])
def test_what_a_replay_asks_for_is_of_the_size_that_the_shipped_policy_was_trained_on(family: str) -> None:
    record, _ = read(SHIPPED_PATH)
    scenario = draw(family, 3, split=Split.TEST)
    sizes = {model.name: model.input_bytes for model in scenario.models}
    for one in load_of(scenario, speed_up=1.0, lasts_s=120.0, n_windows=300):
        for name, figure in (("batch", one.items), ("input_bytes", one.items * sizes[one.model])):
            low, high = record.context[name]
            unit = CONTEXT[context_column(name)].unit
            assert low <= log1p(figure / unit) + 1e-3
            assert log1p(figure / unit) <= high + 1e-3


def test_a_scenario_without_one_of_the_three_cannot_be_replayed() -> None:
    scenario = draw("home", 3)
    headless = replace(
        scenario, nodes=tuple(node for node in scenario.nodes if node.profile.device_class is not DeviceClass.HUB)
    )
    with pytest.raises(PoliciesError, match="has no hub"):
        form_of(headless, policy="least-expected-cost", lasts_s=10.0)
