"""Batches to learn from: patients in turn, anomalous windows as often as calm ones, beats where they truly are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_registry.zoo.ecg.annotation import CLASSES, UNCLASSED, Beats
from model_registry.zoo.ecg.augmentation import worn
from model_registry.zoo.ecg.donors import Donors
from model_registry.zoo.ecg.recording import SAMPLE_RATE_HZ, WINDOW_SAMPLES, Recording
from model_registry.zoo.ecg.warp import (
    Warp,
    fibrillating,
    is_regular,
    paced,
    premature,
    stretched,
    without_p_waves,
)

FRAME_SAMPLES = 12
FRAMES = WINDOW_SAMPLES // FRAME_SAMPLES
"""The networks look at 30 frames a second; a beat belongs to the frame that holds its mark."""

SPAN = WINDOW_SAMPLES + 8 * SAMPLE_RATE_HZ
"""Source samples a window may draw from: enough that a warp that shortens it still fills ten seconds."""

RHYTHM = 0.75
"""Share of windows that are given another rhythm or at least another rate; the others are only stretched a little."""

PREMATURE, FIBRILLATING = 0.4, 0.15
"""Shares of regular rhythms that are made so; the rest breathe at another rate."""

BROAD = 0.2
"""Share of regular rhythms whose every beat becomes broad, as with a bundle branch block, and stays of class N."""

VENTRICULAR = 0.45
"""Share of the lent premature beats that are ventricular ones of another patient; the others are S."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Windows and what to answer.

    `ecg` float32[batch, 3600]; `presence` float32[batch, frames]; `klass` int64[batch, frames], UNCLASSED where nothing
    is asked; `aami` float32[batch, 4]; `anomaly` float32[batch].
    """

    ecg: NDArray[np.float32]
    presence: NDArray[np.float32]
    klass: NDArray[np.int64]
    aami: NDArray[np.float32]
    anomaly: NDArray[np.float32]


class Sampler:
    """Draws windows so that no one patient and no one class dominates."""

    def __init__(self, recordings: Sequence[Recording], seed: int) -> None:
        self._recordings = recordings
        self._donors = Donors(recordings)
        self._rng = np.random.default_rng(seed)

    def batch(self, size: int) -> Batch:
        """Return `size` augmented windows of randomly chosen patients."""
        drawn = [self._window() for _ in range(size)]
        frames = [_frames(beats) for _, beats in drawn]
        aami = np.stack([_classes(beats) for _, beats in drawn])
        return Batch(
            ecg=np.stack([worn(self._rng, ecg) for ecg, _ in drawn]),
            presence=np.stack([presence for presence, _ in frames]),
            klass=np.stack([klass for _, klass in frames]),
            aami=aami,
            anomaly=aami[:, 1:].max(axis=1),
        )

    def _window(self) -> tuple[NDArray[np.float32], Beats]:
        while True:
            recording = self._recordings[int(self._rng.integers(len(self._recordings)))]
            at = self._start(recording)
            if not ((recording.flutter >= at) & (recording.flutter < at + SPAN)).any():
                return self._warped(recording, at)

    def _start(self, recording: Recording) -> int:
        assert recording.beats is not None
        last = len(recording.signal) - SPAN
        kinds = np.unique(recording.beats.label[recording.beats.label > 0])
        if not len(kinds) or self._rng.random() < 0.5:
            return int(self._rng.integers(last))
        of_kind = recording.beats.sample[recording.beats.label == self._rng.choice(kinds)]
        before = self._rng.integers(2 * SAMPLE_RATE_HZ, WINDOW_SAMPLES)
        return int(np.clip(self._rng.choice(of_kind) - before, 0, last - 1))

    def _warped(self, recording: Recording, at: int) -> tuple[NDArray[np.float32], Beats]:
        assert recording.beats is not None
        rng, beats = self._rng, recording.beats.between(at, at + SPAN)
        signal = recording.signal[at : at + SPAN].astype(np.float32)
        if len(beats.sample) > 4 and rng.random() < RHYTHM:
            warp, signal, beats = self._lent(signal, beats) if is_regular(beats) else self._hurried(signal, beats)
        else:
            warp = stretched(rng, SPAN, 0.12)
        start = rng.uniform(0, max(warp.length - WINDOW_SAMPLES, 1))
        return warp.signal(signal, start), warp.beats(beats, start)

    def _hurried(self, signal: NDArray[np.float32], beats: Beats) -> tuple[Warp, NDArray[np.float32], Beats]:
        return paced(self._rng, beats, SPAN, depth=0.0), signal, beats

    def _lent(self, signal: NDArray[np.float32], beats: Beats) -> tuple[Warp, NDArray[np.float32], Beats]:
        """Give a regular rhythm what its patient does not have: broad beats, ectopic ones, fibrillation, a breath."""
        rng = self._rng
        if self._donors and rng.random() < BROAD:
            signal = self._donors.broaden(rng, signal, beats)
        chance = rng.random()
        if chance < PREMATURE:
            warp, beats = premature(rng, beats, SPAN)
            if self._donors and rng.random() < VENTRICULAR:
                early = beats.label == CLASSES.index("S")
                signal = self._donors.lend(rng, signal, beats, early)
                beats = Beats(sample=beats.sample, label=np.where(early, CLASSES.index("V"), 0).astype(np.int8))
            return warp, signal, beats
        if chance < PREMATURE + FIBRILLATING:
            return fibrillating(rng, beats, SPAN), without_p_waves(rng, signal, beats), beats
        return paced(rng, beats, SPAN, depth=rng.uniform(0, 0.25)), signal, beats


def _frames(beats: Beats) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    presence = np.zeros(FRAMES, np.float32)
    klass = np.full(FRAMES, UNCLASSED, np.int64)
    at = np.minimum(beats.sample // FRAME_SAMPLES, FRAMES - 1)
    for offset, amount in ((-1, 0.5), (1, 0.5), (0, 1.0)):
        near = np.clip(at + offset, 0, FRAMES - 1)
        presence[near] = np.maximum(presence[near], amount)
        klass[near] = beats.label
    return presence, klass


def _classes(beats: Beats) -> NDArray[np.float32]:
    return np.isin(np.arange(len(CLASSES)), beats.label).astype(np.float32)
