"""Which of the marked beats are there, and of the class they were given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from model_registry.zoo.ecg.annotation import CLASSES, UNCLASSED, Beats
from model_registry.zoo.ecg.recording import SAMPLE_RATE_HZ

TOLERANCE_SAMPLES = int(0.150 * SAMPLE_RATE_HZ)
"""Source: ANSI/AAMI EC57, match window of 150 ms."""


@dataclass(slots=True)
class BeatTally:
    """Beats of each class that were found and named rightly, missed or named otherwise, and named wrongly."""

    right: Counter[int] = field(default_factory=Counter)
    missed: Counter[int] = field(default_factory=Counter)
    wrong: Counter[int] = field(default_factory=Counter)

    def add(self, truth: Beats, marked: Beats) -> None:
        """Count one window: every mark takes the nearest beat within tolerance that no earlier mark has taken.

        A mark on a beat of class Q counts neither for nor against anyone.
        """
        free = np.ones(len(truth.sample), bool)
        for sample, label in zip(marked.sample, marked.label, strict=True):
            distance = np.where(free, np.abs(truth.sample - sample), TOLERANCE_SAMPLES + 1)
            nearest = int(distance.argmin()) if len(distance) else -1
            if nearest < 0 or distance[nearest] > TOLERANCE_SAMPLES:
                self.wrong[int(label)] += 1
                continue
            free[nearest] = False
            self._named(int(truth.label[nearest]), int(label))
        self.missed.update(int(label) for label in truth.label[free] if label != UNCLASSED)

    def _named(self, truth: int, label: int) -> None:
        if truth == label:
            self.right[label] += 1
        elif truth != UNCLASSED:
            self.missed[truth] += 1
            self.wrong[label] += 1

    def figures(self) -> dict[str, dict[str, float | None]]:
        """Return sensitivity and positive predictivity by the class's letter; None where nothing was to be found."""
        return {
            name: {
                "sensitivity": _ratio(self.right[label], self.missed[label]),
                "positive_predictivity": _ratio(self.right[label], self.wrong[label]),
            }
            for label, name in enumerate(CLASSES)
        }


def tally(truth: Iterable[Beats], marked: Iterable[Beats]) -> BeatTally:
    """Return the tally of all windows."""
    total = BeatTally()
    for known, named in zip(truth, marked, strict=True):
        total.add(known, named)
    return total


def _ratio(right: int, other: int) -> float | None:
    return right / (right + other) if right + other else None
