"""Eight-bit integers throughout, with ranges of activations that calibration data shows."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnxruntime
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from model_registry.convert.calibration import Batches, nodes_with_constants
from model_registry.convert.errors import NotApplicable
from model_registry.convert.graph_walk import nodes
from model_registry.convert.variants.recipe import Parent, require_floats, tool
from model_registry.tier import Precision

_HEAVY = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_OPERATORS = [
    *sorted(_HEAVY), "Add", "AveragePool", "Clip", "Concat", "GlobalAveragePool", "LeakyRelu", "MaxPool", "Mul", "Pad",
    "Relu", "Reshape", "Resize", "Transpose",
]  # fmt: skip
"""Heavy ones, and those between them that would otherwise convert to float and back. Softmax, sigmoid and
normalisations stay float: they are cheap, and eight bits blur them most."""


class Int8:
    """Static QDQ: uint8 activations, int8 weights with a scale for each output channel."""

    name = "int8"
    precision: Precision = "int8"

    def make(self, parent: Parent, target: Path) -> str:
        """Quantise with the parent's calibration data.

        Raises:
            NotApplicable: no calibration data, nothing heavy to quantise, or onnxruntime failed.

        """
        require_floats(parent)
        if not any(node.op_type in _HEAVY for node in nodes(parent.model)):
            raise NotApplicable("The graph has no convolution and no matrix product.")
        if parent.calibration is None:
            raise NotApplicable(
                "It needs to see the model's usual inputs, and no calibration data was given.",
                hint="Give --calibration FILE.npz, with an array for each input, first axis the items; 100 are enough.",
            )
        if found := parent.calibration.samples.not_finite():
            raise NotApplicable(f"'{found[0]}' of the calibration data holds NaN or infinity, which are in no range.")
        with tool("onnxruntime's static quantisation"), tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            prepared = Path(scratch) / "prepared.onnx"
            quant_pre_process(str(parent.path), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared),
                str(target),
                Batches(parent.calibration.batches()),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_OPERATORS,
                nodes_to_exclude=nodes_with_constants(parent.model, {"Add", "Mul"}),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={"ActivationSymmetric": False},
            )
        return (
            f"int8, static QDQ, per channel, ranges from {parent.calibration.items} items "
            f"(onnxruntime {onnxruntime.__version__})"
        )
