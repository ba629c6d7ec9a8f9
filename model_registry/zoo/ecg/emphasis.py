"""How readily the hub names a beat S or V: offsets of the class logits, chosen on held-out patients."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from model_registry.zoo.ecg.annotation import CLASSES, UNCLASSED, Beats
from model_registry.zoo.ecg.sampling import FRAME_SAMPLES, FRAMES

_STEPS = np.linspace(0.0, 4.0, 17)
_CHOSEN_FOR = (CLASSES.index("S"), CLASSES.index("V"))

RECALL_WEIGHT = 2.0
"""Beta of the F score: a missed ectopic beat weighs more than a beat wrongly called ectopic."""


def fit(klass: NDArray[np.float32], beats: Sequence[Beats]) -> tuple[float, ...]:
    """Return the offset of each class's logit that gives the best mean F score of S and V beats.

    `klass` is float32[windows, 4, frames]; `beats` are the annotated ones of each window.
    """
    logits, truth = _at_beats(klass, beats)

    def worth(offsets: tuple[float, float]) -> float:
        moved = logits.copy()
        moved[:, _CHOSEN_FOR] += np.array(offsets, np.float32)
        named = moved.argmax(axis=1)
        return float(np.mean([_f_score(named == label, truth == label) for label in _CHOSEN_FOR]))

    best = max(product(_STEPS.tolist(), repeat=2), key=lambda offsets: (worth(offsets), -abs(sum(offsets))))
    return (0.0, best[0], best[1], 0.0)


def _at_beats(klass: NDArray[np.float32], beats: Sequence[Beats]) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    frame = [np.minimum(known.sample // FRAME_SAMPLES, FRAMES - 1) for known in beats]
    logits = np.concatenate([window[:, at].T for window, at in zip(klass, frame, strict=True)])
    truth = np.concatenate([known.label for known in beats])
    return logits[truth != UNCLASSED], truth[truth != UNCLASSED]


def _f_score(named: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    right, weighed = int((named & truth).sum()), RECALL_WEIGHT**2
    return (1 + weighed) * right / max(weighed * int(truth.sum()) + int(named.sum()), 1.0)
