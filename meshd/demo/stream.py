"""The windows that are played, and what is known about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model_registry.zoo.ecg.demo_stream import DemoStream
from model_registry.zoo.ecg.recording import Windows
from model_registry.zoo.ecg.source import read_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Ten-second windows in the order they are played; after the last comes the first again.

    `windows` int16[windows, 3600] at 360 Hz, 200 counts per millivolt. `real` bool[windows]: recorded from a person,
    not simulated. `anomalous` bool[windows]: a beat of class S, V or F is in it; none where nobody annotated it.
    """

    source: str
    windows: NDArray[np.int16]
    real: NDArray[np.bool_]
    anomalous: NDArray[np.bool_] | None

    def __len__(self) -> int:
        """Return the number of different windows."""
        return len(self.windows)

    @classmethod
    def shipped(cls) -> Self:
        """Return the stream that comes with meshd: five real minutes among calm simulated ones."""
        stream = DemoStream.load()
        real = int(stream.real.sum())
        calm = len(stream.real) - real
        source = f"MIT-BIH record 208 ({real} real windows) among {calm} of simulated sinus rhythm"
        return cls(source=source, windows=stream.windows, real=stream.real, anomalous=stream.anomalous)

    @classmethod
    def of(cls, source: str, *, csv_rate_hz: float) -> Self:
        """Read a recording of the user's own: a file, or a record such as ``mitdb:119``; a CSV does not tell its rate.

        Raises:
            RecordingError: it cannot be read or fetched.
        """
        windows = Windows.join([recording.windows() for recording in read_source(source, sample_rate_hz=csv_rate_hz)])
        return cls(
            source=source,
            windows=windows.ecg,
            real=np.ones(len(windows.ecg), bool),
            anomalous=None if windows.beats is None else windows.anomalous,
        )
