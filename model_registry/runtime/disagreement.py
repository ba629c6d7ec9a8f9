"""Where a graph is not what a manifest says about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from model_registry.runtime.session import GraphTensor, Session
from model_registry.tensor import Axis, Tensor


def disagreements(
    session: Session, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], axes: Mapping[str, Axis]
) -> Iterator[str]:
    """Yield every point in which the graph is not what a manifest says about it."""
    wanted = {tensor.name: tensor for tensor in session.inputs}
    yield from (f"the graph wants an input '{name}'" for name in wanted.keys() - {t.name for t in inputs})
    given = {tensor.name: tensor for tensor in session.outputs}
    for kind, tensors, built in (("input", inputs, wanted), ("output", outputs, given)):
        for tensor in tensors:
            if tensor.name in built:
                yield from _differences(tensor, built[tensor.name], axes)
            else:
                yield f"the graph has no {kind} '{tensor.name}'"


def _differences(tensor: Tensor, built: GraphTensor, axes: Mapping[str, Axis]) -> Iterator[str]:
    if built.dtype != tensor.dtype:
        yield f"'{tensor.name}' is {tensor.dtype} in the manifest and {built.dtype} in the graph"
    if not built.shape:  # Unknown to the graph, or a scalar: the first run tells.
        return
    if len(built.shape) != len(tensor.shape):
        yield f"'{tensor.name}' has {len(tensor.shape)} axes in the manifest and {len(built.shape)} in the graph"
        return
    for index, (declared, extent) in enumerate(zip(tensor.shape, built.shape, strict=True)):
        if isinstance(extent, int) and _bounds(declared, axes) != (extent, extent):
            yield f"'{tensor.name}' has {declared} on axis {index} in the manifest and {extent} in the graph"


def _bounds(extent: int | str, axes: Mapping[str, Axis]) -> tuple[int, int]:
    return (extent, extent) if isinstance(extent, int) else (axes[extent].min, axes[extent].max)
