"""The base of all variants: the same numbers with what the exporter left over taken away."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxslim

from model_registry.convert.packing import packed
from model_registry.convert.variants.recipe import Parent, tool
from model_registry.tier import Precision


class Slim:
    """Folds constants, fuses batch norms and removes what has no effect, with onnxslim."""

    name = "slim"
    precision: Precision = "fp32"

    def make(self, parent: Parent, target: Path) -> str:
        """Write the slimmed graph; names, types and shapes of inputs and outputs stay.

        Raises:
            NotApplicable: onnxslim failed.

        """
        with tool("onnxslim"):
            slim = onnxslim.slim(onnx.load(parent.path), verbose=False)
            if slim is None:
                raise RuntimeError("it returned no model")
            onnx.save(packed(slim, names_nodes=True), target)
        return f"slimmed with onnxslim {onnxslim.__version__}"
