"""Small graphs, each for one thing that makes cutting hard; and what is held against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from model_registry.convert.progress import Unwatched
from model_registry.partition.cutting import Order, Parts, cut
from model_registry.partition.trials import Trials
from model_registry.runtime.session import open_session
from model_registry.runtime.stage_file import stage_bytes
from model_registry.tensor import Axis, Tensor
from tests.registry.convert.models import built

Array = NDArray[Any]
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
WIDTH = 64
_RNG = np.random.default_rng(0)
MATRIX = _RNG.standard_normal((WIDTH, WIDTH)).astype(np.float32) / 8
NARROW = _RNG.standard_normal((WIDTH, 8)).astype(np.float32) / 8
WIDE = _RNG.standard_normal((8, WIDTH)).astype(np.float32)


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    """Return a node; names are parted by blanks, and `-` stands for an input that is left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), **attributes)


def layers(first: str, last: str, *, count: int = 3, name: str = "l") -> list[Any]:
    """Return a chain of matrix products by MATRIX, each with a Tanh behind it."""
    names = [first, *(f"{name}{index}" for index in range(1, count)), last]
    return [
        each
        for before, behind in pairwise(names)
        for each in (node("MatMul", f"{before} matrix", f"{behind}_"), node("Tanh", f"{behind}_", behind))
    ]


def body(name: str, nodes: Sequence[Any], output: str, shape: Sequence[Any] = (None, WIDTH)) -> Any:
    """Return a branch without inputs."""
    return helper.make_graph(list(nodes), name, [], [helper.make_tensor_value_info(output, FLOAT, shape)])


def model(
    nodes: Sequence[Any],
    *,
    inputs: Mapping[str, Sequence[Any]] | None = None,
    outputs: Mapping[str, Sequence[Any]] | None = None,
    constants: Mapping[str, Any] | None = None,
) -> Any:
    """Return a model of floats, from `x` to `y` unless told otherwise."""
    given, wanted = inputs or {"x": (1, WIDTH)}, outputs or {"y": (1, WIDTH)}
    return built(
        nodes,
        inputs={name: (FLOAT, list(shape)) for name, shape in given.items()},
        outputs={name: (FLOAT, list(shape)) for name, shape in wanted.items()},
        constants={"matrix": MATRIX, **(constants or {})},
    )


def order(made: Any, *, axes: Mapping[str, Axis] | None = None, most: int = 5, least_depth: int = 0) -> Order:
    """Return the order to cut a model as its graph declares it."""
    content = made if isinstance(made, bytes) else made.SerializeToString()
    session = open_session(content)
    inputs, outputs = (
        tuple(Tensor(name=t.name, dtype=t.dtype, shape=tuple(t.shape)) for t in tensors)  # type: ignore[arg-type]
        for tensors in (session.inputs, session.outputs)
    )
    named = dict(axes or {})
    return Order(
        content=content,
        inputs=inputs,
        outputs=outputs,
        axes=named,
        trials=Trials(inputs=inputs, axes=named, feed=None),
        macs=1000,
        most=most,
        least_depth=least_depth,
        seconds_each=0,
    )


def cut_up(made: Any, **wishes: Any) -> Parts:
    """Cut a model."""
    return cut(order(made, **wishes), Unwatched())


def run_in_parts(parts: Parts, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
    """Run all stages of a model that was cut."""
    cuts = parts.split.cuts
    return run_stages(parts.content, [cut.nodes for cut in cuts], [cut.tensors for cut in cuts], inputs, outputs)


def run_stages(
    content: bytes,
    places: Sequence[int],
    crossing: Sequence[Sequence[Tensor]],
    inputs: Mapping[str, Array],
    outputs: Sequence[str],
) -> list[Array]:
    """Run stage after stage, each with nothing but what is said to cross before it."""
    known = dict(inputs)
    for (first, last), tensors in zip(pairwise((0, *places, None)), [*crossing, None], strict=True):
        session = open_session(stage_bytes(content, first or 0, last))
        names = [tensor.name for tensor in session.outputs]
        given = {tensor.name: known[tensor.name] for tensor in session.inputs}
        known |= zip(names, session.run(names, given), strict=True)
        if tensors is not None:
            known = {tensor.name: known[tensor.name] for tensor in tensors}
    return [known[name] for name in outputs]


def whole(content: bytes, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
    """Run a model in one piece."""
    return open_session(content).run(list(outputs), inputs)


def drawn(**shapes: tuple[int, ...]) -> dict[str, Array]:
    """Return floats of these shapes."""
    rng = np.random.default_rng(7)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def same_in_parts(made: Any, parts: Parts, inputs: Mapping[str, Array], outputs: Sequence[str] = ("y",)) -> bool:
    """Tell whether original, whole and stages answer with the same bits."""
    truth = whole(made.SerializeToString(), inputs, outputs)
    answers = (whole(parts.content, inputs, outputs), run_in_parts(parts, inputs, outputs))
    return all(np.array_equal(a, b) for answer in answers for a, b in zip(truth, answer, strict=True))
