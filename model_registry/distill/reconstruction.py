"""Make the layers behind removed channels answer as before, as nearly as what is left allows: least squares.

Source: He, Zhang and Sun, Channel pruning for accelerating very deep neural networks, ICCV 2017, section 3.1: weights
are fitted to the outputs of the whole network from the inputs that the pruned one really has, errors of earlier layers
included. Luo, Wu and Lin, ThiNet, ICCV 2017, do the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto
from torch import Tensor
from torch.nn import functional as F

from model_registry.distill.latency import opened
from model_registry.distill.surgery import weights, with_weights
from model_registry.distill.teacher import answers_of

Arrays = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float64]

RIDGE = 1e-3
"""How firmly weights stay where they are, in units of an input's mean square: few examples then move few of them."""

PATCHES = 4
"""Weights of signals have three axes, those of images four; volumes are not cut into patches."""

MOST_ROWS = 40_000
"""Places of activations that a layer is fitted to."""


def activations(model: ModelProto, names: list[str], examples: Arrays) -> dict[str, NDArray[np.float32]]:
    """Run a model and return values from inside it, float32[examples, ...]."""
    copy = ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    return answers_of(opened(copy.SerializeToString()), names, examples)


def refitted(pruned: ModelProto, node: NodeProto, wanted: NDArray[np.float32], examples: Arrays) -> ModelProto:
    """Return the pruned model with a layer's weights such that it answers `wanted` best: what it answered before."""
    constants = weights(pruned)
    seen = activations(pruned, [node.input[0]], examples)[node.input[0]]
    places = _rows(node, seen, constants[node.input[1]])
    every = max(len(places) // MOST_ROWS, 1)
    rows, targets = (np.asarray(part[::every], np.float64) for part in (places, _targets(wanted)))
    bias = constants.get(node.input[2]) if len(node.input) > 2 else None
    design = rows if bias is None else np.column_stack([rows, np.ones(len(rows))])
    before = _columns(node, constants[node.input[1]])
    start = before if bias is None else np.vstack([before, bias.reshape(1, -1)])
    solved = _ridge(design, targets, start)
    changed: dict[str, NDArray[Any]] = {node.input[1]: _weights(node, solved[: len(before)], constants[node.input[1]])}
    if bias is not None:
        changed[node.input[2]] = solved[-1].reshape(bias.shape).astype(bias.dtype)
    return with_weights(pruned, changed)


def refittable(node: NodeProto, dimensions: int) -> bool:
    """Tell whether `refitted` knows the arithmetic of a layer whose weights have so many axes."""
    named = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Conv":
        return bool(named.get("auto_pad", b"NOTSET") == b"NOTSET") and dimensions <= PATCHES
    return node.op_type == "MatMul" or bool((named.get("alpha", 1.0), named.get("beta", 1.0)) == (1.0, 1.0))


def _ridge(rows: Floats, targets: Floats, start: Floats) -> Floats:
    """Return weights [inputs, outputs] near `start` that bring rows nearest to targets."""
    square = rows.T @ rows
    firmness = RIDGE * float(np.trace(square)) / len(square) + 1e-9
    return np.asarray(
        start + np.linalg.solve(square + firmness * np.eye(len(square)), rows.T @ (targets - rows @ start))
    )


def _rows(node: NodeProto, seen: NDArray[np.float32], kernel: NDArray[Any]) -> NDArray[np.float32]:
    """Return what each output place of a layer sees, float32[places, inputs]."""
    if node.op_type != "Conv":
        return seen.reshape(-1, seen.shape[-1])
    spatial = kernel.ndim - 2
    named = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    pads = named.get("pads", [0] * 2 * spatial)
    framed = F.pad(
        torch.from_numpy(seen), [pads[at + side * spatial] for at in reversed(range(spatial)) for side in (0, 1)]
    )
    flat = framed if spatial == 2 else framed.unsqueeze(2)
    ones = [1] * (2 - spatial)
    patches: Tensor = F.unfold(
        flat,
        kernel_size=[*ones, *kernel.shape[2:]],
        dilation=[*ones, *named.get("dilations", [1] * spatial)],
        stride=[*ones, *named.get("strides", [1] * spatial)],
    )
    return np.asarray(patches.movedim(1, 2).reshape(-1, patches.shape[1]).numpy())


def _targets(wanted: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.moveaxis(wanted, 1, -1).reshape(-1, wanted.shape[1])


def _columns(node: NodeProto, kernel: NDArray[Any]) -> Floats:
    """Return weights as float64[inputs, outputs]."""
    if node.op_type == "Conv":
        return np.asarray(kernel.reshape(len(kernel), -1).T, np.float64)
    return np.asarray(kernel.T if _transposed(node) else kernel, np.float64)


def _weights(node: NodeProto, columns: Floats, like: NDArray[Any]) -> NDArray[Any]:
    turned = columns.T if node.op_type == "Conv" or _transposed(node) else columns
    return turned.reshape(like.shape).astype(like.dtype)


def _transposed(node: NodeProto) -> bool:
    return any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
