"""Worlds that are not as they say, in ways that nobody tells of: made from any world."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from msgspec.structs import replace

from meshd.core.ids import NodeId
from policies.scenario.happening import Happening, Kind
from policies.scenario.node import Node
from policies.scenario.scenario import Scenario

_TIMES = 2.0
_FAILS = 1.0 / 3.0
_DOZES_S, _EVERY_S = 0.6, 2.0


class Unlike(StrEnum):
    """What is not as it says: always of the strongest node, which all others use."""

    NOTHING = "nothing"
    UNDERSTATES = "understates"
    """What it runs takes twice as long as it says."""
    DOZES = "dozes"
    """It stands still for 0.6 s in every 2 s."""
    FAILS = "fails"
    """A third of what it runs comes to nothing."""


def made_unlike(scenario: Scenario, unlike: Unlike) -> Scenario:
    """Return the same world, but for what is not as it says."""
    strongest = max(scenario.nodes, key=lambda node: (node.profile.device_class.rank, node.profile.slots))
    match unlike:
        case Unlike.NOTHING:
            return scenario
        case Unlike.UNDERSTATES:
            return _with(scenario, strongest, replace(strongest, understates=_TIMES))
        case Unlike.FAILS:
            return _with(scenario, strongest, replace(strongest, fails=_FAILS))
        case Unlike.DOZES:
            happenings = (*scenario.happenings, *_dozes(strongest.node_id, scenario.horizon_s))
            return replace(scenario, happenings=tuple(sorted(happenings, key=lambda happening: happening.at_s)))


def _with(scenario: Scenario, node: Node, changed: Node) -> Scenario:
    return replace(scenario, nodes=tuple(changed if other is node else other for other in scenario.nodes))


def _dozes(node_id: NodeId, until_s: float) -> Iterator[Happening]:
    for number in range(1, int(until_s / _EVERY_S)):
        yield Happening(at_s=number * _EVERY_S, kind=Kind.STALLS, node_id=node_id)
        yield Happening(at_s=number * _EVERY_S + _DOZES_S, kind=Kind.RESUMES, node_id=node_id)
