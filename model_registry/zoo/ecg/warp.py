"""A warp of time: where each beat of a window comes a little earlier or later than it did.

It serves two purposes: a heart that beats slower or faster or breathes, and premature beats made of ordinary ones. A
premature supraventricular beat looks like its neighbours and merely comes too soon, and only a few patients of the
database have any, so every patient is lent some.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_registry.zoo.ecg.annotation import CLASSES, Beats
from model_registry.zoo.ecg.recording import SAMPLE_RATE_HZ, WINDOW_SAMPLES

BEFORE_BEAT = int(0.16 * SAMPLE_RATE_HZ)
AFTER_BEAT = int(0.24 * SAMPLE_RATE_HZ)
"""P wave and QRS before the mark, ST segment after it: what a warp of the pause between beats leaves alone."""

P_WAVE_START, P_WAVE_STOP = int(0.24 * SAMPLE_RATE_HZ), int(0.07 * SAMPLE_RATE_HZ)
"""Before the mark of a beat: where its P wave lies."""

SHORTEST_PAUSE = int(0.05 * SAMPLE_RATE_HZ)
REGULAR = 0.12
"""Highest coefficient of variation of the beat-to-beat interval at which a rhythm is called regular."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warp:
    """Piecewise linear map between knots of the source and knots of the warped window, both in samples."""

    source: NDArray[np.float64]
    target: NDArray[np.float64]

    @property
    def length(self) -> float:
        """Length of the warped stretch in samples."""
        return float(self.target[-1])

    def signal(self, signal: NDArray[np.float32], start: float) -> NDArray[np.float32]:
        """Return one window of the warped signal from `start`."""
        wanted = np.interp(start + np.arange(WINDOW_SAMPLES), self.target, self.source)
        return np.asarray(np.interp(wanted, np.arange(len(signal)), signal), np.float32)

    def beats(self, beats: Beats, start: float) -> Beats:
        """Return the beats of that window."""
        moved = np.rint(np.interp(beats.sample, self.source, self.target) - start).astype(np.int32)
        return Beats(sample=moved, label=beats.label).between(0, WINDOW_SAMPLES)


def stretched(rng: np.random.Generator, span: int, spread: float) -> Warp:
    """Return a warp of `span` samples to a steady other speed, within 1 +- spread."""
    return Warp(source=np.array([0.0, span]), target=np.array([0.0, span * rng.uniform(1 - spread, 1 + spread)]))


def paced(rng: np.random.Generator, beats: Beats, span: int, *, depth: float) -> Warp:
    """Return a warp to another heart rate, which changes the pauses between beats and hardly the beats.

    `depth` is how much a slow breath lengthens and shortens the pauses in turn (respiratory sinus arrhythmia).
    """
    phase, period = rng.uniform(0, 2 * np.pi), rng.uniform(2.5, 7.0) * SAMPLE_RATE_HZ
    start, stop = _pauses(beats)
    factor = _pace(rng) * (1 + depth * np.sin(2 * np.pi * start / period + phase))
    return _resized(start, stop, np.maximum((stop - start) * factor, SHORTEST_PAUSE), span)


def _pace(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(0.45), np.log(1.6))))


def fibrillating(rng: np.random.Generator, beats: Beats, span: int) -> Warp:
    """Return a warp that gives every pause another length, as in atrial fibrillation: irregular, yet no beat is S."""
    start, stop = _pauses(beats)
    factor = np.exp(rng.normal(0, rng.uniform(0.2, 0.6), len(start)))
    return _resized(start, stop, np.maximum((stop - start) * factor, SHORTEST_PAUSE), span)


def without_p_waves(rng: np.random.Generator, signal: NDArray[np.float32], beats: Beats) -> NDArray[np.float32]:
    """Return the signal with the P wave of every beat flattened, and the small fast waves of fibrillation added."""
    flat = signal.copy()
    for beat in beats.sample:
        first, last = max(int(beat) - P_WAVE_START, 0), max(int(beat) - P_WAVE_STOP, 0)
        if last - first > 1:
            flat[first:last] = np.linspace(flat[first], flat[last - 1], last - first)
    time_s = np.arange(len(signal)) / SAMPLE_RATE_HZ
    rate_hz = rng.uniform(4, 9) + rng.normal(0, 0.5) * np.sin(2 * np.pi * rng.uniform(0.1, 0.5) * time_s)
    waves = np.sin(2 * np.pi * np.cumsum(rate_hz) / SAMPLE_RATE_HZ)
    return (flat + rng.exponential(8.0) * waves).astype(np.float32)


def is_regular(beats: Beats) -> bool:
    """Whether all beats are of class N and evenly spaced, so that a premature one among them would stand out."""
    interval = np.diff(beats.sample)
    if len(interval) < 4 or (beats.label != 0).any():
        return False
    return bool(interval.std() < REGULAR * interval.mean())


def premature(rng: np.random.Generator, beats: Beats, span: int) -> tuple[Warp, Beats]:
    """Return a warp that lets some beats come too soon, and the beats with these ones relabelled S.

    What the shortened pause loses, the next one mostly regains (a compensatory pause); in a run every pause but the
    last is short.
    """
    start, stop = _pauses(beats)
    pause = (stop - start) * _pace(rng)
    interval = np.diff(beats.sample) - (stop - start) + pause
    early = _early(rng, len(interval))
    cut = rng.uniform(0.2, 0.5) * interval
    room = np.maximum(pause - SHORTEST_PAUSE, 0)
    cut = np.where(early & (room >= 0.15 * interval), np.minimum(cut, room), 0.0)
    regain = np.append(0.0, cut[:-1]) * rng.uniform(0.2, 1.1) * (cut == 0)
    label = beats.label.copy()
    label[1:][cut > 0] = CLASSES.index("S")
    warp = _resized(start, stop, pause - cut + regain, span)
    return warp, Beats(sample=beats.sample, label=label)


def _early(rng: np.random.Generator, count: int) -> NDArray[np.bool_]:
    early: NDArray[np.bool_] = rng.random(count) < rng.choice([0.06, 0.15, 0.35])
    if rng.random() < 0.2:
        first = rng.integers(count)
        early[first : first + rng.integers(3, 9)] = True
    early[rng.integers(count)] = True
    return early


def _pauses(beats: Beats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the pause before each beat but the first starts and stops."""
    stop = (beats.sample[1:] - BEFORE_BEAT).astype(np.float64)
    start = np.minimum(beats.sample[:-1] + AFTER_BEAT, stop - 1)
    return start, stop


def _resized(start: NDArray[np.float64], stop: NDArray[np.float64], length: NDArray[np.float64], span: int) -> Warp:
    grown = np.cumsum(length - (stop - start))
    source = np.concatenate([[0.0], np.column_stack([start, stop]).ravel(), [span]])
    shift = np.concatenate([[0.0], np.column_stack([np.append(0.0, grown[:-1]), grown]).ravel(), grown[-1:]])
    ordered = np.maximum.accumulate(source + np.arange(len(source)) * 1e-6)
    return Warp(source=ordered, target=np.maximum.accumulate(ordered + shift))
