from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="packing needs the `convert` extra")

from onnx.helper import make_node  # noqa: E402

from model_registry.convert.packing import packed  # noqa: E402
from model_registry.runtime.session import open_session  # noqa: E402

LONG = "/encoder/layers.0/self/attention/output/a_name_as_exporters_write_it"


def model() -> Any:
    """Two quantised layers whose scales and zero points are equal, under long names and with every default said."""
    weights = np.arange(-9, 9, dtype=np.int8).reshape(2, 3, 3)
    constants = {
        f"{LONG}.weights": weights,
        f"{LONG}.again": weights,
        f"{LONG}.scale": np.full(2, 0.25, np.float32),
        f"{LONG}.zero": np.zeros(2, np.int8),
        f"{LONG}.bias": np.array([0.5, -0.5], np.float32),
        f"{LONG}.back": np.ones((3, 2, 1), np.float32),
    }
    plain = {"strides": [1], "dilations": [1], "pads": [1, 1], "group": 1, "kernel_shape": [3]}
    nodes = [
        make_node("DequantizeLinear", [f"{LONG}.{part}" for part in ("weights", "scale", "zero")], ["w"], axis=0),
        make_node("DequantizeLinear", [f"{LONG}.{part}" for part in ("again", "scale", "zero")], ["v"], axis=0),
        make_node("Conv", ["signal", "w", f"{LONG}.bias"], [f"{LONG}.seen"], name=LONG, **plain),
        make_node("Relu", [f"{LONG}.seen"], [f"{LONG}.relu"], doc_string=LONG),
        make_node("Conv", [f"{LONG}.relu", f"{LONG}.back"], [f"{LONG}.three"]),
        make_node("Conv", [f"{LONG}.three", "v"], ["said"], **(plain | {"pads": [0, 0], "strides": [2]})),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        LONG,
        [onnx.helper.make_tensor_value_info("signal", 1, ["batch", 3, 16])],
        [onnx.helper.make_tensor_value_info("said", 1, ["batch", 2, 7])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(made)


def test_a_packed_model_is_valid_smaller_and_answers_bit_for_bit_the_same() -> None:
    whole = model()
    small = packed(whole)
    onnx.checker.check_model(small, full_check=True)
    signal = np.random.default_rng(3).normal(size=(4, 3, 16)).astype(np.float32)
    before, after = (
        open_session(made.SerializeToString()).run(["said"], {"signal": signal})[0] for made in (whole, small)
    )
    np.testing.assert_array_equal(before, after)
    assert small.ByteSize() < whole.ByteSize() / 4


def test_the_names_of_inputs_and_outputs_and_the_metadata_stay() -> None:
    whole = model()
    onnx.helper.set_model_props(whole, {"meshd.manifest": "kept"})
    small = packed(whole)
    assert [value.name for value in (*small.graph.input, *small.graph.output)] == ["signal", "said"]
    assert {entry.key: entry.value for entry in small.metadata_props} == {"meshd.manifest": "kept"}


def test_equal_constants_are_kept_once_and_zero_points_of_zero_not_at_all() -> None:
    small = packed(model())
    assert len(small.graph.initializer) == 4  # Weights, scale, bias and the layer between.
    assert [len(node.input) for node in small.graph.node if node.op_type == "DequantizeLinear"] == [2, 2]


def test_the_model_that_is_packed_stays_as_it_was() -> None:
    whole = model()
    before = whole.SerializeToString()
    packed(whole)
    assert whole.SerializeToString() == before


def test_nodes_are_named_for_whoever_quantises_the_file_later() -> None:
    names = [node.name for node in packed(model(), names_nodes=True).graph.node]
    assert len(set(names)) == len(names)
    assert all(names)


def test_a_graph_with_branches_keeps_its_names() -> None:
    inside = onnx.helper.make_graph(
        [make_node("Identity", ["outer"], ["chosen"])], "b", [], [onnx.helper.make_tensor_value_info("chosen", 1, [1])]
    )
    nodes = [
        make_node("Relu", ["x"], ["outer"]),
        make_node("If", ["flag"], ["y"], then_branch=inside, else_branch=inside),
    ]
    whole = onnx.helper.make_model(
        onnx.helper.make_graph(
            nodes,
            "g",
            [
                onnx.helper.make_tensor_value_info("x", 1, [1]),
                onnx.helper.make_tensor_value_info("flag", onnx.TensorProto.BOOL, []),
            ],
            [onnx.helper.make_tensor_value_info("y", 1, [1])],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    session = open_session(packed(whole).SerializeToString())
    assert session.run(["y"], {"x": np.array([2], np.float32), "flag": np.array(1, bool)})[0].tolist() == [2.0]
