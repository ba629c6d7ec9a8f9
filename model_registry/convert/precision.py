"""In what numbers a model's weights are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import onnx

from model_registry.convert.graph_walk import tensors
from model_registry.tier import Precision

_PRECISIONS: dict[int, Precision] = {
    onnx.TensorProto.FLOAT: "fp32",
    onnx.TensorProto.FLOAT16: "fp16",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.UINT8: "int8",
    onnx.TensorProto.INT4: "int4",
    onnx.TensorProto.UINT4: "int4",
}


def precision_of(model: Any) -> Precision:
    """Return what most of the weights are, by their bytes; fp32 for a model without any."""
    counted: Counter[Precision] = Counter({"fp32": 0})
    for tensor in tensors(model):
        if precision := _PRECISIONS.get(tensor.data_type):
            counted[precision] += tensor.ByteSize()
    return counted.most_common(1)[0][0]
