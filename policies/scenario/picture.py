"""A world as a picture: requests, bandwidth, happenings and batteries over one axis of time. Takes matplotlib."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from meshd.core.ids import NodeId
from meshd.core.request import Priority
from model_registry.extra import installing
from policies.errors import PoliciesError
from policies.scenario.arrival import Arrival
from policies.scenario.happening import Happening, Kind
from policies.scenario.node import Battery, Node
from policies.scenario.scenario import Scenario
from policies.scenario.table import names_of

_MOST_NODES = 14
"""Rows that a person can tell apart."""
_MOST_LINKS = 8
_LOST_MEGABITS = 1e-3
"""Where a lost link is drawn: the axis is logarithmic."""

_MARKS = {
    Priority.EMERGENCY: ("v", "#c0392b"),
    Priority.NORMAL: ("o", "#2c3e50"),
    Priority.BACKGROUND: ("s", "#95a5a6"),
}
_ENDS = {
    Kind.LEAVES: Kind.JOINS,
    Kind.DIES: Kind.JOINS,
    Kind.STALLS: Kind.RESUMES,
    Kind.CHARGES: Kind.DISCHARGES,
    Kind.PARTS: Kind.MEETS,
    Kind.SLOWS: Kind.SLOWS,
}
_COLOURS = {
    "absent": "#8e44ad",
    Kind.LEAVES: "#8e44ad",
    Kind.DIES: "#c0392b",
    Kind.STALLS: "#e67e22",
    Kind.CHARGES: "#27ae60",
    Kind.PARTS: "#2980b9",
    Kind.SLOWS: "#f1c40f",
}


class Spell(NamedTuple):
    """What is the case with a node in [since_s, until_s)."""

    node_id: NodeId
    since_s: float
    until_s: float
    colour: str
    label: str


def draw_picture(scenario: Scenario, path: Path) -> None:
    """Write a picture of a world; the path's ending says in which format. The same world gives the same bytes.

    Raises:
        PoliciesError: matplotlib is not installed, or the file cannot be written.

    """
    try:
        from matplotlib import rc_context  # noqa: PLC0415 - whoever draws no pictures needs no matplotlib
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ModuleNotFoundError as error:
        hint = f"Run: {installing('train')}"
        raise PoliciesError(f"A picture needs '{error.name}', which is not installed.", hint=hint) from error
    rows = {node.node_id: row for row, node in enumerate(reversed(_shown(scenario)))}
    figure = Figure(figsize=(13, 8 + 0.15 * len(rows)), layout="constrained")
    heights = [1.2 + 0.15 * len(rows), 1.6, 0.6 + 0.12 * len(rows), 1.3]
    axes = figure.subplots(4, 1, sharex=True, height_ratios=heights)
    for draw, part in zip((_draw_requests, _draw_bandwidth, _draw_happenings, _draw_batteries), axes, strict=True):
        draw(part, scenario, rows)
        if part.get_legend_handles_labels()[0]:
            part.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    axes[-1].set(xlim=(0.0, scenario.horizon_s), xlabel="seconds")
    figure.suptitle(f"{scenario.name} ({scenario.split}): {len(scenario.arrivals)} requests")
    try:
        with rc_context({"svg.hashsalt": "meshd"}):
            figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
    except (OSError, ValueError) as error:
        raise PoliciesError(
            f"{path} cannot be written: {error}.", hint="Give another path, of .png or .svg."
        ) from error


def _shown(scenario: Scenario) -> list[Node]:
    """Return the nodes that get a row: where there are many, some of each class."""
    if len(scenario.nodes) <= _MOST_NODES:
        return list(scenario.nodes)
    classes = [list(nodes) for _, nodes in groupby(scenario.nodes, key=lambda node: node.profile.device_class)]
    return [node for nodes in classes for node in nodes[: _MOST_NODES // len(classes)]]


def _draw_requests(axes: Any, scenario: Scenario, rows: dict[NodeId, int]) -> None:
    """Mark each request in its node's row, one line for each model; a ring is an anomaly."""
    models = [model.name for model in scenario.models]
    shown = [one for one in scenario.arrivals if one.node_id in rows]

    def scatter(some: list[Arrival], label: str, **style: Any) -> None:
        heights = [rows[one.node_id] + 0.7 * models.index(one.request.model) / len(models) - 0.3 for one in some]
        axes.scatter([one.at_s for one in some], heights, label=label, **style)

    for priority, (mark, colour) in _MARKS.items():
        mine = [one for one in shown if one.request.priority is priority]
        scatter(mine, priority.value, s=9, marker=mark, color=colour, lw=0)
    ill = [one for one in shown if one.truth.is_anomaly]
    scatter(ill, "anomaly", s=36, facecolors="none", edgecolors="#c0392b", lw=0.7)
    _name_rows(axes, scenario, rows)
    axes.set_title(f"requests, each node's from below: {', '.join(models)}", loc="left", fontsize=9)


def _draw_bandwidth(axes: Any, scenario: Scenario, rows: dict[NodeId, int]) -> None:
    names, drawn = names_of(scenario), set[int]()
    for link in scenario.links:
        if len(drawn) == _MOST_LINKS:
            break
        if id(link.bandwidth) not in drawn and {link.sender, link.receiver} <= rows.keys():
            drawn.add(id(link.bandwidth))
            megabits = [rate_bps / 1e6 or _LOST_MEGABITS for rate_bps in link.bandwidth.rates_bps]
            label = f"{names[link.sender]} → {names[link.receiver]}"
            axes.step(link.bandwidth.starts_s, megabits, where="post", lw=0.9, label=label)
    axes.set_yscale("log")
    axes.set_title(f"bandwidth, Mbit/s ({_LOST_MEGABITS}: lost)", loc="left", fontsize=9)


def _draw_happenings(axes: Any, scenario: Scenario, rows: dict[NodeId, int]) -> None:
    for spell in _spells(scenario):
        if spell.node_id in rows:
            row, since_s = rows[spell.node_id], spell.since_s
            width_s = max(min(spell.until_s, scenario.horizon_s) - since_s, scenario.horizon_s / 400)
            axes.barh(row, width_s, left=since_s, height=0.6, color=spell.colour, alpha=0.6)
            axes.text(since_s, row, spell.label, fontsize=6, va="center", clip_on=True)
    _name_rows(axes, scenario, rows)
    axes.set_title("happenings", loc="left", fontsize=9)


def _spells(scenario: Scenario) -> Iterator[Spell]:
    for node in scenario.nodes:
        mine = [one for one in scenario.happenings if one.node_id == node.node_id]
        if not node.is_present:
            joins_s = next((one.at_s for one in mine if one.kind is Kind.JOINS), float("inf"))
            yield Spell(node.node_id, 0.0, joins_s, _COLOURS["absent"], "absent")
        for (at_s, kind), together in groupby(mine, key=lambda one: (one.at_s, one.kind)):
            first, *others = together
            if kind in _ENDS and not (kind is Kind.SLOWS and first.factor == 1.0):
                label = _label(scenario, [first, *others])
                yield Spell(node.node_id, at_s, _end_s(first, mine), _COLOURS[kind], label)


def _end_s(begun: Happening, mine: list[Happening]) -> float:
    ends = (one for one in mine if one.at_s > begun.at_s and one.kind is _ENDS[begun.kind])
    return next((one.at_s for one in ends if one.peer_id == begun.peer_id), float("inf"))


def _label(scenario: Scenario, together: list[Happening]) -> str:
    names, first = names_of(scenario), together[0]
    if first.kind is Kind.PARTS:
        return f"parts {', '.join(names[one.peer_id] for one in together if one.peer_id)}"
    return f"slows x {first.factor:.1f}" if first.kind is Kind.SLOWS else first.kind.value


def _draw_batteries(axes: Any, scenario: Scenario, rows: dict[NodeId, int]) -> None:
    """Draw how each battery would fall without the mesh, and until when it is needed."""
    for node in scenario.nodes:
        battery = node.battery
        if battery is not None and node.node_id in rows:
            mine = [one for one in scenario.happenings if one.node_id == node.node_id]
            label = f"{node.profile.name}, {battery.spare_joules:.2g} J to spare"
            (line,) = axes.plot(*_idle_course(battery, mine, scenario.horizon_s), label=label)
            axes.axvline(battery.needed_until_s, color=line.get_color(), ls=":", lw=1)
    axes.set_ylim(0.0, 1.0)
    axes.set_title("battery without the mesh; dotted: needed until then", loc="left", fontsize=9)


def _idle_course(battery: Battery, mine: list[Happening], horizon_s: float) -> tuple[list[float], list[float]]:
    """Return times and fractions of a battery that only the device's own demand draws on."""
    times_s, joules, is_charging = [0.0], [battery.fraction * battery.capacity_joules], battery.is_charging
    charger = [(one.at_s, one.kind) for one in mine if one.kind in {Kind.CHARGES, Kind.DISCHARGES}]
    for at_s, kind in [*(change for change in charger if change[0] < horizon_s), (horizon_s, Kind.DISCHARGES)]:
        watts = (battery.charge_watts if is_charging else 0.0) - battery.demand_watts
        then_joules = joules[-1] + watts * (at_s - times_s[-1])
        for limit in (0.0, battery.capacity_joules):
            if (joules[-1] - limit) * (then_joules - limit) < 0.0:  # It is reached in between.
                times_s.append(times_s[-1] + (limit - joules[-1]) / watts)
                joules.append(limit)
        joules.append(min(max(then_joules, 0.0), battery.capacity_joules))
        times_s.append(at_s)
        is_charging = kind is Kind.CHARGES
    return times_s, [left / battery.capacity_joules for left in joules]


def _name_rows(axes: Any, scenario: Scenario, rows: dict[NodeId, int]) -> None:
    names = names_of(scenario)
    axes.set_yticks(list(rows.values()), [names[node_id] for node_id in rows], fontsize=8)
    axes.set_ylim(-0.6, len(rows) - 0.3)
    for row in rows.values():
        axes.axhline(row - 0.45, color="#dfe4e8", lw=0.6, zorder=0)
