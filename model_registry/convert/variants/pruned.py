"""Channels taken away: not without training, so that this recipe only says who does it."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from model_registry.convert.errors import NotApplicable
from model_registry.convert.variants.recipe import Parent, require_floats
from model_registry.extra import installing
from model_registry.tier import Precision

_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


class Pruned:
    """Zeroed weights make an ONNX file no smaller, and removed channels need training to make up for them."""

    name = "pruned"
    precision: Precision = "fp32"

    def make(self, parent: Parent, target: Path) -> NoReturn:
        """Say how a pruned model is made.

        Raises:
            NotApplicable: always.

        """
        del target
        require_floats(parent)
        if (
            sum(node.op_type in _LAYERS for node in parent.model.graph.node) < 2
        ):  # One layer's channels are its outputs.
            raise NotApplicable("The graph has no chain of convolutions or matrix products to take channels from.")
        raise NotApplicable(
            "Removing channels loses accuracy that only training brings back.",
            hint=f"Run: {installing('torch')}, then: "
            "python -m model_registry.distill --teacher MODEL.onnx --data FILE.npz --prune 0.5",
        )
