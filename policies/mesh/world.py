"""A calibrated mesh as a scenario of the simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from msgspec.structs import replace

from meshd.core.cascade import most_doubtful
from meshd.core.ids import RequestId
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.request import Request
from meshd.core.settings import Settings
from policies.mesh.calibration import Calibration, LinkFit, NodeFit, RunFit, StandInFit
from policies.mesh.question import Question
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

SETTLED_S = 5.0
"""Before the first question: sessions open, and links are known, as in a mesh that has been calibrated."""
_ENOUGH_S = 1e6
_SEED = 0
"""Of the one luck that every load meets."""
_ROOM_BYTES = 2**30


def scenario_of(
    calibration: Calibration,
    load: Sequence[Question],
    *,
    settings: Settings | None = None,
    missed_anomaly_joules: float = 0.0,
) -> Scenario:
    """Return the world in which a load is played.

    Raises:
        ValueError: a question comes before the one before it.
    """
    if any(after.at_s < before.at_s for before, after in pairwise(load)):
        raise ValueError("the questions of a load are in the order of time: a request is known by its place there")
    arrivals = [_arrival(number, question, calibration) for number, question in enumerate(load)]
    byte_joules = max(fit.profile.power.radio_joules_per_byte for fit in calibration.nodes.values())
    return Scenario(
        name="the mesh as calibrated",
        family="mesh",
        split=Split.TEST,
        seed=_SEED,
        horizon_s=arrivals[-1].at_s + SETTLED_S,
        models=(_model(calibration), *map(_stood_in, calibration.stand_ins)),
        nodes=tuple(_node(name, calibration) for name in calibration.nodes),
        links=tuple(_link(link, calibration) for link in calibration.links),
        arrivals=tuple(arrivals),
        happenings=(),
        settings=settings or Settings(),
        missed_anomaly_joules=missed_anomaly_joules,
        radio_joules_per_byte=byte_joules,
        luck=Luck(_SEED),
    )


def truth_of(question: Question, calibration: Calibration) -> Truth:
    """Return what every tier says of the windows of a question; of several, of the one that most wants escalation.

    Stand-ins say nothing of what they are asked about.
    """
    if question.model != calibration.model:
        return Truth(scores=(None,) * len(DeviceClass))
    windows = range(question.window, question.window + question.items)
    scores: list[float | None] = [None] * len(DeviceClass)
    for name, fit in calibration.nodes.items():
        said = [calibration.judged.scores[name][window] for window in windows]
        scores[name.rank] = most_doubtful(fit.profile.hosted[0], said)
    is_anomaly = any(calibration.judged.is_anomaly[window] for window in windows)
    return Truth(scores=tuple(scores), is_anomaly=is_anomaly)


def _arrival(number: int, question: Question, calibration: Calibration) -> Arrival:
    request = Request(
        request_id=RequestId(str(number)),
        model=question.model,
        input_bytes=question.items * calibration.of(question.model).input_bytes,
        deadline_s=question.deadline_s,
        batch=question.items,
        priority=question.priority,
        privacy=question.privacy,
        min_tier=question.min_tier,
        plan=question.place,
    )
    node_id = calibration.nodes[question.node].profile.node_id
    return Arrival(
        at_s=SETTLED_S + question.at_s, node_id=node_id, request=request, truth=truth_of(question, calibration)
    )


def _model(calibration: Calibration) -> Model:
    return Model(
        name=calibration.model,
        input_bytes=calibration.input_bytes,
        result_bytes=calibration.result_bytes,
        alarm_at=calibration.alarm_at,
    )


def _stood_in(fit: StandInFit) -> Model:
    return Model(name=fit.model, input_bytes=fit.input_bytes, result_bytes=fit.result_bytes)


def _node(name: DeviceClass, calibration: Calibration) -> Node:
    fit, hosted = calibration.nodes[name], tuple(_hostings(name, calibration))
    power = fit.profile.power
    is_on_mains = power.battery_joules is None
    return Node(
        profile=replace(fit.profile, hosted=tuple(one.announced for one in hosted)),
        hosted=hosted,
        power=power,
        memory_bytes=_ROOM_BYTES,
        warm=tuple(one.announced.artifact for one in hosted),
        battery=None if is_on_mains else _battery(power.battery_joules or 0.0, power.idle_watts),
        radio=Radio(tail_s=power.radio_tail_s, tail_watts=power.radio_tail_watts),
        speed_spread=fit.spread,
        handling_s=fit.handling_s,
        handling_byte_s=fit.handling_byte_s,
        waking_s=fit.waking_s,
    )


def _battery(capacity_joules: float, idle_watts: float) -> Battery:
    """Return the battery that a daemon makes up: full at first."""
    return Battery(
        capacity_joules=capacity_joules,
        fraction=1.0,
        demand_watts=idle_watts,
        needed_until_s=_ENOUGH_S,
        charge_watts=0.0,
    )


def _hostings(name: DeviceClass, calibration: Calibration) -> Iterator[Hosting]:
    """Yield what a node hosts, the model that all of them host first."""
    fit = calibration.nodes[name]
    yield _hosting(fit.profile.hosted[0], fit, calibration.ratios)
    for other in calibration.stand_ins:
        if name in other.runs:
            yield _hosting(other.runs[name].hosted, other.runs[name], other.ratios)


def _hosting(announced: HostedTier, fit: NodeFit | RunFit, ratios: Mapping[str, float]) -> Hosting:
    return Hosting(
        announced=_with_ratios(announced, ratios),
        compute_s=fit.compute_s,
        load_s=fit.load_s,
        memory_bytes=1,
        further_item=fit.further_item,
    )


def _with_ratios(tier: HostedTier, ratios: Mapping[str, float]) -> HostedTier:
    ways = tuple(replace(way, ratio=ratios.get(way.codec, way.ratio)) for way in tier.ways)
    return replace(tier, ways=ways)


def _link(link: LinkFit, calibration: Calibration) -> Link:
    return Link(
        sender=calibration.nodes[link.sender].profile.node_id,
        receiver=calibration.nodes[link.receiver].profile.node_id,
        delay_s=link.delay_s,
        bandwidth=Bandwidth.constant(link.rate_bps),
        jitter=link.jitter,
    )
