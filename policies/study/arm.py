"""One arm of a study: a policy, and what is changed about it or about its worlds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.candidate import Observation
from meshd.core.mesh_view import MeshView
from meshd.core.policy import Policy
from meshd.policy.guard import Guard
from policies.baselines import DEFAULT
from policies.evaluation.contender import Contender
from policies.scenario import Scenario
from policies.study.altered import Alteration, altered

RULES = (DEFAULT, "provident")
"""What a study of one policy plays beside it: the daemon's rule, and the strongest one known here."""


class Arm(Struct, frozen=True, kw_only=True):
    """What plays each world once; small enough to be sent to a process."""

    name: str
    contender: Contender
    alteration: Alteration | None = None
    """Of a learned policy."""
    price_factor: float = 1.0
    """Everything but joules costs so many times what the world says."""
    replies_tell: bool = True
    """Whether answers carry what a node knows of itself, or heartbeats alone do."""

    def world(self, scenario: Scenario) -> Scenario:
        """Return the world that it plays: the same luck, with other prices."""
        settings, factor = scenario.settings, self.price_factor
        prices = replace(
            settings,
            latency_price_watts=factor * settings.latency_price_watts,
            miss_price_joules=factor * settings.miss_price_joules,
        )
        return replace(scenario, settings=prices, missed_anomaly_joules=factor * scenario.missed_anomaly_joules)

    def policy(self, family: str, counted: Counter[str]) -> Policy:
        """Return a policy for one node; how often a guard was asked and fell back is counted.

        Raises:
            NoPolicy: there is none of the name, or it cannot be run.
        """
        policy = self._policy(family)
        return Counted(policy, counted) if isinstance(policy, Guard) else policy

    def _policy(self, family: str) -> Policy:
        if self.alteration is None:
            return self.contender.policy(family)
        network = altered(self.contender.name, self.alteration)
        return Guard(network) if self.contender.is_guarded else network


class Counted:
    """A guarded policy, and how often it was asked and its guard decided instead, by why."""

    ASKED = "asked"
    is_steady = True

    def __init__(self, guard: Guard, counted: Counter[str]) -> None:
        self._guard = guard
        self._counted = counted

    @property
    def name(self) -> str:
        """Return the name of what is guarded."""
        return self._guard.name

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return what the guard lets pass."""
        index, fallback = self._guard.choose(observation, view, now), self._guard.fallback
        self._counted[self.ASKED] += 1
        if fallback is not None:
            self._counted[fallback.why] += 1
        return index


def contenders(policy: str) -> dict[str, Contender]:
    """Return the policy, guarded, and the rules beside it, by what they are called."""
    return {Path(name).stem: Contender(name=name) for name in (policy, *RULES)}
