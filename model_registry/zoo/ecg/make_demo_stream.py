"""Make the demo's input once: five real minutes of record 208 among calm minutes that neurokit2 simulates.

Needs the `train` extra, `scipy/misc/ecg.dat` out of the wheel of SciPy 1.11.4 (`pip download scipy==1.11.4 --no-deps`),
and the annotated record, from which the beat labels come.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_registry.extra import program_needing
from model_registry.zoo.ecg.demo_stream import ATTRIBUTION, SHIPPED, DemoStream
from model_registry.zoo.ecg.errors import EcgError, RecordingError
from model_registry.zoo.ecg.patients import DEMO_PATIENT
from model_registry.zoo.ecg.recording import COUNTS_PER_MILLIVOLT, SAMPLE_RATE_HZ, WINDOW_SAMPLES, Recording, load_npz

with program_needing("train", "Making the demo's stream"):
    import neurokit2

EXCERPT_START = 422_820
"""Where SciPy's samples stand in the record: 19:34.5, half a second before what its docstring says; checked below."""

EXCERPT_SAMPLES = 5 * 60 * SAMPLE_RATE_HZ
ADC_ZERO = 1024
"""Source: header of record 208."""

CALM_PER_REAL = 9

PQRS_SIZE = (0.9, -3.0, 30.0, -5.0)
T_SIZE = (0.25, 0.55)
BREADTH = (0.2, 0.1, 0.1, 0.1, 0.4)
"""Sizes and breadths of P, Q, R, S, T for the simulator. Its own T (0.75) is 0.4 of R, and its P nearly as broad as T.

Lead II of most people shows T at an eighth to a third of R, and a P of 80 to 100 ms.
"""

MINUTE_S = 60


def excerpt(ecg_dat: Path, record: Recording) -> Recording:
    """Return SciPy's five minutes in counts, with the record's labels.

    Raises: RecordingError when they are not the record's own samples.
    """
    with np.load(ecg_dat) as archive:
        signal = (archive["ecg"].astype(np.int32) - ADC_ZERO).astype(np.int16)
    stop = EXCERPT_START + EXCERPT_SAMPLES
    if not np.array_equal(signal, record.signal[EXCERPT_START:stop]):
        raise RecordingError(f"{ecg_dat} is not {EXCERPT_START}..{stop} of record {record.patient}")
    assert record.beats is not None
    beats = record.beats.between(EXCERPT_START, stop)
    return Recording(patient=record.patient, signal=signal, beats=beats, flutter=np.zeros(0, np.int32))


def calm_windows(rng: np.random.Generator, count: int) -> NDArray[np.int16]:
    """Return int16[count, 3600] of simulated sinus rhythm: minutes of rest and of walking, cleaner and noisier."""
    minutes = -(-count * WINDOW_SAMPLES // (MINUTE_S * SAMPLE_RATE_HZ))
    signal = np.concatenate([_minute(rng) for _ in range(minutes)])
    return signal[: count * WINDOW_SAMPLES].reshape(count, WINDOW_SAMPLES)


def _minute(rng: np.random.Generator) -> NDArray[np.int16]:
    clean = neurokit2.ecg_simulate(
        duration=MINUTE_S,
        sampling_rate=SAMPLE_RATE_HZ,
        noise=0.0,
        heart_rate=int(rng.integers(54, 100)),
        heart_rate_std=float(rng.uniform(0.5, 2.5)),
        ai=(*PQRS_SIZE, rng.uniform(*T_SIZE)),
        bi=BREADTH,
        random_state=int(rng.integers(2**31)),
    )[: MINUTE_S * SAMPLE_RATE_HZ]
    time_s = np.arange(len(clean)) / SAMPLE_RATE_HZ
    breath = rng.uniform(0.02, 0.12) * np.sin(2 * np.pi * rng.uniform(0.15, 0.35) * time_s)
    muscle = rng.normal(0, rng.uniform(0.005, 0.02), len(clean))
    millivolt = clean * rng.uniform(0.8, 1.4) + breath + muscle
    return np.asarray(np.rint(millivolt * COUNTS_PER_MILLIVOLT), np.int16)


def interleaved(real: Recording, rng: np.random.Generator) -> DemoStream:
    """Return the real windows, in order, at random places among nine times as many calm ones."""
    shown = real.windows()
    assert shown.beats is not None
    count = len(shown.ecg) * (1 + CALM_PER_REAL)
    place = np.sort(rng.choice(count, len(shown.ecg), replace=False))
    is_real = np.isin(np.arange(count), place)
    windows = np.empty((count, WINDOW_SAMPLES), np.int16)
    windows[is_real], windows[~is_real] = shown.ecg, calm_windows(rng, int((~is_real).sum()))
    anomalous = np.zeros(count, bool)
    anomalous[is_real] = shown.anomalous
    held = [len(beats.sample) for beats in shown.beats]
    return DemoStream(
        windows=windows,
        real=is_real,
        anomalous=anomalous,
        beat_window=np.repeat(place, held).astype(np.int32),
        beat_sample=np.concatenate([beats.sample for beats in shown.beats]),
        beat_class=np.concatenate([beats.label for beats in shown.beats]),
        attribution=ATTRIBUTION,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m model_registry.zoo.ecg.make_demo_stream", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="npz with sig_208, pos_208, sym_208")
    parser.add_argument("--ecg-dat", type=Path, required=True, help="scipy/misc/ecg.dat of SciPy 1.11.4")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--seed", type=int, default=208)
    asked = parser.parse_args(argv)
    try:
        record = load_npz(asked.data, [DEMO_PATIENT])[0]
        stream = interleaved(excerpt(asked.ecg_dat, record), np.random.default_rng(asked.seed))
    except EcgError as error:
        print(f"make_demo_stream: {error}", file=sys.stderr)
        return 1
    stream.save(asked.out)
    print(f"{asked.out}: {len(stream.windows)} windows, {stream.real.sum()} real, {stream.anomalous.sum()} anomalous")
    return 0


if __name__ == "__main__":
    sys.exit(main())
