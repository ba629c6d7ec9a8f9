"""What every int8 quantisation with example data needs, whatever it quantises."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from numpy.typing import NDArray


class Batches:
    """What onnxruntime knows as a CalibrationDataReader, by its one method."""

    def __init__(self, batches: Iterator[Mapping[str, NDArray[Any]]]) -> None:
        self._batches = batches

    def get_next(self) -> Mapping[str, NDArray[Any]] | None:
        """Return the next inputs by name; none after the last."""
        return next(self._batches, None)


def nodes_with_constants(model: Any, operators: Collection[str]) -> list[str]:
    """Return nodes that one int8 range for all inputs would blur: offsets and scalings, not residual sums."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [node.name for node in model.graph.node if node.op_type in operators and constants & set(node.input)]
