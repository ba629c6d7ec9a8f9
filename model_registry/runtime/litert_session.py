"""Runs .tflite models as they are with LiteRT, an optional extra; imported on first use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from tempfile import TemporaryFile
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.errors import ModelUnreadable, RunFailed
from model_registry.extra import installing
from model_registry.runtime.reason import reason
from model_registry.runtime.session import GraphTensor

Array = NDArray[Any]
_Details = dict[str, Any]
_FAILURES = (RuntimeError, ValueError, TypeError, MemoryError)
_STDERR = 2
_redirecting = Lock()


class LiteRtSession:
    """A .tflite model in memory. Its interpreter runs one request at a time: others wait for the lock.

    A dynamic axis is followed by a fresh interpreter, which takes 0.2 to 12 ms. One that is resized keeps the memory of
    its largest batch for ever, and one whose resizing failed may have damaged the heap. How far an axis may stretch is
    for the manifest to say and for admission to try: LiteRT itself crashes where its element counts overflow.
    Source: docs/decisions/0013-litert.md.
    """

    def __init__(self, content: bytes, *, threads: int = 1) -> None:
        """Load a model from its bytes.

        Raises:
            ModelUnreadable: LiteRT is not installed, cannot read the model, or has no kernel for it.
        """
        self._content = content
        self._threads = threads
        try:
            self._interpreter = self._opened({})
            taken, given = _by_name(self._interpreter)
        except _FAILURES as error:
            hint = "It may need operators that only the full TensorFlow has; convert it again without them."
            raise ModelUnreadable(f"LiteRT cannot load it: {reason(error)}", hint=hint) from error
        self.inputs = tuple(_described(name, details) for name, details in taken.items())
        self.outputs = tuple(_described(name, details) for name, details in given.items())
        self._taken = {name: int(details["index"]) for name, details in taken.items()}
        self._given = {name: int(details["index"]) for name, details in given.items()}
        self._shapes = {name: tuple(details["shape"].tolist()) for name, details in taken.items()}
        self._lock = Lock()

    def run(self, names: list[str], inputs: Mapping[str, Array]) -> list[Array]:
        """Run once and return the named outputs in order.

        Raises:
            RunFailed: LiteRT gave up, or the graph takes no inputs of this form; the session stays usable.
        """
        unknown = [*(inputs.keys() ^ self._taken.keys()), *(set(names) - self._given.keys())]
        if unknown:
            raise RunFailed(f"LiteRT failed: the graph and the request disagree about '{unknown[0]}'.")
        try:
            with self._lock:
                self._follow({name: array.shape for name, array in inputs.items()})
                for name, array in inputs.items():
                    self._interpreter.set_tensor(self._taken[name], array)
                self._interpreter.invoke()
                return [self._interpreter.get_tensor(self._given[name]) for name in names]
        except _FAILURES as error:
            raise RunFailed(f"LiteRT failed: {reason(error)}") from error

    def _follow(self, shapes: dict[str, tuple[int, ...]]) -> None:
        if shapes != self._shapes:
            self._interpreter = self._opened({self._taken[name]: shape for name, shape in shapes.items()})
            self._shapes = shapes

    def _opened(self, shapes: Mapping[int, tuple[int, ...]]) -> Any:
        """Return an interpreter whose inputs have these shapes; `strict` lets no axis change but a dynamic one."""
        runtime = _litert()
        with _without_chatter():
            interpreter = runtime.Interpreter(model_content=self._content, num_threads=self._threads)
            for index, shape in shapes.items():
                interpreter.resize_tensor_input(index, shape, strict=True)
            interpreter.allocate_tensors()
        return interpreter


def version() -> str:
    """Return LiteRT's version.

    Raises:
        ModelUnreadable: it is not installed.
    """
    _litert()
    import ai_edge_litert  # noqa: PLC0415 - an optional extra.

    return str(ai_edge_litert.__version__)


def _by_name(interpreter: Any) -> tuple[dict[str, _Details], dict[str, _Details]]:
    """Return details of inputs and outputs by the names of the signature, or of the tensors where it has none."""
    taken, given = interpreter.get_input_details(), interpreter.get_output_details()
    for key in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(key)
        names_in, names_out = _indices(runner.get_input_details()), _indices(runner.get_output_details())
        # A signature may be of another subgraph than the one that is run.
        if _are_of(names_in, taken) and _are_of(names_out, given):
            return _renamed(taken, names_in), _renamed(given, names_out)
    return _by_own_name(taken), _by_own_name(given)


def _indices(details: Mapping[str, _Details]) -> dict[int, str]:
    return {int(tensor["index"]): name for name, tensor in details.items()}


def _are_of(names: Mapping[int, str], tensors: Sequence[_Details]) -> bool:
    return names.keys() == {tensor["index"] for tensor in tensors}


def _renamed(tensors: Sequence[_Details], names: Mapping[int, str]) -> dict[str, _Details]:
    return {names[tensor["index"]]: tensor for tensor in tensors}


def _by_own_name(tensors: Sequence[_Details]) -> dict[str, _Details]:
    """Take TensorFlow's own additions off the names: `serving_default_ecg:0` is `ecg`."""
    cleaned = {t["name"].removeprefix("serving_default_").partition(":")[0]: t for t in tensors}
    return cleaned if len(cleaned) == len(tensors) else {t["name"]: t for t in tensors}


def _described(name: str, details: _Details) -> GraphTensor:
    shape = tuple(None if extent < 0 else int(extent) for extent in details["shape_signature"])
    return GraphTensor(name=name, dtype=np.dtype(details["dtype"]).name, shape=shape)


@cache
def _litert() -> ModuleType:
    try:
        from ai_edge_litert import interpreter  # noqa: PLC0415 - an optional extra.
    except ImportError as error:
        raise ModelUnreadable(
            "LiteRT, which runs .tflite models, is not installed here.", hint=f"Run: {installing('litert')}"
        ) from error
    module: ModuleType = interpreter
    return module


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Keep LiteRT's own lines ("INFO: Created ... delegate") off stderr, and hand on what others wrote meanwhile.

    Its library has no switch for them that the Linux wheels export.
    """
    with _redirecting, TemporaryFile() as caught:
        real = os.dup(_STDERR)
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(real, _STDERR)
            caught.seek(0)
            os.write(real, b"".join(line for line in caught if not line.startswith(b"INFO: ")))
            os.close(real)
