"""A model in memory, ready to run, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct
from numpy.typing import NDArray

from model_registry.tier import Format

Array = NDArray[Any]


class GraphTensor(Struct, frozen=True, kw_only=True):
    """An input or output as the graph itself declares it."""

    name: str
    dtype: str
    """As numpy calls it; the runtime's own word where numpy has none."""
    shape: tuple[int | str | None, ...]
    """A number, or the name of a dynamic axis, or none where it has no name. Empty: a scalar, or unknown."""


class Session(Protocol):
    """A model in memory; safe to run from several threads at once."""

    @property
    def inputs(self) -> tuple[GraphTensor, ...]:
        """Return what the graph takes."""

    @property
    def outputs(self) -> tuple[GraphTensor, ...]:
        """Return what the graph gives."""

    def run(self, names: list[str], inputs: Mapping[str, Array]) -> list[Array]:
        """Run once and return the named outputs in order.

        Raises:
            RunFailed: the runtime gave up; the session stays usable.
        """


def open_session(content: bytes, model_format: Format = "onnx", *, threads: int = 1) -> Session:
    """Load a model from its bytes. A runtime is imported on first use: a client needs none.

    Raises:
        ModelUnreadable: the runtime is not installed, cannot read the model, or has no kernel for it.
    """
    if model_format == "tflite":
        from model_registry.runtime.litert_session import LiteRtSession  # noqa: PLC0415 - an optional extra.

        return LiteRtSession(content, threads=threads)
    from model_registry.runtime.onnx_session import OnnxSession  # noqa: PLC0415 - costs 20 MB.

    return OnnxSession(content, threads=threads)


def runtime_version(model_format: Format = "onnx") -> str:
    """Return the version of the runtime for a format; what was measured with another one says little.

    Raises:
        ModelUnreadable: the runtime is not installed.
    """
    if model_format == "tflite":
        from model_registry.runtime import litert_session  # noqa: PLC0415

        return litert_session.version()
    from model_registry.runtime import onnx_session  # noqa: PLC0415

    return onnx_session.version()
