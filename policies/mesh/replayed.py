"""A scenario's prices, links, appetites and arrivals, as far as real daemons can be given them.

Rules of this file:

- The first watch, phone and hub of a scenario stand for its mesh; who else asks is left out.
- Every request asks for what it asks for in the scenario: heart windows of the daemons' own model, in this machine's
  time, or a stand-in (stand_in.py), in the device's. What another model than the three's is asked for is left out.
- Prices and power models are the scenario's; links have their mean rate and their delay.
- What befalls nodes, lost links, cold models, and how full batteries are at first is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from statistics import fmean

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from policies.errors import PoliciesError
from policies.mesh.form import Form, Shape
from policies.mesh.question import HOUSEHOLD, MODEL, Question
from policies.mesh.stand_in import hosts_of, stand_ins_of
from policies.scenario import Arrival, Link, Node, Scenario

_APART = 7919
"""A prime: each request asks about other windows than the one before."""


def form_of(scenario: Scenario, *, policy: str, lasts_s: float, models: Path | None = None) -> Form:
    """Return the mesh that stands for a scenario's within ``[0, lasts_s)``; ``models`` has its stand-ins.

    Raises:
        PoliciesError: a class is missing, or two of the three never meet.
    """
    cast = cast_of(scenario)
    return Form(
        shapes=tuple(_shape(scenario, cast, (a, b), lasts_s) for a, b in combinations(HOUSEHOLD, 2)),
        settings=scenario.settings,
        powers={name: node.power for name, node in cast.items()},
        policy=policy,
        models=models,
        hosts=hosts_of(stand_ins_of(scenario, cast)) if models else {},
    )


def load_of(scenario: Scenario, *, speed_up: float, lasts_s: float, n_windows: int) -> tuple[Question, ...]:
    """Return what is asked within ``[0, lasts_s)``, so many times as fast as in the scenario; deadlines stay.

    Raises:
        PoliciesError: nothing is.
    """
    cast = cast_of(scenario)
    names = {node.node_id: name for name, node in cast.items()}
    known = {MODEL, *(one.model for one in stand_ins_of(scenario, cast))}
    load = tuple(
        _question(arrival, number, names[arrival.node_id], n_windows, speed_up)
        for number, arrival in enumerate(scenario.arrivals)
        if arrival.node_id in names and arrival.request.model in known and arrival.at_s < lasts_s * speed_up
    )
    if not load:
        raise PoliciesError(f"{scenario.name} asks for nothing within {lasts_s:g} s.", hint="Give more --seconds.")
    return load


def _question(arrival: Arrival, number: int, node: DeviceClass, n_windows: int, speed_up: float) -> Question:
    request = arrival.request
    return Question(
        at_s=arrival.at_s / speed_up,
        node=node,
        window=number * _APART % (n_windows - request.batch + 1),
        items=request.batch,
        model=request.model,
        deadline_s=request.deadline_s,
        priority=request.priority,
        privacy=request.privacy,
        min_tier=request.min_tier if request.min_tier in HOUSEHOLD else None,
    )


def cast_of(scenario: Scenario) -> Mapping[DeviceClass, Node]:
    """Return who stands for each class.

    Raises:
        PoliciesError: one is missing.
    """
    found: dict[DeviceClass, Node] = {}
    for node in scenario.nodes:
        found.setdefault(node.profile.device_class, node)
    if missing := [name for name in HOUSEHOLD if name not in found]:
        raise PoliciesError(f"{scenario.name} has no {missing[0]}.", hint=_HINT)
    return {name: found[name] for name in HOUSEHOLD}


def _shape(
    scenario: Scenario, cast: Mapping[DeviceClass, Node], between: tuple[DeviceClass, DeviceClass], lasts_s: float
) -> Shape:
    ends = {cast[name].node_id for name in between}
    links = list(_between(scenario, ends))
    if not links:
        raise PoliciesError(f"the {between[0]} and the {between[1]} of {scenario.name} never meet.", hint=_HINT)
    return Shape(
        between=between,
        rate_bps=fmean(_mean_bps(link, lasts_s) for link in links),
        delay_s=fmean(link.delay_s for link in links),
    )


def _between(scenario: Scenario, ends: set[NodeId]) -> Iterator[Link]:
    return (link for link in scenario.links if {link.sender, link.receiver} == ends)


def _mean_bps(link: Link, lasts_s: float) -> float:
    """Return the mean rate of a link within ``[0, lasts_s)``, spells of loss left out."""
    starts_s, rates_bps = link.bandwidth.starts_s, link.bandwidth.rates_bps
    pieces = [
        (min(end_s, lasts_s) - start_s, rate_bps)
        for start_s, end_s, rate_bps in zip(starts_s, (*starts_s[1:], float("inf")), rates_bps, strict=True)
        if start_s < lasts_s and rate_bps > 0.0
    ]
    whole_s = sum(length_s for length_s, _ in pieces)
    return sum(length_s * rate_bps for length_s, rate_bps in pieces) / whole_s


_HINT = "Take a family whose watch, phone and hub are all linked: home, afternoon, night, overloaded_hub."
