"""Recorded bandwidths: files of ``seconds megabits_per_second``, one sample a line.

Most that are published are of wide-area links (HSDPA in Oslo, FCC, Oboe, Puffer: 1.3 to 2.9 Mbit/s in the mean). For a
home only their shape is taken: each trace is divided by its own mean, and a family says what the mean shall be. Time is
left as it is.

Recordings of one origin stay in one split, so that no link is ever seen twice: ``fcc_hsdpa`` holds some of the trips
of ``hsdpa_norway``. Files of other folders are dealt out by their names: six of ten to train with, two to validate, two
to test.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policies.errors import FileUnusable
from policies.scenario.family import BandwidthKind
from policies.scenario.luck import salt
from policies.scenario.scenario import Split
from policies.scenario.sources.variation import Variation
from policies.scenario.toml_file import read_text

_SPLIT_OF_FOLDER = {
    "fcc_hsdpa": Split.TRAIN,
    "hsdpa_norway": Split.TRAIN,
    "oboe": Split.VALIDATION,
    "puffer": Split.TEST,
}
_SPREADS: dict[BandwidthKind, tuple[float, float]] = {"steady": (0.05, 0.3), "mobile": (0.3, 0.6), "wild": (0.6, 2.0)}
"""Standard deviation over the mean, [low, high), of the traces that pass for a kind."""

_FEWEST_SAMPLES = 20
_FORM = "Each line is: seconds, a blank, megabits per second."


@cache
def variations(folder: Path, split: Split, kind: BandwidthKind) -> tuple[Variation, ...]:
    """Return the traces below a folder that belong to a split and vary as a kind does; all of the split if none does.

    Raises:
        FileUnusable: there is no such folder, it holds no trace of the split, or a file is not of the form.

    """
    if not folder.is_dir():
        hint = "Name a folder with files of recorded bandwidths, also in folders of their own."
        raise FileUnusable(folder, None, "is no folder.", hint=hint)
    mine = [(float(np.std(trace.shares)), trace) for file, trace in all_traces(folder) if split_of(file) is split]
    if not mine:
        hint = f"Give a folder with more files, or one with folders named {', '.join(_SPLIT_OF_FOLDER)}."
        raise FileUnusable(folder, None, f"holds no bandwidth trace for {split} worlds.", hint=hint)
    low, high = _SPREADS[kind]
    alike = tuple(trace for spread, trace in mine if low <= spread < high)
    return alike or tuple(trace for _, trace in mine)


def split_of(file: Path) -> Split:
    """Return the split that a trace belongs to, by its folder or else by its name."""
    known = _SPLIT_OF_FOLDER.get(file.parent.name)
    if known is not None:
        return known
    tenth = salt(file.name) % 10
    return Split.TRAIN if tenth < 6 else Split.VALIDATION if tenth < 8 else Split.TEST


def read_trace(file: Path) -> Variation | None:
    """Return what a file holds; none where it is too short, or nothing ever passed.

    Raises:
        FileUnusable: with the line that is not of the form.

    """
    samples = _samples(read_text(file), file)
    if len(samples) < _FEWEST_SAMPLES or samples[:, 1].max() <= 0.0:
        return None
    starts_s = samples[:, 0] - samples[0, 0]
    length_s = float(starts_s[-1] + np.median(np.diff(starts_s)))
    lengths_s = np.diff(starts_s, append=length_s)
    mean = float((samples[:, 1] * lengths_s).sum() / length_s)
    shares = samples[:, 1] / mean
    return Variation(
        name=file.name, starts_s=tuple(starts_s.tolist()), shares=tuple(shares.tolist()), length_s=length_s
    )


def all_traces(folder: Path) -> list[tuple[Path, Variation]]:
    """Return every trace below a folder with its file, in order of the paths.

    Raises:
        FileUnusable: a file is not of the form.

    """
    return _read_all(folder.resolve())


@cache
def _read_all(folder: Path) -> list[tuple[Path, Variation]]:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "LICENSE")
    return [(file, trace) for file in files if (trace := read_trace(file)) is not None]


def _samples(text: str, file: Path) -> NDArray[np.float64]:
    if not text.strip():
        return np.empty((0, 2))
    try:
        samples = np.loadtxt(text.splitlines(), ndmin=2)
    except ValueError:
        raise FileUnusable(file, _offending_line(text), "is no sample.", hint=_FORM) from None
    if samples.shape[1] != 2:
        raise FileUnusable(file, 1, "is no sample.", hint=_FORM)
    if (np.diff(samples[:, 0]) <= 0.0).any():
        line = int(np.argmax(np.diff(samples[:, 0]) <= 0.0)) + 2
        raise FileUnusable(file, line, "time does not go on.", hint="Each line is later than the one before.")
    if not np.isfinite(samples).all() or (samples[:, 1] < 0.0).any():
        raise FileUnusable(file, None, "holds a rate below 0 or none at all.", hint=_FORM)
    return samples


def _offending_line(text: str) -> int | None:
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            seconds, rate = line.split()
            float(seconds), float(rate)
        except ValueError:
            return number
    return None
