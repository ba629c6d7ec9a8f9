"""Lead a set of patients through the whole procedure: learn, then build on others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from model_registry.manifest import Manifest
from model_registry.zoo.ecg.build import HeldOut, build
from model_registry.zoo.ecg.network import FrameNet
from model_registry.zoo.ecg.patients import Split
from model_registry.zoo.ecg.recording import Recording, Windows, load_npz

NAME = "MIT-BIH Arrhythmia Database, DS1 of de Chazal et al. (PhysioNet, ODC-By 1.0, doi 10.13026/C2F305)"


class Dataset:
    """The annotated recordings of one file, by patient."""

    def __init__(self, path: Path) -> None:
        """Read them all.

        Raises: RecordingError for a file of another form.
        """
        self._recordings: Mapping[str, Recording] = {found.patient: found for found in load_npz(path)}
        self._sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    def of(self, patients: tuple[str, ...]) -> list[Recording]:
        """Return the recordings of these patients."""
        return [self._recordings[patient] for patient in patients]

    def windows(self, patients: tuple[str, ...]) -> Windows:
        """Return the windows of these patients."""
        return Windows.join([recording.windows() for recording in self.of(patients)])

    def build(
        self, networks: Mapping[str, FrameNet], split: Split, bundle: Path, *, small: FrameNet | None = None
    ) -> Manifest:
        """Write the bundle of networks that learned from `split.train`, calibrated on `split.calibrate`.

        `small` is a further, smaller watch.

        Raises: CalibrationError when these patients cannot carry the promised bound.
        """
        held_out = HeldOut(windows=self.windows(split.calibrate), dataset=NAME, dataset_sha256=self._sha256)
        return build(networks, self.windows(split.train), held_out, bundle, small=small)
