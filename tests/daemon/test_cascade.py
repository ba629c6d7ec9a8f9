"""The whole way of a request through one node and several, with real models and sessions in memory."""

import numpy as np
import pytest

from meshd.core.node import DeviceClass
from meshd.errors import NoCandidate
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import Member, introduced, join
from tests.daemon.toys import CALM, GRAVE, ODD, window

Household = tuple[Member, Member, Member]


async def test_a_node_alone_answers_from_its_own_model(member: MakeMember) -> None:
    result = await member("watch").client().infer(window(CALM))
    assert result.tier is DeviceClass.WATCH
    assert result.outputs["score"] == np.float32(CALM)
    assert (result.degraded, result.escalations, result.anomalous) == (False, 0, False)


@pytest.mark.parametrize(
    ("mean", "tier", "score", "route"),
    [
        (CALM, "watch", 1.0, ["watch"]),
        (ODD, "phone", 7.0, ["watch", "phone"]),
        (GRAVE, "hub", 20.0, ["watch", "phone", "hub"]),
    ],
)
async def test_a_request_climbs_as_far_as_it_must(
    household: Household, mean: float, tier: str, score: float, route: list[str]
) -> None:
    result = await household[0].client().infer(window(mean))
    assert result.tier == tier
    assert result.outputs["score"] == np.float32(score)
    assert [hop.node for hop in result.route] == route
    assert [hop.tier.value for hop in result.route] == route
    assert (result.escalations, result.degraded) == (len(route) - 1, False)


async def test_the_smallest_tier_wanted_is_where_the_cascade_starts(household: Household) -> None:
    result = await household[0].client().infer(window(CALM), min_tier="hub")
    assert [hop.node for hop in result.route] == ["hub"]
    assert result.outputs["score"] == np.float32(CALM - 10.0)


async def test_a_tier_that_nobody_has_is_refused_with_the_reason(household: Household) -> None:
    with pytest.raises(NoCandidate, match="asks for tier upstream or above"):
        await household[0].client().infer(window(CALM), min_tier="upstream")


async def test_an_answer_that_asks_for_a_tier_out_of_reach_is_degraded(member: MakeMember) -> None:
    watch, phone = member("watch"), member("phone")
    join(watch, phone)
    await introduced(watch, phone)
    result = await watch.client().infer(window(GRAVE))
    assert (result.tier, result.degraded) == (DeviceClass.PHONE, True)
    assert result.outputs["score"] == np.float32(GRAVE - 5.0)


async def test_an_alarm_is_told_once_by_the_node_that_was_asked(household: Household) -> None:
    result = await household[0].client().infer(window(GRAVE))
    watch, phone, hub = household
    assert [(a["request_id"], a["tier"], a["degraded"]) for a in watch.alarms] == [(result.request_id, "hub", False)]
    assert phone.alarms == hub.alarms == []


async def test_a_batch_escalates_as_a_whole(household: Household) -> None:
    batch = {"ecg": np.concatenate([window(CALM)["ecg"], window(ODD)["ecg"]])}
    result = await household[0].client().infer(batch)
    assert result.outputs["score"].tolist() == [CALM - 5.0, ODD - 5.0]
    assert [hop.node for hop in result.route] == ["watch", "phone"]


async def test_what_happened_can_be_explained(household: Household) -> None:
    client = household[0].client()
    result = await client.infer(window(ODD))
    story = await client.query("explain", request_id=result.request_id)
    assert (story["outcome"], story["tier"]) == ("answered", "phone")
    chosen = [decision["candidates"][decision["chosen"]]["plan"] for decision in story["decisions"]]
    assert chosen == ["watch tier on watch", "phone tier on phone"]


async def test_counters_tell_how_requests_ended(household: Household) -> None:
    client = household[0].client()
    climbed = [(await client.infer(window(mean))).escalations > 0 for mean in (CALM, ODD, GRAVE)]
    with pytest.raises(NoCandidate):
        await client.infer(window(CALM), min_tier="upstream")
    status = await client.query("status")
    assert status["requests"] == {
        "submitted": 4, "completed": 3, "failed": 1, "degraded": 0, "escalated": sum(climbed), "alive": 0,
    }  # fmt: skip
