"""The stream the demo plays: real ectopic minutes among simulated calm ones, shipped with the package."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.zoo.ecg.annotation import Beats

SHIPPED = Path(__file__).parent / "demo_stream.npz"

ATTRIBUTION = (
    "Windows marked real: MIT-BIH Arrhythmia Database, record 208, lead MLII, from 19:34.5 to 24:34.5 "
    "(Moody and Mark, IEEE Eng in Med and Biol 20(3):45-50, 2001; PhysioNet, ODC-By 1.0, doi 10.13026/C2F305), "
    "as distributed by SciPy 1.11.4 (BSD 3-Clause); beat labels from the same record. "
    "All others: sinus rhythm simulated with neurokit2 (MIT)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStream:
    """Windows in the order they are played, and what is known about them.

    `windows` int16[windows, 3600] at 360 Hz, 200 counts per millivolt; `real` and `anomalous` bool[windows]. Beats of
    real windows: `beat_window` int32[beats], `beat_sample` int32[beats] in that window, `beat_class` int8[beats], an
    index into annotation.CLASSES or -1. Simulated windows hold sinus beats only, which are not listed.
    """

    windows: NDArray[np.int16]
    real: NDArray[np.bool_]
    anomalous: NDArray[np.bool_]
    beat_window: NDArray[np.int32]
    beat_sample: NDArray[np.int32]
    beat_class: NDArray[np.int8]
    attribution: str

    @classmethod
    def load(cls, path: Path = SHIPPED) -> DemoStream:
        """Read a stream that `save` wrote."""
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return cls(attribution=str(arrays.pop("attribution")), **arrays)

    def save(self, path: Path) -> None:
        """Write the stream as a compressed npz with one key for each field."""
        arrays: dict[str, Any] = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        np.savez_compressed(path, **arrays)

    def beats(self, window: int) -> Beats:
        """Return the annotated beats of one real window."""
        inside = self.beat_window == window
        return Beats(sample=self.beat_sample[inside], label=self.beat_class[inside])
