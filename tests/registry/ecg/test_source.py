from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_registry.zoo.ecg import source
from model_registry.zoo.ecg.errors import RecordingError
from model_registry.zoo.ecg.source import read_source, resampled
from tests.registry.ecg.conftest import Archive

MILLIVOLT = np.sin(2 * np.pi * np.arange(4000) / 360)


def write_csv(path: Path, rows: list[str]) -> str:
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def test_an_npz_is_read_with_its_annotations(archive: Archive) -> None:
    assert read_source(str(archive()))[0].beats is not None


def test_a_csv_in_millivolts_becomes_counts(tmp_path: Path) -> None:
    recording = read_source(write_csv(tmp_path / "me.csv", ["mV", *(f"{value:.6f}" for value in MILLIVOLT)]))[0]
    assert (recording.patient, recording.beats) == ("me", None)
    np.testing.assert_array_equal(recording.signal, np.rint(200 * MILLIVOLT))


def test_a_csv_in_counts_stays_as_it_is(tmp_path: Path) -> None:
    counts = np.rint(200 * MILLIVOLT).astype(int)
    rows = [f"{at},{value}" for at, value in enumerate(counts)]
    np.testing.assert_array_equal(read_source(write_csv(tmp_path / "me.csv", rows))[0].signal, counts)


def test_a_hole_in_a_csv_is_named_by_its_line(tmp_path: Path) -> None:
    rows = ["mV", "0.1", "oops", *["0.2"] * 4000]
    with pytest.raises(RecordingError, match="line 3: no number"):
        read_source(write_csv(tmp_path / "me.csv", rows))


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_csv_is_refused_with_what_it_should_hold(content: str, tmp_path: Path) -> None:
    (tmp_path / "me.csv").write_text(content)
    with pytest.raises(RecordingError, match="is empty; write one sample a line"):
        read_source(str(tmp_path / "me.csv"))


@pytest.mark.parametrize("rate_hz", [125.0, 250.0, 500.0, 1000.0])
def test_another_sample_rate_keeps_the_heart_s_own(rate_hz: float) -> None:
    wave = np.sin(2 * np.pi * 5 * np.arange(int(20 * rate_hz)) / rate_hz)
    wanted = np.sin(2 * np.pi * 5 * np.arange(7200) / 360)
    assert np.abs(resampled(wave, rate_hz) - wanted)[360:-360].max() < 0.02


def test_what_360_hz_cannot_carry_is_filtered_rather_than_folded() -> None:
    hum = np.sin(2 * np.pi * 350 * np.arange(20_000) / 1000)
    assert np.abs(resampled(hum, 1000.0))[360:-360].max() < 0.05


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, 20_000.0, float("nan")])
def test_an_impossible_sample_rate_is_refused(rate_hz: float) -> None:
    with pytest.raises(RecordingError, match="sample rate"):
        resampled(MILLIVOLT, rate_hz)


def test_an_unknown_form_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"\.npz, \.csv or \.hea file, or a record such as mitdb:119"):
        read_source(str(tmp_path / "me.mp3"))


def test_a_missing_wfdb_record_says_what_is_needed(tmp_path: Path) -> None:
    pytest.importorskip("wfdb", reason="the wfdb extra is not installed")
    with pytest.raises(RecordingError, match=r"a record needs its \.hea and \.dat files"):
        read_source(str(tmp_path / "none.hea"))


def test_a_record_that_cannot_be_fetched_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Offline:
        def rdsamp(self, record: str, pn_dir: str) -> None:
            raise ConnectionError(f"pool(host='physionet.org'): retries exceeded with url: /{pn_dir}/{record}")

    monkeypatch.setattr(source, "_library", Offline)
    with pytest.raises(RecordingError) as told:
        read_source("mitdb:119")
    assert str(told.value) == (
        "mitdb:119 could not be fetched (ConnectionError); it takes a network that reaches physionet.org "
        "and a record that is there"
    )


@pytest.mark.filterwarnings("default")  # wfdb's own, on newer numpy and pandas.
def test_a_wfdb_record_is_read_at_360_hz_with_its_beats(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb", reason="the wfdb extra is not installed")
    wave = np.sin(2 * np.pi * np.arange(3000) / 250)
    wfdb.wrsamp(
        "me", fs=250, units=["mV", "mV"], sig_name=["V5", "MLII"], p_signal=np.column_stack([0 * wave, wave]),
        fmt=["16", "16"], write_dir=str(tmp_path),
    )  # fmt: skip
    wfdb.wrann("me", "atr", np.array([250, 500]), symbol=["N", "V"], write_dir=str(tmp_path))
    recording = read_source(str(tmp_path / "me.hea"))[0]
    assert recording.beats is not None
    assert (recording.beats.sample.tolist(), recording.beats.label.tolist()) == ([360, 720], [0, 2])
    assert (len(recording.signal), abs(int(recording.signal[90]) - 200) <= 2) == (4320, True)
