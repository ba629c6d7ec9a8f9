"""A model that had to leave memory comes back once requests have lost enough for want of it."""

from __future__ import annotations

from tests.daemon.conftest import MakeMember
from tests.daemon.mesh import introduced, join, until
from tests.daemon.toys import CALM, window

LOAD_S = 0.2
"""What the toy is said to take: more than any way to the hub."""
CHEAP_SECONDS_WATTS = 0.001
"""The radio's joules decide then, and not how busy the machine is that runs this test."""
ENOUGH = 500
"""Requests that certainly lose more together than loading a toy costs."""


async def test_a_model_that_is_cold_here_is_loaded_while_its_requests_go_elsewhere(member: MakeMember) -> None:
    watch, hub = member("watch", settings={"latency_price_watts": CHEAP_SECONDS_WATTS}), member("hub")
    join(watch, hub)
    await introduced(watch, hub)
    artifact = watch.executor.warm_artifacts()[0]
    watch.executor.hosted[0].load_s = LOAD_S
    watch.executor.cool(artifact)
    watch.node._models_changed(watch.executor.hosted_tiers())
    client, nodes = watch.client(), list[str]()
    while "watch" not in nodes and len(nodes) < ENOUGH:
        nodes += [hop.node for hop in (await client.infer(window(CALM))).route]
    assert nodes[0] == "hub"
    await until(lambda: artifact in watch.executor.warm_artifacts(), "the model in memory")
    assert nodes[-1] == "watch"
    assert watch.node.scheduler.view.own.loading.seconds
