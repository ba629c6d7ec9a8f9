"""From a network to the bytes of its ONNX file, in float32 and in int8."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from model_registry.convert.calibration import Batches, nodes_with_constants
from model_registry.convert.packing import packed
from model_registry.distill.teacher import batches

Arrays = Mapping[str, NDArray[Any]]

OPSET = 17
RANGE_EXAMPLES, RANGE_BATCH = 256, 32
"""Examples that show the ranges int8 must span, and how many of them at a time."""

QUANTISED = ("Conv", "Gemm", "MatMul", "Add", "Relu")

PER_CHANNEL_FROM_BYTES = 32_000
"""From this size of a file on every channel has a scale of its own; below, those scales would cost a tenth of it."""


def to_fp32(network: nn.Module, example: Arrays, outputs: Sequence[str]) -> bytes:
    """Export a network whose inputs look like `example` [batch, ...], the batch free, normalisation folded in."""
    shown = tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in example.values())
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # The exporter that needs no onnxscript is called deprecated, at length.
        torch.onnx.export(
            network.eval(),
            shown,
            buffer,
            input_names=list(example),
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (*example, *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
    return bytes(packed(onnx.load_from_string(buffer.getvalue()), names_nodes=True).SerializeToString())


def to_int8(fp32: bytes, examples: Arrays, *, per_channel: bool) -> bytes:
    """Quantise weights and activations (static QDQ), whose ranges `examples` [examples, ...] show."""
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, quantised = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "quantised"))
        plain.write_bytes(fp32)
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(quantised),
            _ranges(examples, _batch(onnx.load(prepared))),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=nodes_with_constants(onnx.load(prepared), {"Add"}),
            per_channel=per_channel,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return bytes(packed(onnx.load(quantised)).SerializeToString())


def stirred(network: nn.Module) -> nn.Module:
    """Move every weight a little and return the network: only then is its file as large as after training.

    Untrained weights are equal by the dozen, and a packed file keeps equal constants once.
    """
    with torch.no_grad():
        for weights in (*network.parameters(), *network.buffers()):
            if weights.is_floating_point():
                weights.add_(0.01 * torch.rand_like(weights))
    return network


def _ranges(examples: Arrays, batch: int) -> Batches:
    """Return examples, evenly taken, that show the ranges int8 must span."""
    every = max(len(next(iter(examples.values()))) // RANGE_EXAMPLES, 1)
    return Batches(batches({name: part[::every][:RANGE_EXAMPLES] for name, part in examples.items()}, batch))


def _batch(model: onnx.ModelProto) -> int:
    """Return how many examples a model takes at a time: one, or as many as you like."""
    firsts = {value.type.tensor_type.shape.dim[0].dim_value for value in model.graph.input}
    return 1 if 1 in firsts else RANGE_BATCH
