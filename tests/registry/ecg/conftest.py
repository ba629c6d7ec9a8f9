from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_registry.zoo.ecg.demo_stream import DemoStream
from model_registry.zoo.ecg.family import Family

DATA = Path(os.environ.get("MESHD_ECG_DATA", "../shared/data/ecg/mitdb_ds1.npz"))


@pytest.fixture(scope="session")
def family() -> Family:
    return Family()


@pytest.fixture(scope="session")
def stream() -> DemoStream:
    return DemoStream.load()


@pytest.fixture
def ds1() -> Path:
    if not DATA.exists():
        pytest.skip(f"needs the annotated records of DS1: {DATA} is not here, and MESHD_ECG_DATA names no other place")
    return DATA


Archive = Callable[..., Path]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Write an npz of the shared form with one record, any of whose keys may be replaced."""

    def write(name: str = "900", **changed: NDArray[np.generic]) -> Path:
        seconds = np.arange(3 * 3600 + 500) / 360
        keys: dict[str, NDArray[np.generic]] = {
            f"sig_{name}": (200 * np.sin(2 * np.pi * seconds)).astype(np.int16),
            f"pos_{name}": np.array([100, 3599, 3600, 5000, 7300, 10900], np.int32),
            f"sym_{name}": np.array(["+", "N", "V", "!", "Q", "A"]),
        }
        path = tmp_path / "records.npz"
        np.savez(path, **(keys | changed))  # type: ignore[arg-type]
        return path

    return write
