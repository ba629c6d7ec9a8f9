"""Models that want to harm the node that runs them, each built here, with the limit that each must break.

All take `int16[batch, 16]` 'ecg' and give `float32[batch]` 'score', as the manifest of :mod:`tests.executor.graphs`
says, with a batch of 1 to 4.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from model_registry.admission.admitted import Limits
from model_registry.admission.onnx_graph import MOST_NODES
from model_registry.errors import Limit
from tests.executor.graphs import SAMPLES, mean_model

LIMITS = Limits(memory_bytes=200 * 2**20, wall_s=20.0, size_bytes=2**20, cpu_s=1)
"""What the corpus is tried under."""
GIB = 2**30


@dataclass(frozen=True)
class Hostile:
    """One of them."""

    name: str
    limit: Limit
    build: Callable[[], bytes]


def corpus() -> Iterator[Hostile]:
    """Yield every hostile model."""
    yield Hostile("constant-of-shape-bomb", "memory", lambda: _with(_ask_for("ConstantOfShape", [6 * GIB // 4])))
    yield Hostile("expand-bomb", "memory", lambda: _with(_ask_for("Expand", [1500, 1000, 1000])))
    yield Hostile("tile-bomb", "memory", lambda: _with(_ask_for("Tile", [10_000_000])))
    yield Hostile("past-all-integers-bomb", "memory", lambda: _with(_ask_for("ConstantOfShape", [2**40, 2**40])))
    yield Hostile("only-at-the-largest-batch-bomb", "memory", _grows_with_the_batch)
    yield Hostile("doubling-loop-bomb", "memory", lambda: _loop(times=2**62, doubling=True))
    yield Hostile("sparse-bomb", "memory", _sparse)
    yield Hostile("outside-relative", "external_data", lambda: _outside("../../secret.bin"))
    yield Hostile("outside-absolute", "external_data", lambda: _outside("/etc/hostname"))
    yield Hostile("outside-by-symlink", "external_data", lambda: _outside("link.bin"))
    yield Hostile("outside-in-this-process", "external_data", lambda: _outside("*/_ORT_MEM_ADDR_/*"))
    yield Hostile("outside-in-a-branch", "external_data", lambda: _hidden(_if_around))
    yield Hostile("outside-in-a-function", "external_data", _outside_in_function)
    yield Hostile("outside-in-a-sparse-constant", "external_data", _outside_in_sparse)
    yield Hostile("hollow-constant", "format", _hollow_constant)
    yield Hostile("huge-constant", "size", lambda: _with([], constants=[_constant("big", np.zeros(2**19, np.float32))]))
    yield Hostile("endless-loop", "cpu", endless_loop)
    yield Hostile("long-loop", "cpu", lambda: _loop(times=30_000_000))
    yield Hostile("thousands-of-nodes", "nodes", lambda: chain(MOST_NODES))
    yield Hostile("functions-of-functions", "nodes", _laughs)
    yield Hostile("function-of-itself", "format", lambda: _laughs(recursive=True))
    yield Hostile("unknown-operator", "operators", lambda: _with([_node("Exfiltrate", ["ecg"], ["x"])]))
    yield Hostile("unknown-domain", "operators", lambda: _with([_node("Add", ["ecg", "ecg"], ["x"], domain="evil")]))
    yield Hostile("nested-graphs", "format", lambda: _hidden(_if_around, depth=20))
    yield Hostile("wrong-magic", "format", lambda: b"\x7fELF" + bytes(1000))
    yield Hostile("text", "format", lambda: b"#!/bin/sh\nrm -rf /\n")
    yield Hostile("empty", "format", lambda: b"\x08\x09")
    yield Hostile("truncated", "format", lambda: mean_model()[:-20])
    yield Hostile("announces-too-much", "format", lambda: b"\x08\x09\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
    yield Hostile("two-formats-in-one", "format", _two_formats)
    yield Hostile("graph-under-a-cut-off-number", "format", _graph_under_long_key)
    yield Hostile("zip-bomb", "format", _zip_bomb)
    yield Hostile("gzip-bomb", "format", lambda: gzip.compress(bytes(20 * 2**20)))
    yield Hostile("another-model", "contract", lambda: mean_model(output_name="mood"))
    yield Hostile("fails-when-large", "contract", _fails_when_large)


def chain(nodes: int) -> bytes:
    """Return the mean model with this many nodes before it."""
    names = ["ecg", *(f"t{i}" for i in range(nodes))]
    steps = [_node("Identity", [before], [after]) for before, after in pairwise(names)]
    return _with(steps, source=names[-1])


def endless_loop() -> bytes:
    """Return a model that would run for longer than the earth has been there."""
    return _loop(times=2**62)


def not_a_number_on_zeros() -> bytes:
    """Return a model that divides its input by itself."""
    return _with([_node("Cast", ["ecg"], ["f"], to=TensorProto.FLOAT), _node("Div", ["f", "f"], ["x"])], source="x")


def draws_lots() -> bytes:
    """Return a model that answers differently each time."""
    noise = _node("RandomUniformLike", ["ecg"], ["x"], dtype=TensorProto.FLOAT)
    return _with([noise], source="x")


def takes_small_values_only() -> bytes:
    """Return a model that fails on drawn samples, for they are rows of a table of four."""
    rows = [_node("Cast", ["ecg"], ["rows"], to=TensorProto.INT64), _node("Gather", ["table", "rows"], ["x"])]
    return _with(rows, source="x", constants=[_constant("table", np.arange(4, dtype=np.float32))])


def _node(operator: str, inputs: list[str], outputs: list[str], **attributes: object) -> NodeProto:
    return helper.make_node(operator, inputs, outputs, **attributes)


def _constant(name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> TensorProto:
    return numpy_helper.from_array(values, name)


def _with(
    nodes: list[NodeProto], *, source: str = "ecg", extra: str = "", constants: list[TensorProto] | None = None
) -> bytes:
    """Return the mean of `source` as the score, plus the largest of `extra`, after these nodes."""
    content: bytes = _model(nodes, source=source, extra=extra, constants=constants).SerializeToString()
    return content


def _model(
    nodes: list[NodeProto], *, source: str = "ecg", extra: str = "", constants: list[TensorProto] | None = None
) -> ModelProto:
    if not extra and any(node.output[0] == "extra" for node in nodes):
        extra = "extra"
    tail = [
        _node("Cast", [source], ["wide"], to=TensorProto.FLOAT),
        _node("ReduceMean", ["wide"], ["mean" if extra else "score"], axes=[1], keepdims=0),
    ]
    if extra:
        tail += [_node("ReduceMax", [extra], ["most"], keepdims=0), _node("Add", ["mean", "most"], ["score"])]
    graph = helper.make_graph(
        [*nodes, *tail],
        "g",
        [helper.make_tensor_value_info("ecg", TensorProto.INT16, ["n", SAMPLES])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        constants or [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _ask_for(operator: str, extents: list[int]) -> list[NodeProto]:
    """Return nodes that fill a tensor of this shape, which is written in the graph in a few bytes."""
    shape = _node("Constant", [], ["shape"], value=_constant("", np.array(extents, np.int64)))
    one = _node("Constant", [], ["one"], value=_constant("", np.ones(256 if operator == "Tile" else 1, np.float32)))
    inputs = ["shape"] if operator == "ConstantOfShape" else ["one", "shape"]
    # Without the input's part in it, the tensor would be computed, or refused, when the model is loaded.
    return [shape, one, _node(operator, inputs, ["huge"]), _node("ReduceSum", ["huge"], ["extra"], keepdims=0)]


def _grows_with_the_batch() -> bytes:
    """Return a model that fills batch^14 numbers: 4 bytes for one item, 1 GiB for four."""
    shape = [_node("Shape", ["ecg"], ["n"], end=1), _node("Concat", ["n"] * 14, ["shape"], axis=0)]
    fill = [_node("ConstantOfShape", ["shape"], ["huge"]), _node("ReduceSum", ["huge"], ["extra"], keepdims=0)]
    return _with(shape + fill)


def _fails_when_large() -> bytes:
    """Return a model that takes a batch of one or two: the third item's row is not in the table."""
    last = [
        _node("Shape", ["ecg"], ["n"], end=1),
        _node("Sub", ["n", "one"], ["last"]),
        _node("Gather", ["table", "last"], ["extra"]),
    ]
    constants = [_constant("table", np.zeros(2, np.float32)), _constant("one", np.array([1], np.int64))]
    return _with(last, constants=constants)


def _loop(*, times: int, doubling: bool = False) -> bytes:
    grow = _node("Concat", ["x", "x"], ["y"], axis=0) if doubling else _node("Sin", ["x"], ["y"])
    boolean = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("on", "on_again")]
    floats = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    body = helper.make_graph(
        [_node("Identity", ["on"], ["on_again"]), grow], "body", [turn, boolean[0], floats[0]], [boolean[1], floats[1]]
    )
    constants = [_constant("times", np.array(times, np.int64)), _constant("yes", np.array([True])[0:1].reshape(()))]
    start = [_node("Cast", ["ecg"], ["start"], to=TensorProto.FLOAT)]
    return _with([*start, _node("Loop", ["times", "yes", "start"], ["extra"], body=body)], constants=constants)


def _external(location: str) -> TensorProto:
    tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def _outside(location: str) -> bytes:
    return _with([_node("Identity", ["outside"], ["extra"])], constants=[_external(location)])


def _graph_with_constant(tensor: TensorProto) -> GraphProto:
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
    return helper.make_graph([_node("Constant", [], ["inner"], value=tensor)], "branch", [], [value])


def _if_around(inner: GraphProto) -> GraphProto:
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
    yes = _node("Constant", [], ["yes"], value=_constant("", np.array(True)))
    return helper.make_graph(
        [yes, _node("If", ["yes"], ["inner"], then_branch=inner, else_branch=inner)], "branch", [], [value]
    )


def _hidden(around: Callable[[GraphProto], GraphProto], *, depth: int = 1) -> bytes:
    graph = _graph_with_constant(_external("weights.bin") if depth == 1 else _constant("", np.zeros(1, np.float32)))
    # Both branches would double the file at every depth: of the outer ones one is enough.
    for _ in range(depth):
        graph = around(graph)
        del graph.node[1].attribute[1 if depth > 1 else 2 :]
    return _with([*graph.node, _node("Identity", ["inner"], ["extra"])])


def _outside_in_function() -> bytes:
    model = _model([_node("Own", ["ecg"], ["x"], domain="own")], source="x")
    body = [_node("Constant", [], ["c"], value=_external("weights.bin")), _node("Add", ["a", "c"], ["b"])]
    model.functions.append(helper.make_function("own", "Own", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    content: bytes = model.SerializeToString()
    return content


def _outside_in_sparse() -> bytes:
    model = _model([])
    model.graph.sparse_initializer.add(values=_external("weights.bin"), indices=TensorProto(dims=[0]), dims=[10])
    content: bytes = model.SerializeToString()
    return content


def _sparse() -> bytes:
    model = _model([])
    values, indices = _constant("s", np.ones(1, np.float32)), _constant("i", np.zeros(1, np.int64))
    model.graph.sparse_initializer.add(values=values, indices=indices, dims=[2**20, 2**20])
    content: bytes = model.SerializeToString()
    return content


def _hollow_constant() -> bytes:
    """Return a model whose constant says that it has 2^40 elements and holds four bytes."""
    hollow = TensorProto(name="hollow", data_type=TensorProto.FLOAT, dims=[2**20, 2**20], raw_data=bytes(4))
    return _with([_node("Identity", ["hollow"], ["extra"])], constants=[hollow])


def _laughs(*, recursive: bool = False) -> bytes:
    """Return ten functions, each of which calls the one before ten times: 10^10 nodes in 6 KB."""
    model = _model([_node("F9", ["ecg"], ["x"], domain="own")], source="x")
    model.opset_import.append(helper.make_opsetid("own", 1))
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for level in range(10):
        inner = ("F9", "own") if recursive else (f"F{level - 1}", "own") if level else ("Identity", "")
        names = ["a", *(f"t{i}" for i in range(9)), "b"]
        calls = [_node(inner[0], [x], [y], domain=inner[1]) for x, y in pairwise(names)]
        model.functions.append(helper.make_function("own", f"F{level}", ["a"], ["b"], calls, imports))
    content: bytes = model.SerializeToString()
    return content


def _two_formats() -> bytes:
    """Return a sound ONNX model that onnxruntime would take for one of its own format, by a field that says so."""
    names_its_maker = b"\x12\x40\x00\x00ORTM" + bytes(58)
    return names_its_maker + mean_model()


def _graph_under_long_key() -> bytes:
    """Return a sound model with another graph added, under a number that is a graph's once it is cut to 32 bits.

    onnxruntime cuts it and reads both; who does not would let the constant pass that lies elsewhere.
    """
    graph = ModelProto.FromString(_outside("/etc/hostname")).graph.SerializeToString()
    length = bytes([len(graph) & 0x7F | 0x80, len(graph) >> 7])
    content: bytes = mean_model() + b"\xba\x80\x80\x80\x10" + length + graph
    return content


def _zip_bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.onnx", bytes(20 * 2**20))
    return packed.getvalue()
