"""Eight-bit weights of matrix products, with ranges of activations taken anew at every run."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic

from model_registry.convert.errors import NotApplicable
from model_registry.convert.matrices import constant_matrices
from model_registry.convert.variants.recipe import Parent, require_floats, tool
from model_registry.tier import Precision

_OPERATORS = ["Gemm", "LSTM", "MatMul"]
"""Not Conv: onnxruntime's integer convolution with dynamic ranges is slower than its float one."""


class Int8Dynamic:
    """Needs no calibration data; made for transformers and recurrent networks."""

    name = "int8-dynamic"
    precision: Precision = "int8"

    def make(self, parent: Parent, target: Path) -> str:
        """Quantise the matrices.

        Raises:
            NotApplicable: the graph has no matrix product of constants, or onnxruntime failed.

        """
        require_floats(parent)
        has_lstm = any(node.op_type == "LSTM" for node in parent.model.graph.node)
        if not has_lstm and not constant_matrices(parent.model):
            raise NotApplicable("The graph has no matrix product of constants.")
        with tool("onnxruntime's dynamic quantisation"):
            quantize_dynamic(
                str(parent.path),
                str(target),
                op_types_to_quantize=_OPERATORS,
                per_channel=True,
                weight_type=QuantType.QInt8,
            )
        return f"int8 weights of matrix products, dynamic, per channel (onnxruntime {onnxruntime.__version__})"
