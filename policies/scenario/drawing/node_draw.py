"""Nodes of a world: which processor each has, what its models truly take there, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from math import log
from typing import NamedTuple

from msgspec.structs import replace

from meshd.core.ids import ArtifactHash, ModelName, NodeId
from meshd.core.node import DeviceClass, HostedStage, HostedTier, NodeProfile
from model_registry.device_class import device_class
from model_registry.power import PowerModel
from policies.scenario.device import Device, devices_of
from policies.scenario.dice import Dice
from policies.scenario.family import BatteryForm, Family, IncidentForm, NodeForm
from policies.scenario.model_catalogue import ModelFigures, TierFigures, catalogue, loading_ratio
from policies.scenario.node import Battery, Hosting, Node, Radio, Thermal
from policies.scenario.scenario import Split

_YARDSTICK_MACS = 569_000_000
"""MobileNetV1 1.0/224: Howard et al. 2017, table 8 (arXiv 1704.04861)."""

_WATTS = (1 / 1.4, 1.4)
"""How far a device's watts may lie from what is published or assumed of it."""

_SPEED_SPREAD = log(2.0) / 1.645 / 2**0.5
"""Standard deviation of the logarithm of a device's, and of a model's, departure from the yardstick: together nine of
ten lie within a factor of two. Source: docs/decisions/0010-prediction.md."""

_ANNOUNCED_SPREAD = 0.08
"""The same of what a node announces beside what is true: it timed itself once, in a moment of its own."""

_LOAD_SPREAD = 0.3
_CUT_COSTS = 1.02
"""What head and tail take of the whole: docs/decisions/0017-cutting.md, 1.00 to 1.04."""

_WAKES: dict[DeviceClass, tuple[float, float]] = {
    DeviceClass.WATCH: (95e-6, 9.8e-3),
    DeviceClass.PHONE: (1e-3, 9.8e-3),
}
"""Joules for waking a radio. Low: device_classes.toml. High: Wi-Fi of a phone, 79 ms at 124 mW (Huang et al. 2012,
MobiSys)."""
_WAKE_S = (0.02, 0.08)
_TAIL_S = (0.24, 1.5)
"""The same source: 238 ms at 119 mW. Power saving of other radios waits longer (assumed)."""
_TAIL_WATTS = (0.019, 0.119)
"""Low: a Bluetooth radio's power, device_classes.toml."""


class Member(NamedTuple):
    """A node and the form it was drawn from."""

    form: NodeForm
    device: Device
    node: Node


def draw_nodes(family: Family, split: Split, seed: int, joules_per_byte: float, dice: Dice) -> list[Member]:
    """Return the nodes of a world, kind by kind."""
    members = []
    for form in family.nodes:
        count = dice.count(form.count, form.name, "count")
        for number in range(1, count + 1):
            name = form.name if form.count[1] == 1 else f"{form.name}-{number}"
            node_id = NodeId(sha256(f"{family.name}/{split}/{seed}/{name}".encode()).hexdigest())
            device = dice.pick(devices_of(form.device_class, split), name, "device")
            node = _node(form, device, node_id, name, family.horizon_s, joules_per_byte, dice)
            members.append(Member(form, device, node))
    return _with_newcomers(members, family.incidents, dice)


def _node(  # noqa: PLR0917 - all that a node is drawn from
    form: NodeForm, device: Device, node_id: NodeId, name: str, horizon_s: float, joules_per_byte: float, dice: Dice
) -> Node:
    power = _power(form, device, name, joules_per_byte, dice)
    hosted = tuple(_hostings(form, device, name, dice))
    sizes = [one.memory_bytes for one in hosted]
    memory_bytes = max([*sizes, round(sum(sizes) * dice.between(form.warm_share, name, "memory"))]) if sizes else 0
    codecs = {way.codec for figures in catalogue().values() for way in figures.ways}
    profile = NodeProfile(
        node_id=node_id,
        name=name,
        device_class=form.device_class,
        incarnation=1,
        slots=dice.count(form.slots, name, "slots"),
        power=power,
        hosted=tuple(one.announced for one in hosted),
        codecs=tuple(sorted(codecs)),
        takes_probes=True,
    )
    sleeps = form.battery is not None
    return Node(
        profile=profile,
        hosted=hosted,
        power=power,
        memory_bytes=memory_bytes,
        warm=_warm(hosted, memory_bytes),
        battery=_battery(form.battery, power, horizon_s, name, dice) if form.battery else None,
        radio=_radio(power, name, dice) if sleeps else Radio(),
        thermal=_thermal(form, name, dice),
        speed_spread=dice.between(form.speed_spread, name, "spread"),
    )


def _power(form: NodeForm, device: Device, name: str, joules_per_byte: float, dice: Dice) -> PowerModel:
    usual = device_class(form.device_class.value).power
    wakes = _WAKES.get(form.device_class) if form.battery else None
    return replace(
        usual,
        idle_watts=device.idle_watts * dice.between(_WATTS, name, "idle_watts"),
        active_watts=device.active_watts * dice.between(_WATTS, name, "active_watts"),
        macs_per_s=_YARDSTICK_MACS / (device.int8_ms * 1e-3),
        radio_joules_per_byte=joules_per_byte,
        radio_wake_joules=dice.between(wakes, name, "wake") if wakes else 0.0,
        radio_tail_s=dice.between(_TAIL_S, name, "tail_s") if wakes else usual.radio_tail_s,
        radio_tail_watts=dice.between(_TAIL_WATTS, name, "tail_watts") if wakes else 0.0,
        battery_joules=(usual.battery_joules or _PHONE_BATTERY_JOULES) if form.battery else None,
    )


_PHONE_BATTERY_JOULES = 55_440.0
"""Of a device of a class that is usually on the mains, but here is not: a phone's, device_classes.toml."""


def _hostings(form: NodeForm, device: Device, name: str, dice: Dice) -> Iterator[Hosting]:
    device_factor = dice.factor(_SPEED_SPREAD, name, "speed")
    for hosted in form.hosts:
        model, _, tier = hosted.partition("/")
        yield _hosting(catalogue()[model], catalogue()[model].tier(tier), device, device_factor, name, dice)


def _hosting(  # noqa: PLR0917
    model: ModelFigures, tier: TierFigures, device: Device, device_factor: float, name: str, dice: Dice
) -> Hosting:
    key = f"{model.name}/{tier.tier}"
    measured_s = tier.p50_ms * 1e-3 * device.yardstick_ms(tier.precision) / tier.yardstick_ms
    compute_s = measured_s * device_factor * dice.factor(_SPEED_SPREAD, name, key, "speed")
    load_s = tier.load_ms * 1e-3 * loading_ratio(device.fp32_ms) * dice.factor(_LOAD_SPREAD, name, key, "load")
    said = dice.factor(_ANNOUNCED_SPREAD, name, key, "said speed")
    shares = _stage_shares(tier)
    announced = HostedTier(
        model=ModelName(model.name),
        version="1",
        tier=tier.tier,
        variant=tier.precision,
        artifact=model.artifact(tier),
        accuracy=tier.accuracy,
        macs=tier.macs,
        compute_s=compute_s * said,
        load_s=load_s * dice.factor(_ANNOUNCED_SPREAD, name, key, "said load"),
        score_output="score" if tier.expected_rate else None,
        escalate_low=tier.escalate_low,
        escalate_high=tier.escalate_high,
        escalation_rate=tier.expected_rate,
        input_bytes=model.input_bytes,
        ways=model.ways,
        stages=_stages(tier, [compute_s * said * share for share in shares]),
        max_items=model.max_items,
    )
    return Hosting(
        announced=announced,
        compute_s=compute_s,
        load_s=load_s,
        memory_bytes=tier.memory_bytes,
        stages_s=tuple(compute_s * share * _CUT_COSTS for share in shares),
    )


def _stage_shares(tier: TierFigures) -> list[float]:
    places = [0.0, *(cut.share for cut in tier.cuts), 1.0]
    return [after - before for before, after in pairwise(places)] if tier.cuts else []


def _stages(tier: TierFigures, seconds: list[float]) -> tuple[HostedStage, ...]:
    crossing = [*(cut.out_bytes for cut in tier.cuts), 0]
    return tuple(
        HostedStage(compute_s=compute_s, measured=True, out_bytes=out_bytes)
        for compute_s, out_bytes in zip(seconds, crossing, strict=False)
    )


def _warm(hosted: tuple[Hosting, ...], memory_bytes: int) -> tuple[ArtifactHash, ...]:
    """Return what fits into memory, in the order in which it is hosted."""
    warm, free_bytes = [], memory_bytes
    for one in hosted:
        if one.memory_bytes <= free_bytes:
            warm.append(one.announced.artifact)
            free_bytes -= one.memory_bytes
    return tuple(warm)


def _battery(form: BatteryForm, power: PowerModel, horizon_s: float, name: str, dice: Dice) -> Battery:
    fraction = dice.between(form.fraction, name, "fraction")
    demand_watts = power.idle_watts + dice.between(form.other_watts, name, "other_watts")
    needed_until_s = horizon_s * dice.between(form.needed, name, "needed")
    lasts_s = needed_until_s * dice.between(form.reach, name, "reach")
    return Battery(
        capacity_joules=demand_watts * lasts_s / fraction,
        fraction=fraction,
        demand_watts=demand_watts,
        needed_until_s=needed_until_s,
        charge_watts=dice.between(form.charge_watts, name, "charge_watts"),
    )


def _radio(power: PowerModel, name: str, dice: Dice) -> Radio:
    wake_s = dice.between(_WAKE_S, name, "wake_s")
    return Radio(wake_s=wake_s, tail_s=power.radio_tail_s, tail_watts=power.radio_tail_watts)


def _thermal(form: NodeForm, name: str, dice: Dice) -> Thermal | None:
    if form.thermal is None:
        return None
    throttles_at = dice.between(form.thermal.throttles_at, name, "throttles_at")
    return Thermal(
        time_constant_s=dice.between(form.thermal.time_constant_s, name, "time_constant_s"),
        throttles_at=throttles_at,
        recovers_at=0.8 * throttles_at,
        slowdown=dice.between(form.thermal.slowdown, name, "slowdown"),
    )


def _with_newcomers(members: list[Member], incidents: tuple[IncidentForm, ...], dice: Dice) -> list[Member]:
    """Return the members, those absent who will come later."""
    late = {one.node: one.chance for one in incidents if one.kind == "newcomer"}
    return [
        member._replace(node=replace(member.node, is_present=False))
        if member.form.name in late and dice.happens(late[member.form.name], member.node.profile.name, "newcomer")
        else member
        for member in members
    ]
