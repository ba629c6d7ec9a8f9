"""Pure accounting: from answers to counts, percentiles and rates. No clock, no IO."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct

from meshd.core.answer import Answer
from meshd.core.node import DeviceClass
from meshd.demo.spending import HOUSEHOLD

_RECENT = 5

Verdict = bool | None
"""Whether a tier raised an alarm; none when it said nothing."""


class Alarm(Struct, frozen=True, kw_only=True):
    """One window that the cascade called anomalous."""

    window: int
    tier: DeviceClass
    confidence: float | None


class Detection(Struct, frozen=True, kw_only=True):
    """How well a way of watching told anomalous windows from calm ones; none where there were none to tell."""

    sensitivity: float | None
    specificity: float | None


UNKNOWN = Detection(sensitivity=None, specificity=None)


class Latency(Struct, frozen=True, kw_only=True):
    """How many windows a tier had the last word on, and how long the asker waited for it."""

    answered: int
    p50_ms: float | None
    p99_ms: float | None


class Scoreboard:
    """What became of every window that was played."""

    def __init__(self) -> None:
        self.submitted = 0
        self.completed = 0
        self.failed: Counter[str] = Counter()
        self.lost = 0
        self.degraded = 0
        self.recent: deque[Alarm] = deque(maxlen=_RECENT)
        self.routes: Counter[tuple[DeviceClass, ...]] = Counter()
        self._latency_s: dict[DeviceClass, list[float]] = defaultdict(list)
        self._verdicts: Counter[tuple[int, Verdict]] = Counter()

    def submit(self) -> None:
        """Count a window that is on its way."""
        self.submitted += 1

    def answer(self, window: int, answer: Answer, latency_s: float) -> None:
        """Take in an answer."""
        self.completed += 1
        self.degraded += answer.degraded
        self.routes[tuple(hop.tier for hop in answer.route)] += 1
        self._latency_s[answer.tier].append(latency_s)
        self._verdicts[window, answer.anomalous] += 1
        if answer.anomalous:
            self.recent.append(Alarm(window=window, tier=answer.tier, confidence=answer.confidence))

    def fail(self, code: str) -> None:
        """Count a window that was refused or failed, by the code of its error."""
        self.failed[code] += 1

    def lose(self) -> None:
        """Count a window of which nothing was ever heard again."""
        self.lost += 1

    @property
    def in_flight(self) -> int:
        """Return how many windows are on their way."""
        return self.submitted - self.completed - self.failed.total() - self.lost

    @property
    def played(self) -> Counter[int]:
        """Return how often each window was answered."""
        played: Counter[int] = Counter()
        for (window, _), times in self._verdicts.items():
            played[window] += times
        return played

    @property
    def flagged(self) -> int:
        """Return how many answers called their window anomalous."""
        return sum(times for (_, verdict), times in self._verdicts.items() if verdict)

    def latency(self, tier: DeviceClass) -> Latency:
        """Return the waiting times for answers of one tier."""
        waited_s = self._latency_s[tier]
        p50_ms, p99_ms = np.percentile(waited_s, [50, 99]) * 1e3 if waited_s else (None, None)
        return Latency(
            answered=len(waited_s),
            p50_ms=None if p50_ms is None else float(p50_ms),
            p99_ms=None if p99_ms is None else float(p99_ms),
        )

    def latencies(self) -> dict[DeviceClass, Latency]:
        """Return the waiting times by tier, weakest first."""
        return {tier: self.latency(tier) for tier in HOUSEHOLD}

    def escalations(self, lower: DeviceClass, upper: DeviceClass) -> int:
        """Count the times that one tier passed a window to another."""
        return sum(times for route, times in self.routes.items() if (lower, upper) in pairwise(route))

    def joules(self, price: Callable[[Sequence[DeviceClass]], float]) -> float:
        """Return what all routes taken cost together."""
        return sum(times * price(route) for route, times in self.routes.items())

    def detection(self, truth: Sequence[bool]) -> Detection:
        """Compare the cascade's verdicts with the annotations."""
        return detection(self._verdicts, truth)

    def detection_of(self, verdicts: Mapping[int, Verdict], truth: Sequence[bool]) -> Detection:
        """Compare another watcher's verdicts with the annotations, each window as often as it was played."""
        played = self.played
        return detection({(window, verdict): played[window] for window, verdict in verdicts.items()}, truth)


def detection(verdicts: Mapping[tuple[int, Verdict], int], truth: Sequence[bool]) -> Detection:
    """Return sensitivity and specificity of counted (window, verdict) pairs; no verdict is no alarm."""
    flagged = dict.fromkeys((True, False), 0)
    seen = dict.fromkeys((True, False), 0)
    for (window, verdict), times in verdicts.items():
        kind = bool(truth[window])
        seen[kind] += times
        flagged[kind] += times * bool(verdict)
    return Detection(
        sensitivity=flagged[True] / seen[True] if seen[True] else None,
        specificity=1.0 - flagged[False] / seen[False] if seen[False] else None,
    )
