from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_registry.zoo.ecg.annotation import Beats
from model_registry.zoo.ecg.donors import AFTER, BEFORE, Donors
from model_registry.zoo.ecg.recording import Recording
from model_registry.zoo.ecg.sampling import FRAME_SAMPLES, SPAN, Sampler
from model_registry.zoo.ecg.warp import Warp, is_regular, paced, premature, stretched

REGULAR = Beats(sample=np.arange(200, SPAN, 300, dtype=np.int32), label=np.zeros(len(range(200, SPAN, 300)), np.int8))


def spikes(beats: Beats, length: int = SPAN) -> NDArray[np.float32]:
    """Return a signal that is a narrow hill at every beat."""
    distance = np.abs(np.arange(length)[:, None] - beats.sample[None]).min(axis=1)
    return np.asarray(np.maximum(0, 100 - 20 * distance), np.float32)


def recording(label: int = 0) -> Recording:
    sample = np.arange(200, 30_000, 300, dtype=np.int32)
    beats = Beats(sample=sample, label=np.where(np.arange(len(sample)) % 31 == 4, label, 0).astype(np.int8))
    signal = spikes(beats, 30_000).astype(np.int16)
    return Recording(patient="1", signal=signal, beats=beats, flutter=np.zeros(0, np.int32))


def check_beats_move_with_the_signal(warp: Warp, beats: Beats) -> None:
    window, moved = warp.signal(spikes(beats), 0.0), warp.beats(beats, 0.0)
    assert len(moved.sample) > 5
    assert (window[moved.sample] > 60).all()


def test_beats_move_with_the_signal() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        check_beats_move_with_the_signal(stretched(rng, SPAN, 0.12), REGULAR)
        check_beats_move_with_the_signal(paced(rng, REGULAR, SPAN, depth=0.2), REGULAR)
        check_beats_move_with_the_signal(*premature(rng, REGULAR, SPAN))


def test_a_lent_premature_beat_comes_too_soon_and_is_labelled_s() -> None:
    warp, beats = premature(np.random.default_rng(2), REGULAR, SPAN)
    arrived = np.interp(beats.sample, warp.source, warp.target)
    early = beats.label[1:] == 1
    assert early.any()
    assert (np.diff(arrived)[early] < 0.86 * 300).all()


def test_only_evenly_spaced_ordinary_beats_are_regular() -> None:
    assert is_regular(REGULAR)
    assert not is_regular(Beats(sample=REGULAR.sample, label=np.ones_like(REGULAR.label)))
    assert not is_regular(Beats(sample=np.array([0, 200, 700, 800, 1500, 1600], np.int32), label=np.zeros(6, np.int8)))


def test_a_borrowed_beat_replaces_only_its_place() -> None:
    donors = Donors([recording(label=2)])
    signal = spikes(REGULAR)
    receives = np.arange(len(REGULAR.sample)) == 3
    at = int(REGULAR.sample[3])
    changed = donors.lend(np.random.default_rng(3), signal, REGULAR, receives)
    outside = np.ones(len(signal), bool)
    outside[at - BEFORE : at + AFTER] = False
    np.testing.assert_array_equal(changed[outside], signal[outside])


def test_patients_without_ventricular_beats_lend_none() -> None:
    assert not Donors([recording()])


def test_a_batch_asks_for_each_beat_where_it_is() -> None:
    batch = Sampler([recording(label=2)], seed=4).batch(16)
    asked, marked = batch.klass >= 0, batch.presence > 0
    np.testing.assert_array_equal(asked, marked)
    assert batch.klass.shape == (16, 3600 // FRAME_SAMPLES)
    np.testing.assert_array_equal(batch.anomaly, batch.aami[:, 1:].max(axis=1))
    assert {0.0, 1.0} == set(batch.anomaly.tolist())


def test_the_same_seed_draws_the_same_windows() -> None:
    first, second = (Sampler([recording(label=2)], seed=5).batch(4).ecg for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_flutter_is_never_shown() -> None:
    calm = recording()
    signal = calm.signal.copy()
    signal[2990:3010] = 20_000
    spoilt = Recording(patient="1", signal=signal, beats=calm.beats, flutter=np.array([3000], np.int32))
    assert np.abs(Sampler([spoilt], seed=6).batch(32).ecg).max() < 2_000
