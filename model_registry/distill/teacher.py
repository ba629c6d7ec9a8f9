"""The model to learn from: any ONNX file whose inputs are numbers, asked for its answers once and in batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from model_registry.distill.errors import DistillError
from model_registry.distill.port import Port

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime  # The variable must be set before.

Arrays = Mapping[str, NDArray[Any]]

BATCH = 32
"""Examples shown at a time: more than that gains a small teacher nothing and costs a large one memory."""


class Teacher:
    """An ONNX model that answers whatever examples it is shown."""

    def __init__(self, path: Path, *, outputs: Sequence[str] = (), threads: int = 1) -> None:
        """Open a file, and keep to the named outputs; all of them when none is named.

        Raises: DistillError for a file that cannot be opened, and for inputs or outputs that no student can have.
        """
        self.path = path
        self.session = _opened(path, threads)
        self.inputs = tuple(Port.of(declared) for declared in self.session.get_inputs())
        said = tuple(Port.of(declared) for declared in self.session.get_outputs())
        self.outputs = _chosen(said, outputs)
        graph = onnx.load(path, load_external_data=False).graph
        for port in self.inputs:
            _demand_dense(port, graph)
        _demand_stateless(self.inputs, said)
        for port in self.outputs:
            _demand_teachable(port)

    def answers(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Return what it says of every example, by output: float32[examples, ...].

        Raises: DistillError when it cannot answer, or answers what is no number.
        """
        try:
            said = answers_of(self.session, [port.name for port in self.outputs], inputs)
        except Exception as cause:  # onnxruntime's errors share no base of their own.
            raise DistillError(
                f"{self.path.name} cannot answer these examples: {_first_line(cause)}",
                hint=f"Compare the shapes in the data with its inputs: {'; '.join(map(str, self.inputs))}.",
            ) from cause
        for name, answers in said.items():
            if not np.isfinite(answers).all():
                raise DistillError(f"The teacher answers NaN or infinity in '{name}'.", hint="Leave such examples out.")
        return said


def answers_of(session: Any, names: Sequence[str], inputs: Arrays) -> dict[str, NDArray[np.float32]]:
    """Run a session on all examples, as many at a time as it takes, and return float32[examples, ...] by name."""
    single = any(given.shape[0] == 1 for given in session.get_inputs())
    parts = [session.run(list(names), batch) for batch in batches(inputs, 1 if single else BATCH)]
    return {name: np.concatenate([np.asarray(part[at], np.float32) for part in parts]) for at, name in enumerate(names)}


def batches(inputs: Arrays, size: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the examples in order, `size` at a time, the rest last."""
    count = len(next(iter(inputs.values())))
    for at in range(0, count, size):
        yield {name: part[at : at + size] for name, part in inputs.items()}


def _opened(path: Path, threads: int) -> Any:
    if not path.is_file():
        raise DistillError(f"There is no file {path}.", hint="Give the path of an ONNX model.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as cause:  # onnxruntime's errors share no base of their own.
        raise DistillError(
            f"onnxruntime cannot load {path.name}: {_first_line(cause)}",
            hint="`meshd models import` says what can be read and how to convert the rest.",
        ) from cause


def _first_line(cause: Exception) -> str:
    return next(iter(str(cause).splitlines()), type(cause).__name__)


def _chosen(said: Sequence[Port], names: Sequence[str]) -> tuple[Port, ...]:
    by_name = {port.name: port for port in said}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise DistillError(f"The teacher has no output '{missing[0]}'.", hint=f"It has {', '.join(map(str, said))}.")
    return tuple(by_name[name] for name in names) or tuple(said)


def _demand_dense(port: Port, graph: onnx.GraphProto) -> None:
    if port.dtype is None:
        raise DistillError(
            f"Input {port} is not made of numbers, and a student learns from numbers alone.",
            hint="Cut the graph behind whatever turns it into numbers.",
        )
    if not port.shape:
        raise DistillError(
            f"Input {port} has no batch axis, so examples cannot be told apart.",
            hint="Make it a constant of the graph, or give it a first axis.",
        )
    if isinstance(port.shape[0], int) and port.shape[0] != 1:
        raise DistillError(
            f"Input {port} takes exactly {port.shape[0]} examples at a time.",
            hint="Export it again with a dynamic first axis, or one of 1.",
        )
    if _is_index(port.name, graph):
        raise DistillError(
            f"Input {port} looks things up in a table (tokens); their numbers mean nothing to a convolution.",
            hint="Distil from the embeddings on, or shrink this model with int8 and int4 weights instead.",
        )


def _is_index(name: str, graph: onnx.GraphProto) -> bool:
    same = {name}
    for node in graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in same:
            same.add(node.output[0])
        if node.op_type == "Gather" and node.input[1] in same:
            return True
    return False


def _demand_stateless(inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
    for port in inputs:
        kept = [other for other in outputs if other.element == port.element and other.name in _as_state(port.name)]
        if kept:
            raise DistillError(
                f"Input {port} carries state from one call to the next (it comes out again as '{kept[0].name}').",
                hint="A student answers each example for itself: unroll the loop, or cut the state out of the graph.",
            )


_AFTERWARDS = ("N", "_n", "_out", "_new", "_next")
_BEFORE, _AFTER = ("past_", "prev_"), ("new_", "next_", "present_", "out_")


def _as_state(name: str) -> set[str]:
    """Return how exporters call the output that an input of this name is fed from."""
    bare = name.removesuffix("_in").removesuffix("_0")
    for prefix in (*_BEFORE, "in_"):
        bare = bare.removeprefix(prefix)
    return {name, *(bare + end for end in _AFTERWARDS), *(start + bare for start in _AFTER)}


def _demand_teachable(port: Port) -> None:
    if not port.is_float:
        raise DistillError(
            f"Output {port} is not of real numbers, and whole ones cannot be approached step by step.",
            hint="Name the outputs to learn with --outputs.",
        )
    if not port.shape:
        raise DistillError(f"Output {port} has no batch axis.", hint="Name the outputs to learn with --outputs.")
