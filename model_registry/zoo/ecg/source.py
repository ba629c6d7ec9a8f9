"""The user's own ECG: npz, CSV or WFDB on disk, or a record of PhysioNet such as `mitdb:119`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.extra import installing
from model_registry.zoo.ecg.annotation import FLUTTER_WAVE, Beats
from model_registry.zoo.ecg.errors import RecordingError
from model_registry.zoo.ecg.recording import (
    COUNTS_PER_MILLIVOLT,
    SAMPLE_RATE_HZ,
    Recording,
    as_counts,
    load_npz,
)

PREFERRED_LEADS = ("MLII", "II", "ML II", "ECG", "I")
"""The models learned from MLII; the first of these that a file has is taken, else its first signal."""

HIGHEST_MILLIVOLT = 20.0
"""A CSV column that stays within +-20 is in millivolts; counts of 5 uV that small would be a flat line."""


def read_source(source: str, *, sample_rate_hz: float = SAMPLE_RATE_HZ) -> list[Recording]:
    """Read recordings from a path (.npz, .csv, .txt, .hea, .dat) or `DATABASE:RECORD`.

    `sample_rate_hz` is that of a CSV; the other forms know theirs. Everything comes back at 360 Hz.

    Raises: RecordingError for what cannot be read or fetched, saying why.
    """
    path = Path(source)
    match path.suffix.lower():
        case ".npz":
            return load_npz(path)
        case ".csv" | ".txt":
            return [_from_csv(path, sample_rate_hz)]
        case ".hea" | ".dat":
            return [_from_wfdb(str(path.with_suffix("")), None)]
        case _ if ":" in source and not path.exists():
            database, _, record = source.partition(":")
            return [_from_wfdb(record, database)]
        case _:
            raise RecordingError(f"{source}: give a .npz, .csv or .hea file, or a record such as mitdb:119")


def resampled(signal: NDArray[np.float64], sample_rate_hz: float) -> NDArray[np.float64]:
    """Return a signal at 360 Hz, low-passed first where the rate falls, so that nothing folds back.

    Raises: RecordingError for a rate outside [50, 10000) Hz.
    """
    if not 50 <= sample_rate_hz < 10_000:
        raise RecordingError(f"a sample rate of {sample_rate_hz:g} Hz is none an ECG is recorded at")
    if sample_rate_hz == SAMPLE_RATE_HZ:
        return signal
    if sample_rate_hz > SAMPLE_RATE_HZ:
        signal = np.convolve(signal, _low_pass(SAMPLE_RATE_HZ / sample_rate_hz), mode="same")
    count = int(len(signal) * SAMPLE_RATE_HZ / sample_rate_hz)
    wanted = np.arange(count) * sample_rate_hz / SAMPLE_RATE_HZ
    return np.interp(wanted, np.arange(len(signal)), signal)


def _low_pass(share: float) -> NDArray[np.float64]:
    """Return a windowed sinc that keeps the lowest `share` of the band."""
    half = int(np.ceil(8 / share))
    at = np.arange(-half, half + 1)
    taps = np.sinc(at * share) * np.hamming(2 * half + 1)
    return np.asarray(taps / taps.sum())


def _from_csv(path: Path, sample_rate_hz: float) -> Recording:
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # An empty file is told of below.
            table = np.genfromtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as cause:
        raise RecordingError(f"{path} is no readable CSV ({cause})") from cause
    if not table.size:
        raise RecordingError(f"{path} is empty; write one sample a line, the ECG in the last column")
    has_header = bool(np.isnan(table[0]).all())
    signal = table[has_header:, -1]
    if len(signal) and np.isnan(signal).any():
        line = int(np.isnan(signal).argmax()) + 1 + has_header
        raise RecordingError(f"{path}, line {line}: no number in the last column, where the ECG is expected")
    in_millivolt = len(signal) and np.abs(signal).max() <= HIGHEST_MILLIVOLT
    counts = signal * COUNTS_PER_MILLIVOLT if in_millivolt else signal
    return _recording(path.stem, resampled(counts, sample_rate_hz), None, str(path))


def _from_wfdb(record: str, database: str | None) -> Recording:
    wfdb = _library()
    origin = f"{database}:{record}" if database else record
    signals, fields = _read(lambda: wfdb.rdsamp(record, pn_dir=database), origin, is_remote=database is not None)
    lead = next((fields["sig_name"].index(name) for name in PREFERRED_LEADS if name in fields["sig_name"]), 0)
    millivolt, rate_hz = signals[:, lead], float(fields["fs"])
    beats = _annotated(wfdb, record, database, rate_hz)
    counts = resampled(millivolt * COUNTS_PER_MILLIVOLT, rate_hz)
    return _recording(Path(record).name, counts, beats, origin)


def _annotated(wfdb: Any, record: str, database: str | None, rate_hz: float) -> tuple[Any, Any] | None:
    try:
        marks = wfdb.rdann(record, "atr", pn_dir=database)
    except (OSError, ValueError):
        return None  # Many recordings have no reference beats; their windows are then of unknown truth.
    return np.rint(marks.sample * SAMPLE_RATE_HZ / rate_hz).astype(np.int32), np.array(marks.symbol)


def _recording(name: str, counts: NDArray[np.float64], marks: tuple[Any, Any] | None, origin: str) -> Recording:
    return Recording(
        patient=name,
        signal=as_counts(counts, origin),
        beats=None if marks is None else Beats.from_symbols(*marks),
        flutter=np.zeros(0, np.int32) if marks is None else marks[0][marks[1] == FLUTTER_WAVE],
    )


def _read(reading: Callable[[], Any], origin: str, *, is_remote: bool) -> Any:
    """Translate whatever wfdb, its network client or the file system raise: each has errors of its own."""
    try:
        return reading()
    except Exception as cause:
        if is_remote:  # The cause's own words are the network library's: a page about pools and retries.
            raise RecordingError(
                f"{origin} could not be fetched ({type(cause).__name__}); it takes a network that reaches "
                "physionet.org and a record that is there"
            ) from cause
        raise RecordingError(
            f"{origin} could not be read ({type(cause).__name__}: {cause}); a record needs its .hea and .dat files"
        ) from cause


def _library() -> Any:
    try:
        import wfdb  # noqa: PLC0415  # Optional: only whoever reads WFDB carries it.
    except ImportError as cause:
        raise RecordingError(f"reading WFDB needs the wfdb package: {installing('wfdb')}") from cause
    return wfdb
