"""The user's data: items for a model's inputs, and what the right answers are."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.convert.errors import SamplesRefused

Array = NDArray[Any]
MOST_BYTES = 4 << 30
"""Unpacked: a zip file of a few kB can claim more than any memory."""
_LABEL_KEYS = ("labels", "label", "y", "target", "targets")


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Arrays by input, first axis the items; labels with as many items, where there are any."""

    name: str
    """The file that they came from."""
    arrays: Mapping[str, Array]
    labels: Array | None
    labels_key: str = ""
    """The name that the labels were told by, where nobody said which array they are."""

    @property
    def count(self) -> int:
        """Return how many items there are."""
        return len(next(iter(self.arrays.values())))

    def sha256(self) -> str:
        """Return a hash of names, forms and contents."""
        found = hashlib.sha256()
        labelled = {**self.arrays, "": self.labels} if self.labels is not None else self.arrays
        for name, array in sorted(labelled.items()):
            found.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    def not_finite(self) -> tuple[str, int] | None:
        """Return the first array that holds NaN or infinity, and its first such item; none where all are numbers."""
        for name, array in self.arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                return name, int(np.argwhere(~np.isfinite(array))[0, 0])
        return None

    def given_for(self, inputs: Collection[str]) -> Samples:
        """Return the same for a model of these inputs: an array that has the name of one is no labels."""
        if self.labels is None or self.labels_key not in inputs:
            return self
        return Samples(name=self.name, arrays={**self.arrays, self.labels_key: self.labels}, labels=None)

    def pick(self, chosen: Array) -> Samples:
        """Return the items at the indices int[items]."""
        labels = None if self.labels is None else self.labels[chosen]
        return Samples(name=self.name, arrays={n: a[chosen] for n, a in self.arrays.items()}, labels=labels)


def read_samples(path: Path, labels: str = "") -> Samples:
    """Read an .npz with an array for each input; `labels` is a key of it, or an .npz, .npy or .csv file.

    Raises:
        SamplesRefused: a file is missing, damaged, too large or pickled, or the arrays differ in their number of items.

    """
    arrays = _read_npz(path)
    usual = "" if labels else _labels_key(arrays)
    found = arrays.pop(labels or usual, None)
    if labels and found is None:
        found = read_labels(Path(labels), arrays)
    if found is not None and found.dtype.kind not in "biuf":
        raise SamplesRefused(
            f"The labels of {path.name} are {found.dtype}, no numbers.", hint="Write each class as its column's number."
        )
    if found is not None and not np.isfinite(found).all():
        raise SamplesRefused(
            f"The labels of {path.name} hold NaN or infinity.", hint="Leave items without a true answer out."
        )
    if not arrays:
        raise SamplesRefused(f"{path.name} holds no array for an input.", hint="Name one array for each input.")
    samples = Samples(name=path.name, arrays=arrays, labels=found, labels_key=usual)
    _check_counts(samples)
    return samples


def read_labels(path: Path, arrays: Mapping[str, Array]) -> Array:
    """Read labels from a file of their own.

    Raises:
        SamplesRefused: it is not there, or holds no one array of numbers.

    """
    if not path.is_file():
        raise SamplesRefused(
            f"--labels {path} is neither a file nor an array of the calibration data.",
            hint=f"Its arrays: {', '.join(arrays)}.",
        )
    if path.suffix == ".csv":
        return _read_csv(path)
    if path.suffix == ".npy":
        return _read_npy(path)
    found = _read_npz(path)
    key = next(iter(found), "") if len(found) == 1 else _labels_key(found)
    if not key:
        raise SamplesRefused(f"{path.name} has several arrays: {', '.join(found)}.", hint="Name one of them 'labels'.")
    return found[key]


def _labels_key(arrays: Mapping[str, Array]) -> str:
    """Return the usual name of labels that one of several arrays has; nothing where none has one."""
    return next((key for key in _LABEL_KEYS if key in arrays and len(arrays) > 1), "")


def _read_npz(path: Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(path) as archive:
            size_bytes = sum(member.file_size for member in archive.infolist())
        if size_bytes > MOST_BYTES:
            raise SamplesRefused(
                f"{path.name} unpacks to {size_bytes / 1e9:.1f} GB; at most {MOST_BYTES / 1e9:.1f} GB are read.",
                hint="A few hundred items are enough to calibrate, a few thousand to measure.",
            )
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except FileNotFoundError as error:
        raise SamplesRefused(f"{path} is not there.", hint="Check the path.") from error
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SamplesRefused(
            f"{path.name} cannot be read as .npz: {error}.",
            hint="Write it with numpy.savez(file, input_name=array), without objects in it.",
        ) from error


def _read_npy(path: Path) -> Array:
    try:
        labels: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SamplesRefused(f"{path.name} cannot be read as .npy: {error}.") from error
    return labels


def _read_csv(path: Path) -> Array:
    """Read the last column; a first line that is no number is its heading."""
    last = [line.rpartition(",")[2].strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        return np.asarray(last, np.float64)
    except ValueError:
        pass
    try:
        return np.asarray(last[1:], np.float64)
    except ValueError as error:
        raise SamplesRefused(
            f"{path.name} holds labels that are no numbers: {error}.", hint="Write each class as its column's number."
        ) from error


def _check_counts(samples: Samples) -> None:
    every = {**samples.arrays, "the labels": samples.labels} if samples.labels is not None else dict(samples.arrays)
    for name, array in every.items():
        if array.ndim == 0 or len(array) == 0:
            raise SamplesRefused(f"'{name}' in {samples.name} has no items.", hint="The first axis counts the items.")
        if len(array) != samples.count:
            first = next(iter(samples.arrays))
            raise SamplesRefused(
                f"{samples.name} has {samples.count} items of '{first}' and {len(array)} of '{name}'.",
                hint="Every array needs the same items in the same order.",
            )
