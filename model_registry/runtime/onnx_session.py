"""Runs ONNX models with onnxruntime; imported on first use, for it costs 20 MB and a client needs none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from model_registry.errors import ModelUnreadable, RunFailed
from model_registry.runtime.reason import reason
from model_registry.runtime.session import GraphTensor

Array = NDArray[Any]

# Declared in onnxruntime's graphs as tensor(<key>).
_DTYPES = {"float": "float32", "double": "float64", "float16": "float16", "bool": "bool"} | {
    f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}


class OnnxSession:
    """An ONNX model in memory; safe to run from several threads at once."""

    def __init__(self, content: bytes, *, threads: int = 1) -> None:
        """Load a model from its bytes.

        Raises:
            ModelUnreadable: onnxruntime cannot read the model or has no kernel for it.
        """
        runtime = _onnxruntime()
        try:
            self._session = runtime.InferenceSession(content, _options(threads), providers=["CPUExecutionProvider"])
        except _failures() as error:
            raise ModelUnreadable(
                f"onnxruntime cannot load it: {reason(error)}", hint="Export the model again."
            ) from error
        self.inputs = tuple(_described(node) for node in self._session.get_inputs())
        self.outputs = tuple(_described(node) for node in self._session.get_outputs())

    def run(self, names: list[str], inputs: Mapping[str, Array]) -> list[Array]:
        """Run once and return the named outputs in order.

        Raises:
            RunFailed: onnxruntime gave up; the session stays usable.
        """
        try:
            outputs: list[Array] = self._session.run(names, inputs)
        except _failures() as error:
            raise RunFailed(f"onnxruntime failed: {reason(error)}") from error
        return outputs


def version() -> str:
    """Return onnxruntime's version."""
    return str(_onnxruntime().__version__)


def _described(node: Any) -> GraphTensor:
    element = node.type.removeprefix("tensor(").removesuffix(")")
    return GraphTensor(name=node.name, dtype=_DTYPES.get(element, node.type), shape=tuple(node.shape or ()))


@cache
def _onnxruntime() -> ModuleType:
    # Since 1.29 the Linux wheels report to their vendor: a device id and a database below ~/.cache, a thread, uploads.
    # Only this variable, set before the import, turns all of it off. Source: microsoft/onnxruntime pull request 27379.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # noqa: PLC0415 - see the module's docstring.

    onnxruntime.set_default_logger_severity(4)  # Fatal only: what fails is raised, and logged by us.
    module: ModuleType = onnxruntime
    return module


@cache
def _failures() -> tuple[type[Exception], ...]:
    """Return everything that onnxruntime raises: its classes have no common base, and bindings add Python's own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as native  # noqa: PLC0415

    own = tuple(t for t in vars(native).values() if isinstance(t, type) and issubclass(t, Exception))
    return (*own, RuntimeError, ValueError, TypeError, MemoryError)


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
