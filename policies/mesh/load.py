"""A load that no calibration has seen: single windows, batches and bursts at every node, most free to run anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from meshd.core.node import DeviceClass
from meshd.core.request import Priority
from policies.mesh.question import HOUSEHOLD, Question

_WATCH, _PHONE, _HUB = HOUSEHOLD
_SINGLES_PER_S = {_WATCH: 3.0, _PHONE: 2.0, _HUB: 1.0}
_BATCHES_PER_S = 1.2
_BURSTS_PER_S = 0.4
_BURST = (4, 10)
"""Questions of one burst, the last one excluded, ..."""
_BURST_LASTS_S = 0.02
"""... within so long."""
_MOST_ITEMS = 16
_LEAST_TIERS = (None, None, _PHONE, _HUB)
_PRIORITIES = (Priority.NORMAL, Priority.NORMAL, Priority.NORMAL, Priority.BACKGROUND)


def mixed_load(*, seed: int, lasts_s: float, n_windows: int) -> tuple[Question, ...]:
    """Return what is asked within ``[0, lasts_s)``, the earliest first; the same for a seed."""
    chance = np.random.default_rng(seed)
    questions = [
        *_singles(chance, lasts_s, n_windows),
        *_batches(chance, lasts_s, n_windows),
        *_bursts(chance, lasts_s, n_windows),
    ]
    return tuple(sorted(questions, key=lambda question: question.at_s))


def _singles(chance: np.random.Generator, lasts_s: float, n_windows: int) -> Iterator[Question]:
    for node, rate_per_s in _SINGLES_PER_S.items():
        for at_s in _moments(chance, rate_per_s, lasts_s):
            yield _question(chance, node, at_s, 1, n_windows)


def _batches(chance: np.random.Generator, lasts_s: float, n_windows: int) -> Iterator[Question]:
    for at_s in _moments(chance, _BATCHES_PER_S, lasts_s):
        items = int(chance.integers(2, _MOST_ITEMS + 1))
        yield _question(chance, _any(chance), at_s, items, n_windows)


def _bursts(chance: np.random.Generator, lasts_s: float, n_windows: int) -> Iterator[Question]:
    for began_s in _moments(chance, _BURSTS_PER_S, lasts_s):
        node = _any(chance)
        for at_s in sorted(chance.uniform(began_s, began_s + _BURST_LASTS_S, int(chance.integers(*_BURST)))):
            yield _question(chance, node, float(at_s), 1, n_windows)


def _moments(chance: np.random.Generator, rate_per_s: float, lasts_s: float) -> list[float]:
    """Return the moments of a Poisson process."""
    moments = chance.uniform(0.0, lasts_s, chance.poisson(rate_per_s * lasts_s))
    return [float(at_s) for at_s in moments]


def _any(chance: np.random.Generator) -> DeviceClass:
    return HOUSEHOLD[int(chance.integers(len(HOUSEHOLD)))]


def _question(chance: np.random.Generator, node: DeviceClass, at_s: float, items: int, n_windows: int) -> Question:
    return Question(
        at_s=at_s,
        node=node,
        window=int(chance.integers(n_windows - items + 1)),
        items=items,
        priority=_PRIORITIES[int(chance.integers(len(_PRIORITIES)))],
        min_tier=_LEAST_TIERS[int(chance.integers(len(_LEAST_TIERS)))],
    )
