"""A learned policy in a whole node: it is followed, kept from harm, and told of."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest

from meshd.client.result import Result
from meshd.core.settings import Settings
from meshd.policy.adaptation import Adapted
from meshd.policy.experience import MOST, Experience, Kind, Way
from meshd.policy.guard import Guard
from meshd.policy.learned import LearnedPolicy
from meshd.policy.record import Limits
from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import introduced, join, until
from tests.daemon.toys import CALM, window

pytest.importorskip("onnx", reason="needs the convert extra")

from tests.policy.networks import liking, linear, saved

FREE = Limits(relative=1e6, absolute_joules=1e6, tolerance=1e6)


def guarded(folder: Path, network: bytes, limits: Limits = FREE) -> Guard:
    return Guard(LearnedPolicy(saved(folder, network, limits=limits)))


async def test_a_network_decides_where_a_request_runs(tmp_path: Path, member: MakeMember) -> None:
    policy = guarded(tmp_path, linear(liking(is_here=-9.0)))
    watch, hub = member("watch", policy=policy), member("hub")
    join(watch, hub)
    await introduced(watch, hub)
    client = watch.client()
    result = await client.infer(window(CALM))
    assert [hop.node for hop in result.route] == ["hub"]
    (decision,) = (await client.query("explain"))["decisions"]
    assert (decision["policy"], decision["note"]) == ("tiny", "")
    status = await client.query("status")
    assert (status["policy"], status["policy_sha256"]) == ("tiny", policy.sha256)
    assert status["choices"] == {"asked": 1, "waits": 0, "guarded": {}, "moved": 0}
    assert (await hub.client().query("status"))["policy_sha256"] == ""


async def test_where_the_guard_steps_in_it_is_counted_and_explained(tmp_path: Path, member: MakeMember) -> None:
    dear = linear(liking(cost_joules=9.0))
    policy = guarded(tmp_path, dear, Limits(relative=0.0, absolute_joules=0.0, tolerance=1e6))
    watch, hub = member("watch", policy=policy), member("hub")
    join(watch, hub)
    await introduced(watch, hub)
    client = watch.client()
    await client.infer(window(CALM))
    (decision,) = (await client.query("explain"))["decisions"]
    assert decision["policy"] == "tiny"
    assert decision["note"].startswith("tiny wanted the ")
    assert decision["note"].endswith(", so least-expected-cost chose")
    status = await client.query("status")
    assert status["choices"] == {"asked": 1, "waits": 0, "guarded": {"cost": 1}, "moved": 0}


async def test_a_background_request_waits_and_is_answered_when_it_may_wait_no_longer(
    tmp_path: Path, member: MakeMember
) -> None:
    eager = linear(liking(is_wait=9.0))
    watch, hub = member("watch", policy=guarded(tmp_path, eager), settings={"max_wait_s": 0.2}), member("hub")
    join(watch, hub)
    await introduced(watch, hub)
    client = watch.client()
    result = await client.infer(window(CALM), priority="background", deadline_s=20.0)
    assert result.timings.queue_s >= 0.2
    first, second = (await client.query("explain"))["decisions"]
    assert (first["chosen"], first["wait"]["at_most_s"], first["wait"]["ended_by"]) == (
        None,
        0.2,
        "it could wait no longer",
    )
    assert first["wait"]["waited_s"] >= 0.2
    assert (second["wait"], second["chosen"] is None) == (None, False)
    assert (await client.query("status"))["choices"]["waits"] == 1


async def test_a_node_that_stops_does_not_leave_a_request_waiting(tmp_path: Path, member: MakeMember) -> None:
    eager = linear(liking(is_wait=9.0))
    watch = member("watch", policy=guarded(tmp_path, eager))
    client = watch.client()
    waits = await client.send(window(CALM), priority="background", deadline_s=60.0)
    await until(lambda: watch.node.chronicle.choices.waits == 1)
    assert client.outcomes(waits) == []
    assert await watch.node.drain(10.0) == 0
    assert isinstance(await client.outcome(waits), Result)


async def test_a_policy_that_adapts_learns_of_own_requests_and_what_it_corrects_is_told(
    tmp_path: Path, member: MakeMember
) -> None:
    experience = Experience("tiny")
    policy = Adapted(guarded(tmp_path, linear(liking(is_here=-9.0))), Settings(), experience)
    watch, hub = member("watch", policy=policy), member("hub")
    join(watch, hub)
    await introduced(watch, hub)
    (hosted,) = hub.profile.hosted
    way = Way(node_id=hub.profile.node_id, tier=hosted.tier, kind=Kind.WHOLE)
    for _ in range(60):
        experience.learn(way, 3.0, monotonic())
    client = watch.client()
    await client.infer(window(CALM))
    assert (experience.lessons, [tally.way for tally in experience.kept().tallies]) == (61, [way])
    told = {"node_id": way.node_id, "tier": "hub", "kind": "whole", "share": MOST}
    status = await client.query("status")
    assert (status["corrected"], status["policy_sha256"]) == ([told], policy.sha256)
    assert (await hub.client().query("status"))["corrected"] is None
