import numpy as np
import pytest

pytest.importorskip("onnx", reason="the yardstick needs the extra `convert`")

import onnx

from model_registry.advice.device import YARDSTICK_MACS
from model_registry.convert.yardstick import Arithmetic, yardstick
from model_registry.runtime.session import open_session


def multiply_accumulates(model: bytes) -> int:
    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(model)).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.value_info, *graph.output)}
    weights = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    convolutions = (node for node in graph.node if node.op_type == "Conv")
    total = sum(np.prod(shapes[node.output[0]]) * np.prod(weights[node.input[1]][1:]) for node in convolutions)
    return int(total) + 1024 * 1000  # and the classifier


def test_the_yardstick_multiplies_as_often_as_mobilenet_v1() -> None:
    assert multiply_accumulates(yardstick("fp32")) == pytest.approx(YARDSTICK_MACS, rel=1e-3)


@pytest.mark.parametrize("arithmetic", ["fp32", "int8"])
def test_the_yardstick_gives_numbers_in_either_arithmetic(arithmetic: Arithmetic) -> None:
    session = open_session(yardstick(arithmetic), "onnx")
    (scores,) = session.run(["output"], {"input": np.ones((1, 3, 224, 224), np.float32)})
    assert (scores.shape, bool(np.isfinite(scores).all()), float(np.ptp(scores)) > 0) == ((1, 1000), True, True)


def test_it_is_the_same_file_every_time() -> None:
    assert yardstick("int8") == yardstick("int8")
