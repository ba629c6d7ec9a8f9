"""A world as a person reads it in a terminal."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table

from meshd.core.ids import NodeId
from meshd.core.request import Priority
from policies.scenario.link import Link
from policies.scenario.node import Node
from policies.scenario.scenario import Scenario

_MOST_LINKS = 24
"""Sixty-four nodes have thousands; a person reads a few."""


def world_tables(scenario: Scenario) -> RenderableType:
    """Return nodes, links, requests and happenings of a world."""
    settings = scenario.settings
    head = (
        f"[bold]{scenario.name}[/] ({scenario.split}), {scenario.horizon_s:g} s, {len(scenario.arrivals)} requests\n"
        f"a second costs {settings.latency_price_watts:.3g} J ({settings.background_second_weight:.2g} of that in the "
        f"background), a miss {settings.miss_price_joules:.3g} J, a missed "
        f"anomaly {scenario.missed_anomaly_joules:.3g} J; a byte {scenario.radio_joules_per_byte * 1e6:.3g} µJ"
    )
    return Group(
        head, _nodes(scenario), _models(scenario), _links(scenario), _requests(scenario), _happenings(scenario)
    )


def names_of(scenario: Scenario) -> dict[NodeId, str]:
    """Return what people call each node."""
    return {node.node_id: node.profile.name for node in scenario.nodes}


def _nodes(scenario: Scenario) -> Table:
    table = Table(
        "node", "class", "slots", "yardstick", "core", "memory", "battery", "needed until", "spare", "radio tail"
    )
    for node in scenario.nodes:
        yardstick_ms = 569e6 / node.power.macs_per_s * 1e3
        table.add_row(
            node.profile.name,
            node.profile.device_class,
            str(node.profile.slots),
            f"{yardstick_ms:.3g} ms",
            f"{node.power.active_watts:.2f} W",
            f"{node.memory_bytes / 1e6:.0f} MB",
            *_battery(node),
            f"{node.radio.tail_s:.2g} s, {node.radio.tail_watts * 1e3:.0f} mW" if node.battery else "",
        )
    return table


def _battery(node: Node) -> tuple[str, str, str]:
    battery = node.battery
    if battery is None:
        return "mains", "", ""
    return (
        f"{battery.fraction:.0%} of {battery.capacity_joules:.3g} J",
        f"{battery.needed_until_s:.0f} s",
        f"{battery.spare_joules:.3g} J",
    )


def _models(scenario: Scenario) -> Table:
    table = Table("node", "hosts", "a run", "said", "loading", "memory", "at first")
    for node in scenario.nodes:
        for hosted in node.hosted:
            tier = hosted.announced
            table.add_row(
                node.profile.name,
                f"{tier.model}/{tier.tier}" + (f" in {len(tier.stages)} stages" if tier.stages else ""),
                f"{hosted.compute_s * 1e3:.3g} ms",
                f"{tier.compute_s * 1e3:.3g} ms",
                f"{hosted.load_s * 1e3:.3g} ms",
                f"{hosted.memory_bytes / 1e6:.0f} MB",
                "warm" if tier.artifact in node.warm else "cold",
            )
    return table


def _links(scenario: Scenario) -> Table:
    names, shown = names_of(scenario), scenario.links[:_MOST_LINKS]
    more = len(scenario.links) - len(shown)
    table = Table("from", "to", "delay", "mean rate", "lowest", "lost", caption=f"and {more} more" if more else None)
    for link in shown:
        mean_bps, lowest_bps, lost = _rates(link, scenario.horizon_s)
        table.add_row(
            names[link.sender],
            names[link.receiver],
            f"{link.delay_s * 1e3:.3g} ms",
            f"{mean_bps / 1e6:.3g} Mbit/s",
            f"{lowest_bps / 1e6:.3g}",
            f"{lost:.1%}",
        )
    return table


def _rates(link: Link, horizon_s: float) -> tuple[float, float, float]:
    """Return a link's mean and its lowest rate above 0 until the horizon, and the share of time that it is lost."""
    bandwidth = link.bandwidth
    pieces = [(s, r) for s, r in zip(bandwidth.starts_s, bandwidth.rates_bps, strict=True) if s < horizon_s]
    ends_s = [*(start_s for start_s, _ in pieces[1:]), horizon_s]
    bits = sum(rate * (end_s - start_s) for (start_s, rate), end_s in zip(pieces, ends_s, strict=True))
    lost_s = sum(end_s - start_s for (start_s, rate), end_s in zip(pieces, ends_s, strict=True) if rate == 0.0)
    return bits / horizon_s, min((rate for _, rate in pieces if rate), default=0.0), lost_s / horizon_s


def _requests(scenario: Scenario) -> Table:
    names = names_of(scenario)
    table = Table("asks", "model", "requests", "emergencies", "may wait", "items", "anomalies")
    streams = Counter((arrival.node_id, arrival.request.model) for arrival in scenario.arrivals)
    for (node_id, model), number in streams.items():
        mine = [one for one in scenario.arrivals if (one.node_id, one.request.model) == (node_id, model)]
        priorities = Counter(one.request.priority for one in mine)
        table.add_row(
            names[node_id],
            model,
            str(number),
            str(priorities[Priority.EMERGENCY]),
            str(priorities[Priority.BACKGROUND]),
            str(sum(one.request.batch for one in mine)),
            str(sum(one.truth.is_anomaly for one in mine)) if scenario.model(model).alarm_at is not None else "",
        )
    return table


def _happenings(scenario: Scenario) -> Table:
    names = names_of(scenario)
    table = Table("at", "node", "what")
    for one in scenario.happenings:
        peer = f" {names[one.peer_id]}" if one.peer_id else ""
        factor = f" x {one.factor:.2g}" if one.kind == "slows" else ""
        table.add_row(f"{one.at_s:.1f} s", names[one.node_id], f"{one.kind}{peer}{factor}")
    return table
