"""Small ONNX teachers and data for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.helper import make_node

Weights = dict[str, NDArray[Any]]


def saved(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: Weights) -> Path:
    """Write a graph whose constants are `weights`."""
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = onnx.helper.make_graph(nodes, "g", inputs, outputs, constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def port(name: str, shape: list[int | str], element: int = onnx.TensorProto.FLOAT) -> Any:
    """Declare an input or output, of float32 unless said otherwise."""
    return onnx.helper.make_tensor_value_info(name, element, shape)


def classifier(folder: Path) -> tuple[Path, Path]:
    """Return a teacher of three classes of int16 rows, and an npz of 600 rows with their classes."""
    rng = np.random.default_rng(7)
    weights: Weights = {
        "w": rng.normal(size=(6, 3)).astype(np.float32),
        "b": np.zeros(3, np.float32),
        "scale": np.array([0.02], np.float32),
    }
    nodes = [
        make_node("Cast", ["row"], ["real"], to=onnx.TensorProto.FLOAT),
        make_node("Mul", ["real", "scale"], ["small"]),
        make_node("Gemm", ["small", "w", "b"], ["logits"]),
        make_node("Softmax", ["logits"], ["klass"], axis=1),
    ]
    inputs, outputs = [port("row", ["batch", 6], onnx.TensorProto.INT16)], [port("klass", ["batch", 3])]
    rows = rng.integers(-150, 150, (600, 6)).astype(np.int16)
    np.savez(folder / "rows.npz", row=rows, truth=(rows @ weights["w"]).argmax(1))
    return saved(folder / "classifier.onnx", nodes, inputs, outputs, weights), folder / "rows.npz"


def convolutions(folder: Path, *, concatenated: bool = False, batch: int | str = "batch") -> Path:
    """Return a network of signals, two of whose layers make channels that a residual sum binds together."""
    rng = np.random.default_rng(8)
    weights: Weights = {
        "stem_w": rng.normal(size=(12, 2, 5)).astype(np.float32),
        "stem_b": rng.normal(size=12).astype(np.float32),
        "inner_w": (rng.normal(size=(20, 12, 1)) * 0.3).astype(np.float32),
        "inner_b": rng.normal(size=20).astype(np.float32),
        "look_w": (rng.normal(size=(12, 20, 3)) * 0.1).astype(np.float32),
        "look_b": rng.normal(size=12).astype(np.float32),
        "head_w": rng.normal(size=(24 if concatenated else 12, 2)).astype(np.float32),
        "head_b": np.zeros(2, np.float32),
    }
    nodes = [
        make_node("Conv", ["signal", "stem_w", "stem_b"], ["stem"], pads=[2, 2], strides=[2]),
        make_node("Relu", ["stem"], ["frames"]),
        make_node("Conv", ["frames", "inner_w", "inner_b"], ["inner"]),
        make_node("Relu", ["inner"], ["inside"]),
        make_node("Conv", ["inside", "look_w", "look_b"], ["looked"], pads=[2, 2], dilations=[2]),
        make_node("Concat", ["frames", "looked"], ["both"], axis=1)
        if concatenated
        else make_node("Add", ["frames", "looked"], ["both"]),
        make_node("ReduceMean", ["both"], ["pooled"], axes=[2], keepdims=0),
        make_node("Gemm", ["pooled", "head_w", "head_b"], ["said"]),
    ]
    inputs, outputs = [port("signal", [batch, 2, 64])], [port("said", [batch, 2])]
    return saved(folder / "convolutions.onnx", nodes, inputs, outputs, weights)


def signals(count: int = 120) -> NDArray[np.float32]:
    """Return signals that one number decides, so that channels repeat each other: float32[count, 2, 64]."""
    rng = np.random.default_rng(9)
    waves = np.sin(np.linspace(0, 12, 64) * rng.uniform(0.5, 2, (count, 1)))
    return np.stack([waves, waves * rng.normal(size=(count, 1))], axis=1).astype(np.float32)
