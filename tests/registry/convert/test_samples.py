"""Data of the user's is read whole, without running anything, and held against the model."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry.convert.errors import SamplesRefused
from model_registry.convert.feed import Feed, feed
from model_registry.convert.samples import Samples, read_samples
from model_registry.tensor import Axis, Tensor

X = np.arange(20, dtype=np.float32).reshape(10, 2)
Y = np.arange(10) % 2


def stored(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def fed(x: Any, *shape: int | str, dtype: Any = "float32", longest: int = 64) -> Feed:
    samples = Samples(name="data.npz", arrays={"x": x}, labels=None)
    axes = {"batch": Axis(min=1, max=longest)}
    return feed(samples, (Tensor(name="x", dtype=dtype, shape=shape),), axes)


def test_labels_come_from_the_data_by_their_usual_names_or_by_the_one_given(tmp_path: Path) -> None:
    usual = read_samples(stored(tmp_path, x=X, labels=Y))
    assert (list(usual.arrays), usual.labels is not None) == (["x"], True)
    named = read_samples(stored(tmp_path, x=X, truth=Y), "truth")
    assert np.array_equal(named.labels, Y)  # type: ignore[arg-type]


def test_an_array_with_the_name_of_an_input_is_no_labels(tmp_path: Path) -> None:
    samples = read_samples(stored(tmp_path, x=X, y=X))
    fitted = feed(samples, tuple(Tensor(name=name, dtype="float32", shape=(2,)) for name in "xy"), {}).samples
    assert (sorted(fitted.arrays), fitted.labels) == (["x", "y"], None)


def test_of_two_usual_names_the_one_that_is_told_holds_the_labels(tmp_path: Path) -> None:
    samples = read_samples(stored(tmp_path, x=X, y=X, target=Y), "target")
    assert (sorted(samples.arrays), list(samples.labels)) == (["x", "y"], list(Y))  # type: ignore[arg-type]


@pytest.mark.parametrize("heading", ["", "id,class\n"])
def test_labels_come_from_the_last_column_of_a_csv(tmp_path: Path, heading: str) -> None:
    (tmp_path / "y.csv").write_text(heading + "".join(f"{i},{y}\n" for i, y in enumerate(Y)))
    assert list(read_samples(stored(tmp_path, x=X), str(tmp_path / "y.csv")).labels) == list(Y)  # type: ignore[arg-type]


def test_labels_come_from_npy_and_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", Y)
    np.savez(tmp_path / "y.npz", only=Y)
    data = stored(tmp_path, x=X)
    for file in ("y.npy", "y.npz"):
        assert list(read_samples(data, str(tmp_path / file)).labels) == list(Y)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arrays", "labels", "reason"),
    [
        ({"x": X, "labels": Y[:4]}, "", "has 10 items of 'x' and 4 of 'the labels'"),
        ({"x": np.float32(3)}, "", "'x' in data.npz has no items"),
        ({"x": X, "labels": Y.astype(str)}, "", "The labels of data.npz are <U21, no numbers"),
        ({"x": X, "labels": np.where(Y, np.nan, 0)}, "", r"The labels of data\.npz hold NaN or infinity"),
        ({"x": X}, "nowhere", "--labels nowhere is neither a file nor an array"),
        ({"x": np.array([{}], dtype=object)}, "", "cannot be read as .npz"),
    ],
)
def test_data_that_does_not_fit_together_is_refused(
    tmp_path: Path, arrays: dict[str, Any], labels: str, reason: str
) -> None:
    with pytest.raises(SamplesRefused, match=reason):
        read_samples(stored(tmp_path, **arrays), labels)


def test_a_pickle_under_the_name_of_data_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(SamplesRefused, match=r"cannot be read as \.npz"):
        read_samples(tmp_path / "data.npz")


def test_words_are_no_labels(tmp_path: Path) -> None:
    (tmp_path / "y.csv").write_text("class\ncalm\nwild\n")
    with pytest.raises(SamplesRefused, match="labels that are no numbers"):
        read_samples(stored(tmp_path, x=X), str(tmp_path / "y.csv"))


def test_a_dynamic_batch_takes_what_is_left_at_the_end() -> None:
    given = fed(X, "batch", 2, longest=4)
    assert [len(batch["x"]) for batch in given.batches()] == [4, 4, 2]
    assert (given.items, given.one()["x"].shape) == (10, (1, 2))


def test_a_fixed_batch_leaves_the_rest_out() -> None:
    given = fed(X, 4, 2)
    assert [len(batch["x"]) for batch in given.batches()] == [4, 4]
    assert given.items == 8


def test_an_input_without_a_batch_takes_one_item_a_run() -> None:
    given = fed(X, 2)
    assert [batch["x"].shape for batch in given.batches()] == [(2,)] * 10


def test_a_scalar_stays_a_scalar() -> None:
    assert fed(np.full(3, 16000), dtype="int64").one()["x"].shape == ()


def test_a_batch_that_is_not_the_first_axis_is_moved_there() -> None:
    assert fed(np.zeros((10, 2, 5), np.float32), 2, "batch", 5).one()["x"].shape == (2, 1, 5)


@pytest.mark.parametrize(
    ("array", "dtype", "reason"),
    [
        (X.astype(np.float32)[:, :1], "float32", r"has the shape \(10, 1\), and the model takes \[items, 2\]"),
        (X, "int64", "is float32, and the model takes int64"),
        (np.full((10, 2), 300), "uint8", "numbers that do not fit into uint8"),
    ],
)
def test_data_of_another_form_is_refused(array: Any, dtype: str, reason: str) -> None:
    with pytest.raises(SamplesRefused, match=reason):
        fed(array, "batch", 2, dtype=dtype)


def test_doubles_become_the_floats_that_the_model_takes() -> None:
    assert fed(X.astype(np.float64), "batch", 2).one()["x"].dtype == np.float32


def test_every_input_needs_an_array() -> None:
    samples = Samples(name="d.npz", arrays={"a": X, "b": X}, labels=None)
    with pytest.raises(SamplesRefused, match=r"has no array 'x'; it has a, b\. The model takes x"):
        feed(samples, (Tensor(name="x", dtype="float32", shape=(2,)),), {})
