"""Ventricular beats that one patient lends to another, so that strangers' shapes are met before strangers are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_registry.zoo.ecg.annotation import CLASSES, Beats
from model_registry.zoo.ecg.recording import SAMPLE_RATE_HZ, Recording

BEFORE, AFTER = int(0.2 * SAMPLE_RATE_HZ), int(0.42 * SAMPLE_RATE_HZ)
"""What of a beat is lent: no P wave, the broad QRS and the T wave that follows."""

BEHIND_P = int(0.07 * SAMPLE_RATE_HZ)
NEXT_BEAT = int(0.2 * SAMPLE_RATE_HZ)
"""Where a broad beat begins when its P wave stays, and how far before the next mark a borrowed shape must end."""

MOST_PER_PATIENT = 100


class Donors:
    """Ventricular beats by patient, each float32[BEFORE + AFTER] and level at both ends."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        """Collect well separated V beats of every patient that has some."""
        lent = [_ventricular(recording) for recording in recordings]
        self._lent = [beats for beats in lent if beats]

    def __bool__(self) -> bool:
        return bool(self._lent)

    def lend(
        self, rng: np.random.Generator, signal: NDArray[np.float32], beats: Beats, receives: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Return the signal with one borrowed shape, at a random size and polarity, in place of the chosen beats."""
        return _replaced(signal, beats.sample, receives, self._donor(rng, signal), BEFORE)

    def broaden(self, rng: np.random.Generator, signal: NDArray[np.float32], beats: Beats) -> NDArray[np.float32]:
        """Return the signal with one borrowed shape for every beat, each behind its own P wave."""
        donor = self._donor(rng, signal)[BEFORE - BEHIND_P :]
        return _replaced(signal, beats.sample, np.ones(len(beats.sample), bool), donor, BEHIND_P)

    def _donor(self, rng: np.random.Generator, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        of_patient = self._lent[rng.integers(len(self._lent))]
        donor = of_patient[rng.integers(len(of_patient))]
        size = float(np.ptp(signal)) / max(float(np.ptp(donor)), 1.0) * rng.uniform(0.5, 1.4) * rng.choice([1, 1, -1])
        return donor * np.float32(size)


def _replaced(
    signal: NDArray[np.float32],
    beats: NDArray[np.int32],
    receives: NDArray[np.bool_],
    donor: NDArray[np.float32],
    before: int,
) -> NDArray[np.float32]:
    """Put `donor` in place of the chosen beats, from `before` samples ahead of each mark to the next beat at most."""
    changed = signal.copy()
    following = np.append(beats[1:], len(signal) + before)
    for at, next_at in zip(beats[receives], following[receives], strict=True):
        first, last = int(at) - before, min(int(at) - before + len(donor), int(next_at) - NEXT_BEAT)
        if first < 0 or last > len(signal) or last - first < len(donor) // 2:
            continue
        level = np.linspace(signal[first], signal[last - 1], last - first, dtype=np.float32)
        changed[first:last] = level + _level(donor[: last - first])
    return changed


def _ventricular(recording: Recording) -> list[NDArray[np.float32]]:
    assert recording.beats is not None
    sample, label = recording.beats.sample, recording.beats.label
    apart = np.diff(sample, prepend=-SAMPLE_RATE_HZ), np.diff(sample, append=sample[-1:] + SAMPLE_RATE_HZ)
    alone = (apart[0] > 0.45 * SAMPLE_RATE_HZ) & (apart[1] > 0.6 * SAMPLE_RATE_HZ)
    chosen = sample[(label == CLASSES.index("V")) & alone]
    chosen = chosen[(chosen > BEFORE) & (chosen < len(recording.signal) - AFTER)]
    every = max(len(chosen) // MOST_PER_PATIENT, 1)
    return [_level(recording.signal[at - BEFORE : at + AFTER].astype(np.float32)) for at in chosen[::every]]


def _level(beat: NDArray[np.float32]) -> NDArray[np.float32]:
    return beat - np.linspace(beat[0], beat[-1], len(beat), dtype=np.float32)
