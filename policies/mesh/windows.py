"""What is asked about: the heart windows that come with meshd, and what a radio takes of them."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from meshd.core.node import DeviceClass
from meshd.demo.stream import Stream
from model_registry import codec
from model_registry.manifest import Manifest

Windows = NDArray[np.int16]
"""int16[windows, samples]"""


class Judged(Struct, frozen=True, kw_only=True):
    """What every tier says of every window, and what an expert did."""

    scores: Mapping[DeviceClass, tuple[float, ...]]
    is_anomaly: tuple[bool, ...]

    def calm(self, bands: Mapping[DeviceClass, tuple[float, float]]) -> list[int]:
        """Return the windows that no tier escalates: none of their scores lies in its band [low, high)."""
        return [
            window
            for window in range(len(self.is_anomaly))
            if not any(low <= self.scores[tier][window] < high for tier, (low, high) in bands.items())
        ]


def shipped_windows(most: int) -> tuple[Windows, tuple[bool, ...]]:
    """Return the first windows of the stream that ships, so many at most, and which of them hold an anomaly."""
    stream = Stream.shipped()
    assert stream.anomalous is not None, "the shipped stream is annotated"
    return stream.windows[:most], tuple(bool(one) for one in stream.anomalous[:most])


def ratios(windows: Windows, manifest: Manifest) -> dict[str, float]:
    """Return the bytes on a link per byte of these windows, by each codec that a manifest allows and this machine has.

    A manifest says the median of its own samples; these are calmer, or wilder.
    """
    return {
        one.codec: fmean(_ratio(window, codec.encode(window[None], one)) for window in windows)
        for one in manifest.inputs[0].encodings
        if one.codec in codec.available()
    }


def _ratio(window: Windows, encoded: codec.Encoded | None) -> float:
    return len(encoded.content) / window.nbytes if encoded is not None else 1.0
