"""What every way of making a variant has in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import onnx

from model_registry.convert.errors import NotApplicable, first_line
from model_registry.convert.feed import Feed
from model_registry.convert.graph_walk import nodes, tensors
from model_registry.convert.quiet import quiet
from model_registry.tier import Precision

_QUANTISED = frozenset(
    {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "QuantizeLinear", "MatMulNBits"}
)


@dataclass(frozen=True)
class Parent:
    """The ONNX model that variants are made of, and the data that may set their ranges."""

    path: Path
    calibration: Feed | None

    @cached_property
    def model(self) -> Any:
        """Return the model itself; whoever changes it works on a copy."""
        return onnx.load(self.path)

    @cached_property
    def float_bytes(self) -> int:
        """Return how many bytes of its constants are float32."""
        return sum(_size(tensor) for tensor in tensors(self.model) if tensor.data_type == onnx.TensorProto.FLOAT)

    @property
    def quantised(self) -> bool:
        """Tell whether its arithmetic is of integers already."""
        return any(node.op_type in _QUANTISED for node in nodes(self.model))

    @property
    def classical(self) -> list[str]:
        """Return its operators of classical machine learning, such as forests, which keep what they learnt inside."""
        return sorted({node.op_type for node in nodes(self.model) if node.domain == "ai.onnx.ml"})


class Recipe(Protocol):
    """A way of making a variant."""

    name: str
    precision: Precision

    def make(self, parent: Parent, target: Path) -> str:
        """Write the variant to `target` and return what was done, with the tool and its version.

        Raises:
            NotApplicable: it makes no sense for this model, or the tool failed; says why, and what would change it.
        """


def require_floats(parent: Parent) -> None:
    """Refuse a model whose weights were made small already.

    Raises:
        NotApplicable: the graph is quantised, or holds no float32 weights.

    """
    if parent.quantised:
        raise NotApplicable("The graph is quantised already.", hint="Import the model that it was made from.")
    if not parent.float_bytes and (learned := parent.classical):
        raise NotApplicable(
            f"Its numbers are attributes of {', '.join(learned)}, and the tools here only make weights smaller."
        )
    if not parent.float_bytes:
        raise NotApplicable("The graph holds no float32 weights.")


@contextmanager
def tool(name: str) -> Iterator[None]:
    """Turn whatever a converter raises into a reason.

    Raises:
        NotApplicable: it failed.

    """
    try:
        with quiet():
            yield
    except NotApplicable:
        raise
    except Exception as error:  # Converters raise everything from AssertionError to the runtime's own classes.
        why = f": {type(error).__name__}: {first_line(error)}" if str(error) else ", which it was not made for"
        raise NotApplicable(f"{name} failed on this graph{why}.") from error


def _size(tensor: Any) -> int:
    count = 1
    for extent in tensor.dims:
        count *= extent
    return int(count * 4)
