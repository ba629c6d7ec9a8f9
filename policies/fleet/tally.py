"""Figures of a fleet, home by home: what is kept does not grow with their number."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappush, heappushpop

from policies.fleet.home import Life
from policies.fleet.result import Distribution, Figures, Requests, Worst
from policies.fleet.spread import Spread

_N_WORST = 10
_NO_GAIN, _A_TENTH = -1e-9, -0.1
"""Where two policies decide alike a home costs the same, rounding apart."""


class Tally:
    """What is known of one policy so far."""

    def __init__(self) -> None:
        self._homes: dict[str, Spread] = defaultdict(Spread)
        self._joules: dict[str, Spread] = defaultdict(Spread)
        self._hours: dict[str, Spread] = defaultdict(Spread)
        self._seconds = Spread()
        self._n_homes = 0
        self._n_ended = self._n_missed = self._n_hidden = 0
        self._n_worse = self._n_worse_by_a_tenth = 0
        self._worst: list[tuple[float, int, Worst]] = []

    def add(self, life: Life, worst: Worst) -> None:
        """Take in a home; ``worst`` is what would be said of it, were it among the worst."""
        self._n_homes += 1
        self._n_worse += worst.gain < _NO_GAIN
        self._n_worse_by_a_tenth += worst.gain < _A_TENTH
        self._keep(worst)
        self._add_to(self._homes, {"reward": life.reward, "gain": worst.gain, **life.tail_ms})
        self._add_to(self._homes, {"deadline_miss": life.n_missed / max(1, life.n_ended)})
        self._add_to(self._joules, life.joules)
        self._add_to(self._hours, life.battery_hours)
        self._seconds.merge(life.seconds)
        self._n_ended += life.n_ended
        self._n_missed += life.n_missed
        self._n_hidden += life.n_hidden

    def figures(self) -> Figures:
        """Return what all homes come to; there must be one."""
        homes = {name: Distribution.of(spread) for name, spread in self._homes.items()}
        return Figures(
            homes=self._n_homes,
            reward=homes["reward"],
            gain=homes["gain"],
            p50_ms=homes.get("p50_ms"),
            p95_ms=homes.get("p95_ms"),
            p99_ms=homes.get("p99_ms"),
            deadline_miss=homes["deadline_miss"],
            joules={name: Distribution.of(spread) for name, spread in sorted(self._joules.items())},
            battery_hours={name: Distribution.of(spread) for name, spread in sorted(self._hours.items())},
            requests=self._requests(),
            worse_than_rule=self._n_worse / self._n_homes,
            worse_by_a_tenth=self._n_worse_by_a_tenth / self._n_homes,
            worst=[worst for *_, worst in sorted(self._worst, reverse=True)],
        )

    def _add_to(self, spreads: dict[str, Spread], numbers: dict[str, float]) -> None:
        for name, number in numbers.items():
            spreads[name].add(number)

    def _keep(self, worst: Worst) -> None:
        """Keep it among the worst, of which the one that loses the least is on top of the heap."""
        if worst.gain >= _NO_GAIN:
            return
        entry = (-worst.gain, -self._n_homes, worst)  # Never two alike: homes are not compared.
        if len(self._worst) < _N_WORST:
            heappush(self._worst, entry)
        else:
            heappushpop(self._worst, entry)

    def _requests(self) -> Requests:
        p50, p95, p99 = (
            self._seconds.quantile(share) * 1e3 if self._seconds.n else None for share in (0.5, 0.95, 0.99)
        )
        return Requests(
            n=self._n_ended,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            deadline_miss=self._n_missed / max(1, self._n_ended),
            missed_anomalies=self._n_hidden / max(1, self._n_ended),
        )
