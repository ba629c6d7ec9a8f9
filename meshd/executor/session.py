"""The only place that touches onnxruntime; imported on first use, for it costs 20 MB and a client needs none."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from meshd.errors import ExecutionFailed, ModelUnusable
from model_registry.tensor import Axis, Tensor

Array = NDArray[Any]
REASON_LENGTH = 200
"""onnxruntime's messages can hold a whole graph; a log line and a frame should not."""

# Declared in onnxruntime's graphs as tensor(<key>).
_DTYPES = {"float": "float32", "double": "float64", "float16": "float16", "bool": "bool"} | {
    f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}


class Session:
    """A model in memory, ready to run; safe to run from several threads at once."""

    def __init__(self, content: bytes, *, threads: int = 1) -> None:
        """Load a model from its bytes.

        Raises:
            ModelUnusable: onnxruntime cannot read the model or has no kernel for it.
        """
        runtime = _onnxruntime()
        try:
            self._session = runtime.InferenceSession(content, _options(threads), providers=["CPUExecutionProvider"])
        except _failures() as error:
            raise ModelUnusable(
                f"onnxruntime cannot load it: {_reason(error)}", hint="Export the model again."
            ) from error

    def run(self, names: list[str], inputs: Mapping[str, Array]) -> list[Array]:
        """Run once and return the named outputs in order.

        Raises:
            ExecutionFailed: onnxruntime gave up; the session stays usable.
        """
        try:
            outputs: list[Array] = self._session.run(names, inputs)
        except _failures() as error:
            raise ExecutionFailed(f"onnxruntime failed: {_reason(error)}") from error
        return outputs

    def disagreements(
        self, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], axes: Mapping[str, Axis]
    ) -> Iterator[str]:
        """Yield every point in which the graph is not what a manifest says about it."""
        given = {node.name: node for node in self._session.get_inputs()}
        yield from (f"the graph wants an input '{name}'" for name in given.keys() - {t.name for t in inputs})
        found = {node.name: node for node in self._session.get_outputs()}
        for kind, tensors, nodes in (("input", inputs, given), ("output", outputs, found)):
            for tensor in tensors:
                node = nodes.get(tensor.name)
                if node is None:
                    yield f"the graph has no {kind} '{tensor.name}'"
                else:
                    yield from _differences(tensor, node, axes)


def _differences(tensor: Tensor, node: Any, axes: Mapping[str, Axis]) -> Iterator[str]:
    dtype = _DTYPES.get(node.type.removeprefix("tensor(").removesuffix(")"), node.type)
    if dtype != tensor.dtype:
        yield f"'{tensor.name}' is {tensor.dtype} in the manifest and {dtype} in the graph"
    if not node.shape:  # Unknown to the graph, or a scalar: the first run tells.
        return
    if len(node.shape) != len(tensor.shape):
        yield f"'{tensor.name}' has {len(tensor.shape)} axes in the manifest and {len(node.shape)} in the graph"
        return
    for index, (declared, built) in enumerate(zip(tensor.shape, node.shape, strict=True)):
        if isinstance(built, int) and _bounds(declared, axes) != (built, built):
            yield f"'{tensor.name}' has {declared} on axis {index} in the manifest and {built} in the graph"


def _bounds(extent: int | str, axes: Mapping[str, Axis]) -> tuple[int, int]:
    return (extent, extent) if isinstance(extent, int) else (axes[extent].min, axes[extent].max)


@cache
def _onnxruntime() -> ModuleType:
    # Since 1.29 the Linux wheels report to their vendor: a device id and a database below ~/.cache, a thread, uploads.
    # Only this variable, set before the import, turns all of it off. Source: microsoft/onnxruntime pull request 27379.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # noqa: PLC0415 - see the module's docstring.

    onnxruntime.set_default_logger_severity(4)  # Fatal only: what fails is raised, and logged by us.
    module: ModuleType = onnxruntime
    return module


def version() -> str:
    """Return onnxruntime's version; timings measured with another one say little."""
    return str(_onnxruntime().__version__)


@cache
def _failures() -> tuple[type[Exception], ...]:
    """Return everything that onnxruntime raises: its classes have no common base, and bindings add Python's own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as native  # noqa: PLC0415

    own = tuple(t for t in vars(native).values() if isinstance(t, type) and issubclass(t, Exception))
    return (*own, RuntimeError, ValueError, TypeError, MemoryError)


def _reason(error: Exception) -> str:
    first_line = str(error).strip().partition("\n")[0] or type(error).__name__
    return first_line[:REASON_LENGTH]


def _options(threads: int) -> Any:
    """Return settings for a small device that must stay quiet between requests.

    Threads never spin: idle cores would burn battery. No arena and no memory patterns: as fast on every model tried,
    and what a large batch took can be given back. Source: docs/decisions/0003-executor.md.
    """
    options = _onnxruntime().SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options
