"""Small scenarios by hand, each value a plain default that a test may replace."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from msgspec.structs import replace

from meshd.core.node import DeviceClass, HostedStage, HostedTier, NodeProfile
from meshd.core.settings import Settings
from policies.scenario import (
    Arrival,
    Bandwidth,
    Battery,
    Hosting,
    Link,
    Luck,
    Model,
    Node,
    Radio,
    Scenario,
    Split,
    Truth,
)
from tests.core.builders import ALARM, CALM, DOUBT, ECG, hub, phone, request, tier, watch

CALM_TRUTH = Truth(scores=(CALM, CALM, CALM, CALM))
CLIMBS = Truth(scores=(DOUBT, DOUBT, ALARM, ALARM), is_anomaly=True)
"""The two smaller tiers doubt; the larger two know."""

RESULT_BYTES = 100
TRIO = (watch(), phone(), hub())


def node(profile: NodeProfile, **changes: Any) -> Node:
    """A node that is as it says: no spread, no throttling, all models warm; a battery for a day where it has one."""
    hosted = tuple(
        Hosting(
            announced=tier,
            compute_s=tier.compute_s,
            load_s=tier.load_s,
            memory_bytes=1_000_000,
            stages_s=tuple(stage.compute_s for stage in tier.stages),
        )
        for tier in profile.hosted
    )
    plain = Node(
        profile=profile,
        hosted=hosted,
        power=profile.power,
        memory_bytes=10_000_000,
        warm=tuple(tier.artifact for tier in profile.hosted),
        battery=battery() if profile.power.battery_joules is not None else None,
        radio=Radio(tail_s=1.0),
    )
    return replace(plain, **changes)


def cut(rank: DeviceClass, **changes: Any) -> HostedTier:
    """A tier in two stages, of which the first takes a fifth of the time and gives a tenth of the input's bytes."""
    whole = tier(rank, **changes)
    early = HostedStage(compute_s=0.2 * whole.compute_s, out_bytes=1_000)
    return replace(whole, stages=(early, HostedStage(compute_s=0.8 * whole.compute_s)))


def battery(**changes: Any) -> Battery:
    plain = Battery(
        capacity_joules=100.0,
        fraction=0.8,
        demand_watts=0.01,
        needed_until_s=3600.0,
        charge_watts=1.0,
        is_charging=False,
    )
    return replace(plain, **changes)


def links(*profiles: NodeProfile, delay_s: float = 0.005, **changes: Any) -> tuple[Link, ...]:
    """Ways between all, each as fast as the slower of both radios."""
    return tuple(
        Link(
            sender=a.node_id,
            receiver=b.node_id,
            delay_s=delay_s,
            bandwidth=changes.get("bandwidth") or Bandwidth.constant(min(a.power.radio_bps, b.power.radio_bps)),
            jitter=changes.get("jitter", 0.0),
        )
        for a, b in permutations(profiles, 2)
    )


def arrival(
    number: int, at_s: float, profile: NodeProfile = TRIO[0], truth: Truth = CALM_TRUTH, **changes: Any
) -> Arrival:
    asked = request(str(number), **changes)
    return Arrival(at_s=at_s, node_id=profile.node_id, request=asked, truth=truth)


def scenario(*arrivals: Arrival, nodes: tuple[Node, ...] | None = None, **changes: Any) -> Scenario:
    """A household of three in which nothing befalls anybody."""
    nodes = nodes or tuple(node(profile) for profile in TRIO)
    plain = Scenario(
        name="by hand",
        family="by hand",
        split=Split.TRAIN,
        seed=1,
        horizon_s=10.0,
        models=(Model(name=ECG, input_bytes=10_000, result_bytes=RESULT_BYTES, alarm_at=0.5, further_item=0.5),),
        nodes=nodes,
        links=links(*(each.profile for each in nodes)),
        arrivals=arrivals,
        happenings=(),
        settings=Settings(),
        missed_anomaly_joules=2.0,
        radio_joules_per_byte=1e-7,
        luck=Luck(1),
    )
    return replace(plain, **changes)


def first_minute(whole: Scenario) -> Scenario:
    """A world that ends early."""
    arrivals = tuple(one for one in whole.arrivals if one.at_s < 60.0)
    return replace(whole, horizon_s=60.0, arrivals=arrivals)
