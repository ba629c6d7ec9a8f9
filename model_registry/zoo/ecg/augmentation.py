"""What a window may suffer on its way from a real wrist: gain, drift, noise, another electrode."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_registry.zoo.ecg.recording import COUNTS_PER_MILLIVOLT, SAMPLE_RATE_HZ, WINDOW_SAMPLES

_TIME_S = np.arange(WINDOW_SAMPLES) / SAMPLE_RATE_HZ


def worn(rng: np.random.Generator, ecg: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32[3600] in counts as another electrode, amplifier and wearer would have given it."""
    if rng.random() < 0.4:
        ecg = _other_electrode(rng, ecg)
    polarity = -1 if rng.random() < 0.03 else 1
    gained = ecg * np.float32(polarity * rng.lognormal(0.0, 0.3))
    spoilt = gained + (_drift(rng) + _noise(rng)) * COUNTS_PER_MILLIVOLT
    return np.clip(np.rint(spoilt), -32768, 32767).astype(np.float32)


def _other_electrode(rng: np.random.Generator, ecg: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colour the signal with a short random filter: other shapes of QRS and T, the same rhythm."""
    lag = rng.integers(3, 9)
    taps = np.zeros(4 * lag + 1)
    taps[:: 2 * lag] = rng.normal(0, 0.22, 3)
    taps[2 * lag] = 1.0
    return np.convolve(ecg - ecg.mean(), taps, mode="same").astype(np.float32)


def _drift(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return slow baseline wander in mV, now and then with a step as of a moved electrode."""
    wander = np.zeros(WINDOW_SAMPLES)
    for _ in range(2):
        rate_hz, phase = rng.uniform(0.05, 0.6), rng.uniform(0, 2 * np.pi)
        wander += rng.exponential(0.1) * np.sin(2 * np.pi * rate_hz * _TIME_S + phase)
    if rng.random() < 0.15:
        since_s = np.maximum(_TIME_S - rng.uniform(0, 10), 0)
        wander += rng.normal(0, 0.5) * (since_s > 0) * np.exp(-since_s / rng.uniform(0.1, 1.0))
    return wander


def _noise(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return muscle noise and mains hum in mV; mostly little of it."""
    muscle = rng.normal(0, 1, WINDOW_SAMPLES) * min(rng.exponential(0.015), 0.15)
    if rng.random() < 0.15:
        burst = np.exp(-(((_TIME_S - rng.uniform(0, 10)) / rng.uniform(0.3, 2.0)) ** 2))
        muscle += rng.normal(0, 1, WINDOW_SAMPLES) * burst * rng.uniform(0.05, 0.3)
    hum = rng.exponential(0.01) * np.sin(2 * np.pi * rng.choice([50, 60]) * _TIME_S)
    return np.asarray(muscle + hum)
