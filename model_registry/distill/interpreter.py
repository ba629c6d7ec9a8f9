"""Run an ONNX graph in torch, so that its weights can be trained and written back.

Only the operators that convolutional and dense networks are made of; whether the torch side computes what onnxruntime
does is checked on examples before anything is trained (see `finetuning`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto
from torch import Tensor, nn
from torch.nn import functional as F

from model_registry.distill.surgery import weights, with_weights

TRAINED = ("Conv", "Gemm", "MatMul")
Attributes = Mapping[str, Any]
Operator = Callable[[Sequence[Any], Attributes], Tensor]

_TYPES = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.INT64: torch.int64,
    TensorProto.INT32: torch.int32,
    TensorProto.BOOL: torch.bool,
}


class GraphNet(nn.Module):
    """The part of a graph that its chosen outputs need; layers' weights are parameters."""

    def __init__(self, model: ModelProto, outputs: Sequence[str]) -> None:
        super().__init__()
        self._model, self._outputs = model, tuple(outputs)
        self._nodes = _needed(model, outputs)
        held = {name: torch.from_numpy(np.array(value)) for name, value in weights(model).items()}
        trained = [name for node in self._nodes if node.op_type in TRAINED for name in node.input[1:] if name in held]
        self._places = {name: at for at, name in enumerate(dict.fromkeys(trained))}
        self.layers = nn.ParameterList([nn.Parameter(held[name]) for name in self._places])
        self._constants = {name: value for name, value in held.items() if name not in self._places}

    @classmethod
    def lacks(cls, model: ModelProto, outputs: Sequence[str]) -> list[str]:
        """Return the operators on the way to these outputs that it does not know."""
        return sorted({node.op_type for node in _needed(model, outputs)} - OPERATORS.keys())

    def forward(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the chosen outputs."""
        values: dict[str, Tensor | None] = {"": None, **self._constants, **inputs}
        values |= {name: self.layers[at] for name, at in self._places.items()}
        for node in self._nodes:
            given = [values[name] for name in node.input]
            values[node.output[0]] = OPERATORS[node.op_type](given, _attributes(node))
        return [value for name in self._outputs if (value := values[name]) is not None]

    def model(self) -> ModelProto:
        """Return the graph with the weights as they are now."""
        return with_weights(self._model, {name: self.layers[at].detach().numpy() for name, at in self._places.items()})


def _needed(model: ModelProto, outputs: Sequence[str]) -> list[NodeProto]:
    wanted, nodes = set(outputs), []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            nodes.append(node)
    return nodes[::-1]


def _attributes(node: NodeProto) -> Attributes:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def _framed(value: Tensor, pads: Sequence[int], fill: float) -> Tensor:
    spatial = len(pads) // 2
    sides = [pads[at + side * spatial] for at in reversed(range(spatial)) for side in (0, 1)]
    return F.pad(value, sides, value=fill) if any(sides) else value


def _convolved(given: Sequence[Any], named: Attributes) -> Tensor:
    value, kernel = given[0], given[1]
    spatial = kernel.ndim - 2
    if named.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise NotImplementedError("auto_pad")
    convolve = (F.conv1d, F.conv2d, F.conv3d)[spatial - 1]
    return convolve(
        _framed(value, named.get("pads", [0] * 2 * spatial), 0.0),
        kernel,
        given[2] if len(given) > 2 else None,
        stride=named.get("strides", [1] * spatial),
        dilation=named.get("dilations", [1] * spatial),
        groups=named.get("group", 1),
    )


def _multiplied(given: Sequence[Any], named: Attributes) -> Tensor:
    left = given[0].T if named.get("transA", 0) else given[0]
    right = given[1].T if named.get("transB", 0) else given[1]
    product = named.get("alpha", 1.0) * (left @ right)
    return product if len(given) < 3 else product + named.get("beta", 1.0) * given[2]


def _pooled(given: Sequence[Any], named: Attributes, pool: str) -> Tensor:
    kernel = named["kernel_shape"]
    if named.get("ceil_mode", 0) or named.get("auto_pad", b"NOTSET") != b"NOTSET" or "dilations" in named:
        raise NotImplementedError("an unusual pool")
    pads, strides = named.get("pads", [0] * 2 * len(kernel)), named.get("strides", [1] * len(kernel))
    if pool == "max":
        largest = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(kernel) - 1]
        return largest(_framed(given[0], pads, float("-inf")), kernel, strides)
    if any(pads[at] != pads[at + len(kernel)] for at in range(len(kernel))):
        raise NotImplementedError("an average over unequal edges")
    average = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(kernel) - 1]
    counts = bool(named.get("count_include_pad", 0))
    return average(given[0], kernel, strides, pads[: len(kernel)], count_include_pad=counts)


def _axes(given: Sequence[Any], named: Attributes) -> list[int]:
    return given[1].tolist() if len(given) > 1 and given[1] is not None else list(named["axes"])


def _reduced(given: Sequence[Any], named: Attributes, reduce: Callable[..., Tensor]) -> Tensor:
    return reduce(given[0], dim=_axes(given, named), keepdim=bool(named.get("keepdims", 1)))


def _reshaped(given: Sequence[Any]) -> Tensor:
    extents = [given[0].shape[at] if extent == 0 else extent for at, extent in enumerate(given[1].tolist())]
    return given[0].reshape(extents)


def _clipped(given: Sequence[Any], named: Attributes) -> Tensor:
    low, high = ((*given, None, None)[at] for at in (1, 2))
    return torch.clamp(given[0], named.get("min") if low is None else low, named.get("max") if high is None else high)


def _unsqueezed(given: Sequence[Any], named: Attributes) -> Tensor:
    value = given[0]
    for axis in sorted(_axes(given, named)):
        value = value.unsqueeze(axis)
    return value


OPERATORS: Mapping[str, Operator] = {
    "Abs": lambda given, _: torch.abs(given[0]),
    "Add": lambda given, _: given[0] + given[1],
    "AveragePool": lambda given, named: _pooled(given, named, "average"),
    "Cast": lambda given, named: given[0].to(_TYPES[named["to"]]),
    "Clip": _clipped,
    "Concat": lambda given, named: torch.cat(list(given), dim=named["axis"]),
    "Conv": _convolved,
    "Div": lambda given, _: given[0] / given[1],
    "Flatten": lambda given, named: given[0].flatten(named.get("axis", 1)),
    "Gather": lambda given, named: (
        given[0].select(named.get("axis", 0), int(given[1]))
        if given[1].ndim == 0
        else given[0].index_select(named.get("axis", 0), given[1])
    ),
    "Gemm": _multiplied,
    "GlobalAveragePool": lambda given, _: given[0].mean(dim=tuple(range(2, given[0].ndim)), keepdim=True),
    "GlobalMaxPool": lambda given, _: given[0].amax(dim=tuple(range(2, given[0].ndim)), keepdim=True),
    "Identity": lambda given, _: given[0],
    "LeakyRelu": lambda given, named: F.leaky_relu(given[0], named.get("alpha", 0.01)),
    "MatMul": lambda given, _: given[0] @ given[1],
    "MaxPool": lambda given, named: _pooled(given, named, "max"),
    "Mul": lambda given, _: given[0] * given[1],
    "ReduceMax": lambda given, named: _reduced(given, named, torch.amax),
    "ReduceMean": lambda given, named: _reduced(given, named, torch.mean),
    "Relu": lambda given, _: F.relu(given[0]),
    "Reshape": lambda given, _: _reshaped(given),
    "Sigmoid": lambda given, _: torch.sigmoid(given[0]),
    "Softmax": lambda given, named: torch.softmax(given[0], dim=named.get("axis", -1)),
    "Squeeze": lambda given, named: given[0].squeeze(tuple(_axes(given, named))),
    "Sub": lambda given, _: given[0] - given[1],
    "Tanh": lambda given, _: torch.tanh(given[0]),
    "Transpose": lambda given, named: given[0].permute(named["perm"]),
    "Unsqueeze": _unsqueezed,
}
