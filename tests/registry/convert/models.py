"""Small ONNX models, built on the spot, each for one rule of conversion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Extent = int | str | None


def saved(model: Any, path: Path) -> Path:
    """Write a model and return where."""
    path.write_bytes(model.SerializeToString())
    return path


def built(
    nodes: Sequence[Any],
    *,
    inputs: dict[str, tuple[int, Sequence[Extent]]],
    outputs: dict[str, tuple[int, Sequence[Extent]]],
    constants: dict[str, Any] | None = None,
) -> Any:
    """Return a model of opset 17."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, *form) for name, form in inputs.items()],
        [helper.make_tensor_value_info(name, *form) for name, form in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def classifier(*, features: int = 16, hidden: int = 256, classes: int = 3, batch: Extent = "n") -> Any:
    """Return a softmax over two matrix products: `features` to `scores`."""
    rng = np.random.default_rng(0)
    return built(
        [
            helper.make_node("Gemm", ["features", "first", "offset"], ["wide"]),
            helper.make_node("Relu", ["wide"], ["lit"]),
            helper.make_node("MatMul", ["lit", "second"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
        ],
        inputs={"features": (TensorProto.FLOAT, [batch, features])},
        outputs={"scores": (TensorProto.FLOAT, [batch, classes])},
        constants={
            "first": rng.standard_normal((features, hidden)).astype(np.float32),
            "offset": np.zeros(hidden, np.float32),
            "second": rng.standard_normal((hidden, classes)).astype(np.float32) / 16,
        },
    )


def convolution(*, time: Extent = 32) -> Any:
    """Return one convolution that halves the time: `signal` [n, 1, time] to `map` [n, 4, half of it]."""
    return built(
        [helper.make_node("Conv", ["signal", "filters"], ["map"], kernel_shape=[3], strides=[2], pads=[1, 1])],
        inputs={"signal": (TensorProto.FLOAT, ["n", 1, time])},
        outputs={"map": (TensorProto.FLOAT, [None, 4, None])},
        constants={"filters": np.ones((4, 1, 3), np.float32)},
    )


def with_external_data(folder: Path, location: str, **entries: str) -> Path:
    """Write `model.onnx` whose one weight, of 64 bytes, is said to lie in `location`."""
    model = built(
        [helper.make_node("Add", ["x", "weight"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, ["n", 16])},
        outputs={"y": (TensorProto.FLOAT, ["n", 16])},
        constants={"weight": np.arange(16, dtype=np.float32)},
    )
    (weight,) = model.graph.initializer
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        weight.external_data.add(key=key, value=value)
    return saved(model, folder / "model.onnx")
