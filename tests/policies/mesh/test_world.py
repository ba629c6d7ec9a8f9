"""A calibrated mesh in the simulator."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from meshd.core.node import DeviceClass
from meshd.core.policy import LeastExpectedCost
from policies.evaluation.play import play
from policies.mesh.question import HOUSEHOLD, Question
from policies.mesh.world import SETTLED_S, scenario_of, truth_of
from policies.simulator import Use
from tests.core.builders import ALARM, CALM, DOUBT
from tests.policies.mesh.meshes import CALM_WINDOWS, HUB, PHONE, WATCH, mesh, timed


@pytest.mark.parametrize("asked", HOUSEHOLD)
@pytest.mark.parametrize("ran", HOUSEHOLD)
@pytest.mark.parametrize("items", [1, 8])
def test_a_request_alone_takes_what_it_took_in_the_mesh(asked: DeviceClass, ran: DeviceClass, items: int) -> None:
    truth = mesh()
    question = Question(at_s=1.0, node=asked, window=3, items=items, place=ran.value)
    costs = play(scenario_of(truth, [question]), LeastExpectedCost)
    assert [ended.tier for ended in costs.ends] == [ran]
    expected_s = timed(truth, asked, ran, items).heard.seconds
    assert [ended.seconds for ended in costs.ends] == [pytest.approx(expected_s, rel=1e-3)]


def test_questions_are_asked_at_their_times_and_come_in_that_order() -> None:
    load = [Question(at_s=1.25, node=WATCH, window=0), Question(at_s=2.5, node=HUB, window=0)]
    scenario = scenario_of(mesh(), load)
    assert [one.at_s - SETTLED_S for one in scenario.arrivals] == pytest.approx([1.25, 2.5])
    with pytest.raises(ValueError, match="in the order of time"):
        scenario_of(mesh(), load[::-1])


def test_joules_are_those_that_daemons_estimate() -> None:
    truth = mesh()
    costs = play(scenario_of(truth, [Question(at_s=1.0, node=WATCH, window=0, place="watch")]), LeastExpectedCost)
    profile = truth.nodes[WATCH].profile
    estimated = profile.power.compute_joules(profile.hosted[0].macs)
    assert costs.joules(profile.node_id)[Use.COMPUTE] == pytest.approx(estimated)


def test_of_several_windows_each_tier_says_what_most_wants_escalation() -> None:
    scores = {**CALM_WINDOWS.scores, WATCH: (CALM, DOUBT, *(CALM,) * 38), HUB: (CALM, CALM, ALARM, *(CALM,) * 37)}
    judged = replace(CALM_WINDOWS, scores=scores, is_anomaly=(False, False, True, *(False,) * 37))
    truth = truth_of(Question(at_s=0.0, node=PHONE, window=0, items=3), mesh(judged=judged))
    assert truth.scores == (DOUBT, CALM, ALARM, None)
    assert truth.is_anomaly
