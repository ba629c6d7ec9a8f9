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
from tests.policies.mesh.meshes import CALM_WINDOWS, HUB, PHONE, WATCH, mesh, run_s, timed
from tests.policies.mesh.pictures import PICTURE, PICTURE_BYTES, picture_fit


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


def test_a_run_takes_its_seconds_at_the_watts_of_the_device() -> None:
    truth = mesh()
    costs = play(scenario_of(truth, [Question(at_s=1.0, node=WATCH, window=0, place="watch")]), LeastExpectedCost)
    profile = truth.nodes[WATCH].profile
    taken = run_s(truth, WATCH, 1) * profile.power.active_watts
    assert costs.joules(profile.node_id)[Use.COMPUTE] == pytest.approx(taken)


@pytest.mark.parametrize("items", [1, 3])
def test_a_stand_in_takes_what_it_took_at_the_node_that_hosts_it_and_no_other_is_asked(items: int) -> None:
    truth = mesh(stand_ins=(picture_fit(),))
    alone = Question(at_s=1.0, node=PHONE, items=items, model=PICTURE, place="phone")
    costs = play(scenario_of(truth, [alone, replace(alone, at_s=5.0, place="watch")]), LeastExpectedCost)
    run, handled_s = truth.stand_ins[0].runs[PHONE], truth.nodes[PHONE].handled_s(items * PICTURE_BYTES)
    expected_s = run.compute_s * (1.0 + run.further_item * (items - 1)) + handled_s
    answered, refused = sorted(costs.ends, key=lambda ended: ended.request)
    assert answered.seconds == pytest.approx(expected_s, rel=1e-3)
    assert refused.is_missed
    assert truth_of(alone, truth).scores == (None,) * len(DeviceClass)


def test_of_several_windows_each_tier_says_what_most_wants_escalation() -> None:
    scores = {**CALM_WINDOWS.scores, WATCH: (CALM, DOUBT, *(CALM,) * 38), HUB: (CALM, CALM, ALARM, *(CALM,) * 37)}
    judged = replace(CALM_WINDOWS, scores=scores, is_anomaly=(False, False, True, *(False,) * 37))
    truth = truth_of(Question(at_s=0.0, node=PHONE, window=0, items=3), mesh(judged=judged))
    assert truth.scores == (DOUBT, CALM, ALARM, None)
    assert truth.is_anomaly
