"""Four-bit weights of matrix products in blocks with a scale each; all arithmetic stays float."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx
import onnxruntime
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from model_registry.convert.errors import NotApplicable
from model_registry.convert.matrices import constant_matrices, with_plain_products
from model_registry.convert.variants.recipe import Parent, require_floats, tool
from model_registry.tier import Precision

SHARE_OF_INT8 = 0.55
"""What int4 weights may take of the bytes that int8 ones take; more would not be worth their loss."""
_BLOCKS = (16, 32, 64, 128, 256)
_INT8_ACTIVATIONS = 4
"""`accuracy_level`: activations are rounded to int8 for the product, which is several times faster on a processor."""


class Int4:
    """For transformers and other models made of large matrices."""

    name = "int4"
    precision: Precision = "int4"

    def make(self, parent: Parent, target: Path) -> str:
        """Quantise the matrices in the smallest blocks, which lose the least, that keep to `SHARE_OF_INT8`.

        Raises:
            NotApplicable: no matrix products, no saving by them, or onnxruntime failed.

        """
        require_floats(parent)
        matrices = constant_matrices(parent.model)
        if not matrices:
            raise NotApplicable("The graph has no matrix product of constants.")
        block = block_size(matrices.values())
        with tool("onnxruntime's int4 quantisation"):
            quantiser = MatMulNBitsQuantizer(
                with_plain_products(parent.model),
                bits=4,
                block_size=block,
                is_symmetric=False,
                accuracy_level=_INT8_ACTIVATIONS,
            )
            quantiser.process()
            onnx.save(quantiser.model.model, target)
        return f"int4 weights of matrix products, blocks of {block} (onnxruntime {onnxruntime.__version__})"


def block_size(shapes: Iterable[tuple[int, int]]) -> int:
    """Return how many weights of a column should share a scale, for matrices of these shapes [in, out].

    Raises:
        NotApplicable: whatever the size, scales and padding eat what four bits save.

    """
    shapes = list(shapes)
    int8_bytes = sum(rows * columns for rows, columns in shapes)
    shares = {block: packed_bytes(shapes, block) / int8_bytes for block in _BLOCKS}
    fitting = [block for block, share in shares.items() if share <= SHARE_OF_INT8]
    if not fitting:
        raise NotApplicable(
            f"With their scales, four-bit weights of this graph's matrices would take {min(shares.values()):.0%} of "
            f"what eight-bit ones take; the matrices are too small."
        )
    return fitting[0]


def packed_bytes(shapes: Iterable[tuple[int, int]], block: int) -> int:
    """Return the bytes of matrices in four bits.

    In each column every begun block has its weights, a float32 scale and a four-bit zero point; the zero points of a
    column fill whole bytes.
    """
    total = 0
    for rows, columns in shapes:
        blocks = -(-rows // block)
        total += columns * (blocks * (block // 2 + 4) + -(-blocks // 2))
    return total
