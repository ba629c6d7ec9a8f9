"""MobileNetV1 1.0/224 with made-up weights: what it takes on a machine tells how fast the machine is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# Output channels and stride of each depthwise-separable block: Howard et al. 2017, table 1 (arXiv 1704.04861).
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
_OPSET, _IR_VERSION = 17, 8
_SCALE = 0.05
"""Of every quantised activation. Speed does not depend on values, as long as none is denormal or infinite."""

Arithmetic = Literal["fp32", "int8"]


def yardstick(arithmetic: Arithmetic) -> bytes:
    """Return the network as an ONNX model: `input` float32[1, 3, 224, 224] to `output` float32[1, 1000]."""
    return bytes(_Builder(arithmetic).build().SerializeToString())


class _Convolution(NamedTuple):
    inputs: int
    outputs: int
    size: int
    stride: int = 1
    groups: int = 1


class _Builder:
    """Lays one layer after the other."""

    def __init__(self, arithmetic: Arithmetic) -> None:
        self._arithmetic = arithmetic
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._chance = np.random.default_rng(0)

    def build(self) -> onnx.ModelProto:
        """Return the finished model."""
        if self._arithmetic == "int8":
            self._constant("scale", np.float32(_SCALE))
            self._constant("zero", np.uint8(0))
        last = self._quantised("input")
        for convolution in _convolutions():
            last = self._convolved(last, convolution)
        pooled = self._node("GlobalAveragePool", [last])
        flat = self._node("Flatten", [pooled])
        self._node("Gemm", [flat, self._weights((1024, 1000), fan_in=1024)], output="output")
        graph = helper.make_graph(
            self._nodes,
            "yardstick",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 224, 224])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1000])],
            self._constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)

    def _convolved(self, last: str, conv: _Convolution) -> str:
        channels = conv.inputs // conv.groups
        shape = (conv.outputs, channels, conv.size, conv.size)
        convolved = self._node(
            "Conv",
            [last, self._weights(shape, fan_in=channels * conv.size**2)],
            strides=[conv.stride] * 2,
            group=conv.groups,
            pads=[conv.size // 2] * 4,
        )
        return self._quantised(self._node("Relu", [convolved]))

    def _weights(self, shape: tuple[int, ...], *, fan_in: int) -> str:
        name = f"weights_{len(self._constants)}"
        if self._arithmetic == "fp32":
            values = self._chance.standard_normal(shape, np.float32) * np.float32((2 / fan_in) ** 0.5)
            return self._constant(name, values)
        self._constant(name, self._chance.integers(-127, 128, shape, np.int8))
        scale = self._constant(f"{name}_scale", np.float32((2 / fan_in) ** 0.5 / 73))  # 73: of integers drawn evenly
        return self._node("DequantizeLinear", [name, scale])

    def _quantised(self, name: str) -> str:
        """Round a tensor to 8 bits and back, which onnxruntime takes as leave to compute in them."""
        if self._arithmetic == "fp32":
            return name
        quantised = self._node("QuantizeLinear", [name, "scale", "zero"])
        return self._node("DequantizeLinear", [quantised, "scale", "zero"])

    def _node(self, kind: str, inputs: list[str], *, output: str = "", **attributes: object) -> str:
        name = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _constant(self, name: str, values: NDArray[np.generic] | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name


def _convolutions() -> Iterator[_Convolution]:
    yield _Convolution(inputs=3, outputs=32, size=3, stride=2)
    channels = 32
    for outputs, stride in _BLOCKS:
        yield _Convolution(inputs=channels, outputs=channels, size=3, stride=stride, groups=channels)
        yield _Convolution(inputs=channels, outputs=outputs, size=1)
        channels = outputs
