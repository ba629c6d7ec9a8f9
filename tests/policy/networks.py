"""Networks small enough to be written down, as files that a daemon could serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from meshd.policy.layout import N_CANDIDATE, N_CONTEXT, column
from meshd.policy.record import Limits, Record

WIDE = ([-20.0] * (N_CANDIDATE + N_CONTEXT), [20.0] * (N_CANDIDATE + N_CONTEXT))
"""Nothing is unlike this training."""


def liking(**weights: float) -> NDArray[np.float32]:
    """Weights that are zero but for a few features of candidates."""
    vector = np.zeros(N_CANDIDATE, np.float32)
    for name, weight in weights.items():
        vector[column(name)] = weight
    return vector


OVERFLOWING = np.full(N_CANDIDATE, 3e38, np.float32)
"""Weights that give zeros a logit, and no row of a real decision."""


def linear(weights: NDArray[np.float32], *, n_context: int = N_CONTEXT) -> bytes:
    """A network whose logit of a row is its features times some weights, and the same of the context for all."""
    inputs = _inputs(n_candidate=len(weights), n_context=n_context)
    context = np.random.default_rng(1).normal(size=(n_context, 1)).astype(np.float32)
    return _saved(
        [
            helper.make_node("MatMul", ["candidates", "weights"], ["scores"]),
            helper.make_node("MatMul", ["context", "context_weights"], ["shift"]),
            helper.make_node("Squeeze", ["scores", "last"], ["row_scores"]),
            helper.make_node("Add", ["row_scores", "shift"], ["logits"]),
        ],
        inputs,
        {"weights": weights.reshape(-1, 1), "context_weights": context, "last": np.array([2], np.int64)},
    )


def mlp(*, width: int, seed: int = 1) -> bytes:
    """A random network of the size that is shipped: two layers for each row, and the mean of all for each."""
    draw = np.random.default_rng(seed)
    shapes = {
        "w1": (N_CANDIDATE, width),
        "wc": (N_CONTEXT, width),
        "w2": (width, width),
        "wm": (width, width),
        "w3": (width, 1),
    }
    weights = {name: (draw.normal(size=shape) / shape[0] ** 0.5).astype(np.float32) for name, shape in shapes.items()}
    return _saved(
        [
            helper.make_node("MatMul", ["candidates", "w1"], ["rows1"]),
            helper.make_node("MatMul", ["context", "wc"], ["context1"]),
            helper.make_node("Unsqueeze", ["context1", "one"], ["context2"]),
            helper.make_node("Add", ["rows1", "context2"], ["sum1"]),
            helper.make_node("Relu", ["sum1"], ["hidden1"]),
            helper.make_node("ReduceMean", ["hidden1", "one"], ["mean1"], keepdims=1),
            helper.make_node("MatMul", ["mean1", "wm"], ["mean2"]),
            helper.make_node("MatMul", ["hidden1", "w2"], ["rows2"]),
            helper.make_node("Add", ["rows2", "mean2"], ["sum2"]),
            helper.make_node("Relu", ["sum2"], ["hidden2"]),
            helper.make_node("MatMul", ["hidden2", "w3"], ["scores"]),
            helper.make_node("Squeeze", ["scores", "two"], ["logits"]),
        ],
        _inputs(),
        {**weights, "one": np.array([1], np.int64), "two": np.array([2], np.int64)},
    )


def constant(logits: NDArray[np.float32]) -> bytes:
    """A network that gives the same whatever it is asked."""
    return _saved([helper.make_node("Identity", ["given"], ["logits"])], _inputs(), {"given": logits}, logits.shape)


def saved(
    folder: Path,
    network: bytes,
    *,
    name: str = "tiny",
    limits: Limits | None = None,
    seen: tuple[list[float], list[float]] = WIDE,
) -> Path:
    """Both files of a policy; the network's."""
    record = Record.of(network, name=name, low=seen[0], high=seen[1], training={"seed": 1}, limits=limits)
    path = folder / "policy.onnx"
    record.save(network, path)
    return path


def _inputs(*, n_candidate: int = N_CANDIDATE, n_context: int = N_CONTEXT) -> list[Any]:
    return [
        helper.make_tensor_value_info("candidates", TensorProto.FLOAT, ["batch", "rows", n_candidate]),
        helper.make_tensor_value_info("context", TensorProto.FLOAT, ["batch", n_context]),
    ]


def _saved(
    nodes: list[Any],
    inputs: list[Any],
    constants: Mapping[str, NDArray[Any]],
    shape: Sequence[str | int] = ("batch", "rows"),
) -> bytes:
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)
    stored = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "policy", inputs, [output], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
