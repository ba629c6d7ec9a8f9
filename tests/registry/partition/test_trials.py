"""Parts are held against the whole on the user's data, or on noise, at several lengths of every axis."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="cutting needs the `convert` extra")

import numpy as np

from model_registry.convert.feed import feed
from model_registry.convert.samples import Samples
from model_registry.partition.trials import Trials
from model_registry.tensor import Axis, Tensor

INPUTS = (Tensor(name="x", dtype="float32", shape=("batch", "time")),)
AXES = {"batch": Axis(max=8), "time": Axis(max=20)}


def given(items: int) -> Trials:
    array = np.arange(items * 5, dtype=np.float32).reshape(items, 5)
    samples = Samples(name="usual.npz", arrays={"x": array}, labels=None)
    return Trials(inputs=INPUTS, axes=AXES, feed=feed(samples, INPUTS, AXES))


def shapes(trials: Trials) -> list[tuple[int, ...]]:
    return [inputs["x"].shape for inputs in trials.runs()]


def test_every_item_of_the_users_is_run_and_lengths_beside_them() -> None:
    assert shapes(given(19)) == [(8, 5), (8, 5), (3, 5), (2, 3), (5, 6), (8, 9)]


def test_of_many_items_only_some_are_run() -> None:
    trials = given(1000)

    assert sum(rows for rows, columns in shapes(trials) if columns == 5) == 256
    assert trials.described == "256 items of usual.npz"


def test_noise_is_of_usual_length_and_comes_from_seeds() -> None:
    trials = Trials(inputs=INPUTS, axes=AXES, feed=None)

    assert shapes(trials) == [(2, 3), (5, 6), (8, 9), *[(1, 20)] * 12]
    assert all(np.array_equal(a["x"], b["x"]) for a, b in zip(trials.runs(), trials.runs(), strict=True))
    assert "noise" in trials.described


def test_single_items_are_the_users_own() -> None:
    items = given(3).items()

    assert [inputs["x"].tolist() for inputs in items] == [[[0, 1, 2, 3, 4]], [[5, 6, 7, 8, 9]], [[10, 11, 12, 13, 14]]]


def test_what_is_drawn_of_the_users_data_is_its_first_item_repeated_or_cut() -> None:
    assert given(3).drawn({"batch": 2, "time": 7})["x"].tolist() == [[0, 1, 2, 3, 4, 0, 1]] * 2
