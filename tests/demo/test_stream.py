"""The demo plays what ships, or what the user names."""

from pathlib import Path

import numpy as np
import pytest

from meshd.demo.stream import Stream
from model_registry.zoo.ecg.errors import RecordingError


def test_the_shipped_stream_is_mostly_calm_and_says_what_is_real() -> None:
    stream = Stream.shipped()
    assert stream.anomalous is not None
    assert stream.windows.shape == (len(stream), 3600)
    assert 0.05 <= stream.anomalous.mean() <= 0.15
    assert not (stream.anomalous & ~stream.real).any()


def test_a_recording_of_the_users_own_needs_no_annotations(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("\n".join(f"{value:.3f}" for value in np.sin(np.arange(7300) / 40)))
    stream = Stream.of(str(path), csv_rate_hz=360.0)
    assert (len(stream), stream.anomalous, stream.source) == (2, None, str(path))
    assert stream.real.all()


def test_a_csv_of_another_rate_is_as_long_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("\n".join(f"{value:.3f}" for value in np.sin(np.arange(5050) / 40)))
    assert len(Stream.of(str(path), csv_rate_hz=250.0)) == 2


def test_a_file_that_is_no_recording_is_refused() -> None:
    with pytest.raises(RecordingError, match=r"give a \.npz, \.csv or \.hea file"):
        Stream.of("window.jpeg", csv_rate_hz=360.0)
