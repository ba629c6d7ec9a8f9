"""Every variant answers like its parent in fewer bytes, or says in a sentence why it was not made."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the convert extra")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from model_registry.convert.errors import NotApplicable  # noqa: E402
from model_registry.convert.feed import feed  # noqa: E402
from model_registry.convert.matrices import constant_matrices, with_plain_products  # noqa: E402
from model_registry.convert.samples import Samples  # noqa: E402
from model_registry.convert.variants.fp16 import Fp16  # noqa: E402
from model_registry.convert.variants.int4 import Int4, block_size, packed_bytes  # noqa: E402
from model_registry.convert.variants.int8 import Int8  # noqa: E402
from model_registry.convert.variants.int8_dynamic import Int8Dynamic  # noqa: E402
from model_registry.convert.variants.pruned import Pruned  # noqa: E402
from model_registry.convert.variants.recipe import Parent, Recipe, tool  # noqa: E402
from model_registry.convert.variants.slim import Slim  # noqa: E402
from model_registry.runtime.session import open_session  # noqa: E402
from model_registry.tensor import Axis, Tensor  # noqa: E402
from tests.registry.convert.models import built, classifier, convolution, saved  # noqa: E402

X = np.random.default_rng(1).standard_normal((64, 256)).astype(np.float32)


def parent(folder: Path, model: Any | None = None, *, calibrated: bool = True) -> Parent:
    given = feed(
        Samples(name="d", arrays={"features": X}, labels=None),
        (Tensor(name="features", dtype="float32", shape=("batch", 256)),),
        {"batch": Axis(max=64)},
    )
    path = saved(model or classifier(features=256, batch="batch"), folder / "parent.onnx")
    return Parent(path, given if calibrated else None)


def scores(path: Path) -> Any:
    return open_session(path.read_bytes()).run(["scores"], {"features": X})[0]


@pytest.mark.parametrize(
    ("recipe", "share", "tolerance"),
    [(Int8(), 0.35, 0.1), (Int8Dynamic(), 0.35, 0.1), (Fp16(), 0.55, 0.01), (Int4(), 0.25, 0.3)],
)
def test_a_variant_is_smaller_and_answers_alike(tmp_path: Path, recipe: Recipe, share: float, tolerance: float) -> None:
    given, target = parent(tmp_path), tmp_path / "variant.onnx"
    done = recipe.make(given, target)
    assert "onnxruntime 1." in done
    assert target.stat().st_size < share * given.path.stat().st_size
    truth = scores(given.path)
    assert np.linalg.norm(scores(target) - truth) < tolerance * np.linalg.norm(truth)
    assert scores(target).dtype == np.float32


def test_slimming_folds_what_is_constant_and_keeps_names_and_answers(tmp_path: Path) -> None:
    model = classifier(features=256, batch="batch")
    model.graph.node.insert(0, helper.make_node("Mul", ["second_half", "two"], ["second"]))
    (second,) = (tensor for tensor in model.graph.initializer if tensor.name == "second")
    second.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(second) / 2, "second_half"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(2), "two"))
    given = parent(tmp_path, model)
    assert Slim().make(given, tmp_path / "slim.onnx").startswith("slimmed with onnxslim ")
    assert "Mul" not in {node.op_type for node in onnx.load(tmp_path / "slim.onnx").graph.node}
    assert np.allclose(scores(tmp_path / "slim.onnx"), scores(given.path), atol=1e-5)


@pytest.mark.parametrize("recipe", [Int8(), Int8Dynamic(), Fp16(), Int4()])
def test_a_graph_that_is_quantised_already_is_left_alone(tmp_path: Path, recipe: Recipe) -> None:
    given = parent(tmp_path)
    Int8().make(given, tmp_path / "int8.onnx")
    with pytest.raises(NotApplicable, match=r"quantised already\. Import the model that it was made from"):
        recipe.make(Parent(tmp_path / "int8.onnx", given.calibration), tmp_path / "again.onnx")


@pytest.mark.parametrize("recipe", [Int8(), Int8Dynamic(), Fp16(), Int4()])
def test_a_graph_without_float_weights_has_nothing_to_make_smaller(tmp_path: Path, recipe: Recipe) -> None:
    plain = built(
        [helper.make_node("Relu", ["x"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, ["batch", 4])},
        outputs={"y": (TensorProto.FLOAT, ["batch", 4])},
    )
    with pytest.raises(NotApplicable, match="holds no float32 weights"):
        recipe.make(parent(tmp_path, plain), tmp_path / "variant.onnx")


def test_int8_without_data_says_how_to_give_some(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match=r"no calibration data was given.*--calibration FILE\.npz"):
        Int8().make(parent(tmp_path, calibrated=False), tmp_path / "int8.onnx")


@pytest.mark.parametrize("recipe", [Int8Dynamic(), Int4()])
def test_a_graph_without_matrix_products_has_none_to_quantise(tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(NotApplicable, match="no matrix product of constants"):
        recipe.make(parent(tmp_path, convolution()), tmp_path / "variant.onnx")


def test_pruning_is_left_to_training_and_says_with_which_command(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match=r"\[torch\]'.*, then: python -m model_registry\.distill .*--prune"):
        Pruned().make(parent(tmp_path), tmp_path / "pruned.onnx")


def test_a_single_layer_has_no_channels_to_prune(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="no chain of convolutions or matrix products"):
        Pruned().make(parent(tmp_path, convolution()), tmp_path / "pruned.onnx")


@pytest.mark.parametrize("recipe", [Int8(), Int8Dynamic(), Fp16(), Int4(), Pruned()])
def test_what_keeps_its_weights_in_attributes_is_named(tmp_path: Path, recipe: Recipe) -> None:
    regression = built(
        [helper.make_node("LinearRegressor", ["x"], ["y"], domain="ai.onnx.ml", coefficients=[1.0, 2.0, 3.0, 4.0])],
        inputs={"x": (TensorProto.FLOAT, ["batch", 4])},
        outputs={"y": (TensorProto.FLOAT, ["batch", 1])},
    )
    regression.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    with pytest.raises(NotApplicable, match="Its numbers are attributes of LinearRegressor"):
        recipe.make(parent(tmp_path, regression), tmp_path / "variant.onnx")


def test_a_converter_that_fails_without_a_word_still_makes_a_sentence() -> None:
    told = r"^The converter failed on this graph, which it was not made for\.$"
    with pytest.raises(NotApplicable, match=told), tool("The converter"):
        raise AssertionError


def test_half_precision_survives_casts_and_the_largest_of_a_row(tmp_path: Path) -> None:
    model = built(
        [
            helper.make_node("Cast", ["features"], ["x"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["x", "w"], ["all"]),
            helper.make_node("TopK", ["all", "k"], ["scores", "places"], axis=1),
        ],
        inputs={"features": (TensorProto.INT32, ["batch", 8])},
        outputs={"scores": (TensorProto.FLOAT, ["batch", 3])},
        constants={"w": np.eye(8, dtype=np.float32), "k": np.array([3])},
    )
    Fp16().make(parent(tmp_path, model), tmp_path / "half.onnx")
    session = open_session((tmp_path / "half.onnx").read_bytes())
    (largest,) = session.run(["scores"], {"features": np.arange(8, dtype=np.int32)[np.newaxis]})
    assert largest.dtype == np.float32
    assert largest.tolist() == [[7.0, 6.0, 5.0]]


def test_int4_takes_the_smallest_blocks_that_keep_to_the_share() -> None:
    assert block_size([(384, 384), (1536, 384)]) == 128
    assert packed_bytes([(256, 10)], 128) == 10 * (2 * (64 + 4) + 1)


def test_int4_of_small_matrices_would_save_nothing() -> None:
    with pytest.raises(NotApplicable, match=r"would take \d+% of what eight-bit ones take"):
        block_size([(20, 64)])


def test_int4_files_hold_as_many_bytes_as_the_block_size_was_chosen_by(tmp_path: Path) -> None:
    given = parent(tmp_path)
    Int4().make(given, tmp_path / "int4.onnx")
    shapes = list(constant_matrices(given.model).values())
    kept = {tensor.name for tensor in given.model.graph.initializer} - constant_matrices(given.model).keys()
    constants = onnx.load(tmp_path / "int4.onnx").graph.initializer
    held = sum(numpy_helper.to_array(tensor).nbytes for tensor in constants if tensor.name not in kept)
    assert held == packed_bytes(shapes, block_size(shapes))


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_gemm_becomes_a_product_and_a_sum_with_the_same_answer(transposed: int) -> None:
    weights = np.arange(12, dtype=np.float32).reshape(4, 3)
    model = built(
        [helper.make_node("Gemm", ["features", "w", "b"], ["scores"], transB=transposed)],
        inputs={"features": (TensorProto.FLOAT, ["batch", 4])},
        outputs={"scores": (TensorProto.FLOAT, ["batch", 3])},
        constants={"w": weights.T.copy() if transposed else weights, "b": np.ones(3, np.float32)},
    )
    plain = with_plain_products(model)
    assert [node.op_type for node in plain.graph.node] == ["MatMul", "Add"]
    answers = open_session(plain.SerializeToString()).run(["scores"], {"features": X[:5, :4]})[0]
    assert np.allclose(answers, X[:5, :4] @ weights + 1, atol=1e-4)
    assert constant_matrices(model) == {"w": (4, 3)}
