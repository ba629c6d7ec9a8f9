from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_registry.zoo.ecg.annotation import CLASSES, UNCLASSED, Beats
from model_registry.zoo.ecg.errors import RecordingError
from model_registry.zoo.ecg.recording import Windows, load_npz
from tests.registry.ecg.conftest import Archive


def test_every_symbol_has_its_aami_class() -> None:
    symbols = np.array(list("NLRejAaJSVEF/fQ+~|!x[]"))
    beats = Beats.from_symbols(np.arange(len(symbols)), symbols)
    names = ["Q" if label == UNCLASSED else CLASSES[label] for label in beats.label]
    assert "".join(names) == "NNNNNSSSSVVFQQQ"


def test_a_beat_belongs_to_the_window_that_holds_its_sample(archive: Archive) -> None:
    windows = load_npz(archive())[0].windows()
    assert windows.beats is not None
    assert windows.ecg.shape == (3, 3600)
    assert [beats.sample.tolist() for beats in windows.beats] == [[3599], [0], [100]]
    assert [beats.label.tolist() for beats in windows.beats] == [[0], [2], [UNCLASSED]]


def test_only_s_v_and_f_make_a_window_anomalous(archive: Archive) -> None:
    assert load_npz(archive())[0].windows().anomalous.tolist() == [False, True, False]


def test_the_truth_of_unannotated_windows_is_not_made_up() -> None:
    windows = Windows(ecg=np.zeros((1, 3600), np.int16), beats=None, patient=np.array(["me"]))
    with pytest.raises(RecordingError, match="no beat annotations"):
        _ = windows.anomalous


def test_a_missing_record_is_named_with_those_that_are_there(archive: Archive) -> None:
    with pytest.raises(RecordingError, match="no record 901; it has 900"):
        load_npz(archive(), ["901"])


def test_a_file_without_records_says_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(RecordingError, match="no key sig_NNN; it has weights"):
        load_npz(tmp_path / "other.npz")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(RecordingError, match="no readable npz file"):
        load_npz(tmp_path / "torn.npz")


def test_nan_samples_are_refused(archive: Archive) -> None:
    signal = np.zeros(4000)
    signal[17] = np.nan
    with pytest.raises(RecordingError, match="NaN"):
        load_npz(archive(sig_900=signal))


def test_samples_beyond_the_unit_are_refused(archive: Archive) -> None:
    with pytest.raises(RecordingError, match="200 counts per mV"):
        load_npz(archive(sig_900=np.full(4000, 1e6)))


def test_less_than_one_window_is_refused(archive: Archive) -> None:
    with pytest.raises(RecordingError, match="one window needs 3600"):
        load_npz(archive(sig_900=np.zeros(3599, np.int16)))


def test_annotations_out_of_order_are_refused(archive: Archive) -> None:
    with pytest.raises(RecordingError, match="not in order of time"):
        load_npz(archive(pos_900=np.array([5, 4, 3, 2, 1, 0])))
