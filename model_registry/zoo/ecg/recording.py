"""Recordings of one lead and the ten-second windows cut from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from model_registry.zoo.ecg.annotation import FLUTTER_WAVE, Beats
from model_registry.zoo.ecg.errors import RecordingError

SAMPLE_RATE_HZ = 360
COUNTS_PER_MILLIVOLT = 200
WINDOW_SAMPLES = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Ten-second windows: `ecg` int16[windows, 3600], and the beats of each where somebody annotated them."""

    ecg: NDArray[np.int16]
    beats: tuple[Beats, ...] | None
    patient: NDArray[np.str_]

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """Return bool[windows]: the window holds a beat of class S, V or F.

        Raises: RecordingError when nobody annotated the recording.
        """
        if self.beats is None:
            raise RecordingError("this recording carries no beat annotations, so nothing is known about its windows")
        return np.array([beats.anomalous for beats in self.beats], bool)

    @classmethod
    def join(cls, parts: Sequence[Windows]) -> Windows:
        """Return the windows of all parts, in order."""
        known = [part.beats for part in parts if part.beats is not None]
        return cls(
            ecg=np.concatenate([part.ecg for part in parts]),
            beats=tuple(beats for part in known for beats in part) if len(known) == len(parts) else None,
            patient=np.concatenate([part.patient for part in parts]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One patient's lead: `signal` int16[samples] at 360 Hz, 200 counts per millivolt.

    `flutter` holds the samples of ventricular flutter waves, which have no AAMI class.
    """

    patient: str
    signal: NDArray[np.int16]
    beats: Beats | None
    flutter: NDArray[np.int32]

    def windows(self) -> Windows:
        """Cut whole windows from the start; a shorter rest is dropped."""
        count = len(self.signal) // WINDOW_SAMPLES
        beats = self.beats
        starts = range(0, count * WINDOW_SAMPLES, WINDOW_SAMPLES)
        return Windows(
            ecg=self.signal[: count * WINDOW_SAMPLES].reshape(count, WINDOW_SAMPLES),
            beats=None if beats is None else tuple(beats.between(at, at + WINDOW_SAMPLES) for at in starts),
            patient=np.full(count, self.patient),
        )


def load_npz(path: Path, records: Sequence[str] | None = None) -> list[Recording]:
    """Read recordings from keys `sig_NNN`, `pos_NNN`, `sym_NNN`; all of them unless `records` names some.

    Raises: RecordingError when the file, a record or a key is missing, or a signal is not what the key promises.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            names = [key.removeprefix("sig_") for key in archive.files if key.startswith("sig_")]
            if not names:
                raise RecordingError(f"{path} holds no key sig_NNN; it has {', '.join(archive.files[:6]) or 'nothing'}")
            return [_from_archive(archive, path, name) for name in _chosen(names, records, path)]
    except FileNotFoundError:
        raise RecordingError(f"{path} does not exist; docs/ecg-anomaly.md describes the form of the file") from None
    except (OSError, ValueError, EOFError, BadZipFile) as cause:
        raise RecordingError(f"{path} is no readable npz file ({cause})") from cause


def _chosen(names: list[str], records: Sequence[str] | None, path: Path) -> list[str]:
    missing = [name for name in records or () if name not in names]
    if missing:
        raise RecordingError(f"{path} holds no record {', '.join(missing)}; it has {', '.join(sorted(names))}")
    return list(records) if records else sorted(names)


def _from_archive(archive: Any, path: Path, name: str) -> Recording:
    lacking = [key for key in (f"pos_{name}", f"sym_{name}") if key not in archive.files]
    if lacking:
        raise RecordingError(f"{path} holds sig_{name} but not {' nor '.join(lacking)}")
    signal, sample, symbol = archive[f"sig_{name}"], archive[f"pos_{name}"], archive[f"sym_{name}"]
    if sample.shape != symbol.shape or sample.ndim != 1 or not np.issubdtype(sample.dtype, np.integer):
        raise RecordingError(f"{path}: pos_{name} and sym_{name} must be integers and symbols of one length")
    if (np.diff(sample) < 0).any():
        raise RecordingError(f"{path}: pos_{name} is not in order of time")
    return Recording(
        patient=name,
        signal=as_counts(signal, f"{path}: sig_{name}"),
        beats=Beats.from_symbols(sample, symbol),
        flutter=sample[symbol == FLUTTER_WAVE].astype(np.int32),
    )


def as_counts(signal: NDArray[Any], origin: str) -> NDArray[np.int16]:
    """Return a signal already in counts as int16[samples].

    Raises: RecordingError for another shape, NaN, values beyond int16, or less than one window.
    """
    if signal.ndim != 1 or not np.issubdtype(signal.dtype, np.number):
        raise RecordingError(f"{origin} must be numbers in one dimension, not {signal.dtype}{list(signal.shape)}")
    if len(signal) < WINDOW_SAMPLES:
        raise RecordingError(f"{origin} has {len(signal)} samples; one window needs {WINDOW_SAMPLES}")
    if not np.isfinite(signal).all():
        raise RecordingError(f"{origin} holds NaN or infinite samples; cut them out or fill them first")
    if np.abs(signal.astype(np.float64)).max() > np.iinfo(np.int16).max:
        raise RecordingError(f"{origin} goes beyond int16; the unit must be {COUNTS_PER_MILLIVOLT} counts per mV")
    return np.asarray(np.rint(signal), np.int16)
