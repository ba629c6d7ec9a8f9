"""The draft of a manifest says what the model takes and gives, found by running it."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the convert extra")

from onnx import TensorProto, helper  # noqa: E402

from model_registry.convert.draft import Draft  # noqa: E402
from model_registry.convert.drafting import Wishes, draft, model_name  # noqa: E402
from model_registry.convert.errors import ModelRefused  # noqa: E402
from model_registry.convert.imported import Imported  # noqa: E402
from model_registry.convert.samples import Samples  # noqa: E402
from model_registry.manifest import Lifecycle  # noqa: E402
from model_registry.tensor import Axis, Tensor  # noqa: E402
from tests.registry.convert.models import built, classifier, convolution, saved  # noqa: E402

TODAY = dt.date(2026, 11, 21)
SHA = "ab" * 32


def drafted(
    model: Any, folder: Path, *, classes: tuple[int | str, ...] = (), samples: Samples | None = None, **axes: Axis
) -> Draft:
    imported = Imported(
        path=saved(model, folder / "m.onnx"),
        format="onnx",
        origin="My Net v2.onnx",
        origin_bytes=1,
        origin_sha256=SHA,
        classes=classes,
    )
    return draft(imported, Wishes(axes=axes), samples, today=TODAY)


def test_a_draft_holds_everything_that_no_variant_changes(tmp_path: Path) -> None:
    assert drafted(classifier(), tmp_path) == Draft(
        name="my-net-v2",
        version="1.0.0",
        summary="Imported from My Net v2.onnx.",
        license="LicenseRef-unknown",
        task="unspecified",
        privacy="household",
        lifecycle=Lifecycle(imported=TODAY, origin="My Net v2.onnx", origin_sha256=SHA),
        axes={"batch": Axis(min=1, max=64)},
        inputs=(Tensor(name="features", dtype="float32", shape=("batch", 16)),),
        outputs=(Tensor(name="scores", dtype="float32", shape=("batch", 3)),),
    )


@pytest.mark.parametrize(
    ("file", "name"),
    [("net.onnx", "net"), ("Résumé (1).pt2", "r-sum-1"), ("___.onnx", "model"), ("a" * 90 + ".pt", "a" * 64)],
)
def test_a_model_is_named_after_its_file(file: str, name: str) -> None:
    assert model_name(file) == name


def test_an_axis_that_the_graph_leaves_open_is_found_by_running_it(tmp_path: Path) -> None:
    (output,) = drafted(convolution(time=32), tmp_path).outputs
    assert output.shape == ("batch", 4, 16)


def test_a_batch_of_one_or_two_is_a_batch_in_what_comes_out_too(tmp_path: Path) -> None:
    made = drafted(classifier(batch="n"), tmp_path, batch=Axis(max=2))
    assert [tensor.shape[0] for tensor in (*made.inputs, *made.outputs)] == ["batch", "batch"]


def test_an_axis_that_follows_from_another_gets_bounds_of_its_own(tmp_path: Path) -> None:
    made = drafted(convolution(time="t"), tmp_path, t=Axis(min=4, max=64))
    assert made.outputs[0].shape == ("batch", 4, "map_2")
    assert made.axes == {"batch": Axis(max=64), "t": Axis(min=4, max=64), "map_2": Axis(min=1, max=32)}


def test_the_columns_of_a_classifier_are_described(tmp_path: Path) -> None:
    (output,) = drafted(classifier(), tmp_path, classes=("calm", "wild", "odd")).outputs
    assert output.description == "One column a class: calm, wild, odd."


def test_a_tensor_of_words_cannot_be_carried(tmp_path: Path) -> None:
    words = built(
        [helper.make_node("Identity", ["words"], ["same"])],
        inputs={"words": (TensorProto.STRING, ["n"])},
        outputs={"same": (TensorProto.STRING, ["n"])},
    )
    with pytest.raises(ModelRefused, match=r"'words' is tensor\(string\), which the mesh does not carry"):
        drafted(words, tmp_path)


def test_an_operator_that_no_runtime_has_is_named(tmp_path: Path) -> None:
    model = classifier()
    model.opset_import.append(helper.make_opsetid("acme", 1))
    model.graph.node[1].op_type, model.graph.node[1].domain = "Levitate", "acme"
    with pytest.raises(ModelRefused, match=r"Every node would refuse .*acme\.Levitate"):
        drafted(model, tmp_path)


def test_a_model_that_fails_on_its_own_form_is_refused_with_the_extents(tmp_path: Path) -> None:
    reshaped = built(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, ["n", 4])},
        outputs={"y": (TensorProto.FLOAT, [None, None])},
        constants={"shape": [3, 7]},
    )
    with pytest.raises(ModelRefused, match=r"does not run on an input of the form that it declares \(batch = 2\)"):
        drafted(reshaped, tmp_path)


def test_a_file_that_nodes_refuse_unread_is_never_loaded(tmp_path: Path) -> None:
    huge = built(
        [helper.make_node("ConstantOfShape", ["shape"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, ["n"])},
        outputs={"y": (TensorProto.FLOAT, [None, None])},
        constants={"shape": [2**20, 2**20]},
    )
    huge.graph.initializer.append(onnx.TensorProto(name="hole", data_type=1, dims=[2**40]))
    with pytest.raises(ModelRefused, match="Every node would refuse"):
        drafted(huge, tmp_path)


def for_one_rate() -> Any:
    """Return a model that fails unless `rate` is 16000, as a detector of speech does for rates that it has not seen."""
    return built(
        [
            helper.make_node("Sub", ["rate", "usual"], ["place"]),
            helper.make_node("Gather", ["gains", "place"], ["gain"]),
            helper.make_node("Mul", ["signal", "gain"], ["level"]),
        ],
        inputs={"signal": (TensorProto.FLOAT, ["n", "time"]), "rate": (TensorProto.INT64, [])},
        outputs={"level": (TensorProto.FLOAT, ["n", "time"])},
        constants={"usual": np.int64(16000), "gains": np.ones(1, np.float32)},
    )


def test_a_model_that_takes_only_certain_values_is_tried_on_the_first_example(tmp_path: Path) -> None:
    given = {"signal": np.zeros((5, 3), np.float32), "rate": np.full(5, 16000)}
    samples = Samples(name="usual.npz", arrays=given, labels=None)
    made = drafted(for_one_rate(), tmp_path, samples=samples, time=Axis(min=1, max=9))
    assert [tensor.shape for tensor in made.outputs] == [("batch", "time")]


def test_without_examples_it_is_refused_with_what_was_tried_and_the_option_that_gives_some(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="tried on noise, in which wide integers are 0 or 1") as refused:
        drafted(for_one_rate(), tmp_path, time=Axis(min=1, max=9))
    assert "give examples of its inputs with --calibration FILE.npz" in refused.value.hint
