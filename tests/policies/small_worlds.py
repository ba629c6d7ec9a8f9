"""Worlds of a few seconds, for what is about learning and not about worlds."""

from __future__ import annotations

from policies.scenario import Scenario, Split, draw
from policies.worlds import Worlds
from tests.policies.simulator.worlds import first_minute

COMMUTING = Worlds(families=("commuting",), split=Split.TRAIN)


def minute(seed: int = 0, family: str = "commuting") -> Scenario:
    """The first minute of a world."""
    return first_minute(draw(family, seed))
