"""The figures of a fleet, all policies beside each other."""

from __future__ import annotations

import shlex
from collections import defaultdict

from policies.baselines import DEFAULT
from policies.evaluation.network import Network
from policies.fleet.home import Home, Life
from policies.fleet.result import Figures, FleetResult, Worst
from policies.fleet.tally import Tally


class Census:
    """The figures of all policies, overall and by family."""

    def __init__(self) -> None:
        self._overall: dict[str, Tally] = defaultdict(Tally)
        self._families: dict[str, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
        self._n_homes = 0

    def add(self, home: Home, lives: list[Life]) -> None:
        """Take in a home."""
        self._n_homes += 1
        (rule,) = (life for life in lives if life.policy == DEFAULT)
        for life in lives:
            worst = _were_it_worst(home, life, rule)
            self._overall[life.policy].add(life, worst)
            self._families[home.family][life.policy].add(life, worst)

    def result(self, command: str, networks: dict[str, Network]) -> FleetResult:
        """Return what it comes to; there must be a home."""
        return FleetResult(
            command=command,
            rule=DEFAULT,
            homes=self._n_homes,
            networks=networks,
            overall=_figures(self._overall),
            families={family: _figures(self._families[family]) for family in sorted(self._families)},
        )


def _figures(tallies: dict[str, Tally]) -> dict[str, Figures]:
    return {policy: tally.figures() for policy, tally in tallies.items()}


def _were_it_worst(home: Home, life: Life, rule: Life) -> Worst:
    gain = (life.reward - rule.reward) / -rule.reward if rule.reward else 0.0
    return Worst(home=home.name, reward=life.reward, gain=gain, replay=_replay(home, life.policy))


def _replay(home: Home, policy: str) -> str:
    """Return the command that lives one home of a fleet again."""
    wished = {
        "homes": 1,
        "policy": policy,
        "families": home.family,
        "first-seed": home.seed,
        "split": home.split,
        "horizon-s": home.horizon_s,
        "traces": home.traces,
        "arrivals": home.arrivals,
    }
    options = [word for name, value in wished.items() if value is not None for word in (f"--{name}", str(value))]
    unguarded = [] if all(one.is_guarded for one in home.contenders) else ["--no-guard"]
    return shlex.join(["python", "-m", "policies.fleet", *options, *unguarded])
