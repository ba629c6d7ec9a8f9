"""Half-precision weights and arithmetic; inputs and outputs keep their types."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
from onnxruntime.transformers.float16 import convert_float_to_float16

from model_registry.convert.variants.recipe import Parent, require_floats, tool
from model_registry.tier import Precision


class Fp16:
    """Half the bytes at hardly any loss. A processor without half-precision arithmetic widens them at every run."""

    name = "fp16"
    precision: Precision = "fp16"

    def make(self, parent: Parent, target: Path) -> str:
        """Convert every float32 tensor inside the graph.

        Raises:
            NotApplicable: there is none, or onnxruntime's converter failed.

        """
        require_floats(parent)
        with tool("onnxruntime's conversion to half precision"):
            onnx.save(convert_float_to_float16(onnx.load(parent.path), keep_io_types=True), target)
        return f"fp16, inputs and outputs kept (onnxruntime {onnxruntime.__version__})"
