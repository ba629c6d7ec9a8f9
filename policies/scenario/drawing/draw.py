"""The generator of worlds."""

from __future__ import annotations

from pathlib import Path

from meshd.core.settings import Settings
from model_registry.device_class import device_class
from policies.scenario.dice import Dice
from policies.scenario.drawing.arrival_draw import ArrivalDraw
from policies.scenario.drawing.incident_draw import IncidentDraw
from policies.scenario.drawing.link_draw import LinkDraw
from policies.scenario.drawing.node_draw import Member, draw_nodes
from policies.scenario.families import family as family_of
from policies.scenario.family import Family
from policies.scenario.luck import Luck, salt
from policies.scenario.model_catalogue import catalogue
from policies.scenario.scenario import Scenario, Split

_SUSPECTED_AFTER, _DEAD_AFTER = 3.0, 10.0
"""Heartbeats: as in the settings' own defaults."""


def draw(
    family: Family | str,
    seed: int,
    *,
    split: Split | None = None,
    traces: Path | None = None,
    arrivals: Path | None = None,
) -> Scenario:
    """Return one world of a family.

    The same family, seed and files give the same world, bit for bit. ``split`` is the family's own unless it is said
    otherwise: a training family drawn as test has devices, recordings and luck that training never saw.

    Raises:
        UnknownFamily: there is no such family.
        FileUnusable: a family's file, a trace or the arrivals are not of their forms.

    """
    form = family_of(family) if isinstance(family, str) else family
    split = split or form.split
    luck = Luck(salt(f"{form.name}/{split}/{seed}"))
    dice = Dice(luck)
    joules_per_byte = dice.between(device_class("watch").radio_joules_per_byte_range, "energy per byte")
    members = draw_nodes(form, split, seed, joules_per_byte, dice)
    return Scenario(
        name=f"{form.name} {seed}" if split is form.split else f"{form.name} {seed} as {split}",
        family=form.name,
        split=split,
        seed=seed,
        horizon_s=form.horizon_s,
        models=tuple(catalogue()[name].form for name in _hosted_models(members)),
        nodes=tuple(member.node for member in members),
        links=tuple(LinkDraw(form, split, traces, dice).links(members)),
        arrivals=ArrivalDraw(form, split, arrivals, dice).arrivals(members),
        happenings=IncidentDraw(form, dice).happenings(members),
        settings=_settings(form, dice),
        missed_anomaly_joules=dice.between(form.prices.missed_anomaly_joules, "missed anomaly"),
        radio_joules_per_byte=joules_per_byte,
        luck=luck,
    )


def _hosted_models(members: list[Member]) -> list[str]:
    return sorted({str(tier.model) for member in members for tier in member.node.profile.hosted})


def _settings(form: Family, dice: Dice) -> Settings:
    return Settings(
        heartbeat_interval_s=form.heartbeat_interval_s,
        suspect_after_s=form.heartbeat_interval_s * _SUSPECTED_AFTER,
        dead_after_s=form.heartbeat_interval_s * _DEAD_AFTER,
        latency_price_watts=dice.between(form.prices.latency_price_watts, "latency price"),
        background_second_weight=dice.between(form.prices.background_second_weight, "background second"),
        miss_price_joules=dice.between(form.prices.miss_price_joules, "miss price"),
    )
