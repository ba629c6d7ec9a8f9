"""A network that takes a given time and says nothing: matrices of chance, multiplied over and over.

It takes ``once + k * each`` trips through one layer for k items, so that those behind the first may be cheaper, as they
are where weights are read once for all. A layer's numbers fit into a processor's nearest caches, so that twice as many
trips take twice as long.
"""

from __future__ import annotations

from time import process_time

import numpy as np
from msgspec import Struct
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from model_registry.runtime.session import open_session
from model_registry.tensor import Tensor
from policies.mesh.stand_in import INPUT, OUTPUT, StandIn

_ROWS, _WIDTH = 64, 256
_ELEMENTS = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}
_PROBE_TRIPS = 500
_PROBE_RUNS = 7
_OPSET, _IR_VERSION = 17, 9


class Trips(Struct, frozen=True, kw_only=True):
    """How often a layer is gone through."""

    once: int
    """For all items together."""
    each: int
    """For every item."""


def trips(stand_in: StandIn, seconds: float, trip_s: float) -> Trips:
    """Return what takes so many seconds for one item, and its share of them for each further one."""
    whole = max(1, round(seconds / trip_s))
    each = max(1, round(whole * stand_in.further_item))
    return Trips(once=max(0, whole - each), each=each)


def seconds_of_a_trip() -> float:
    """Return what one trip takes on a core of this machine, whatever else it has to do meanwhile."""
    tensor = Tensor(name=INPUT, dtype="uint8", shape=("batch", 1))
    session = open_session(ballast(tensor, 1, Trips(once=0, each=_PROBE_TRIPS)))
    taken_s = []
    for _ in range(_PROBE_RUNS):
        began_s = process_time()
        session.run([OUTPUT], {INPUT: np.zeros((1, 1), np.uint8)})
        taken_s.append(process_time() - began_s)
    return min(taken_s) / _PROBE_TRIPS


def ballast(tensor: Tensor, n_answers: int, wanted: Trips) -> bytes:
    """Return an ONNX model that takes this input and answers float32[batch, n_answers]."""
    nodes = [
        helper.make_node("Cast", [INPUT], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["means"], axes=list(range(1, len(tensor.shape))), keepdims=0),
        helper.make_node("Reshape", ["means", "deep"], ["items"]),
        helper.make_node("ReduceMean", ["items"], ["all"], axes=[0], keepdims=1),
        *_way_through("items", "each"),
        *_way_through("all", "once"),
        # Nothing of what is done for all reaches an answer: it may not depend on who else is in the batch.
        helper.make_node("Mul", ["once_end", "nothing"], ["no_more"]),
        helper.make_node("Add", ["each_end", "no_more"], ["ends"]),
        helper.make_node("Reshape", ["ends", "flat"], ["column"]),
        helper.make_node("MatMul", ["column", "answers"], [OUTPUT]),
    ]
    taken = helper.make_tensor_value_info(INPUT, _ELEMENTS[tensor.dtype], list(tensor.shape))
    given = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", n_answers])
    graph = helper.make_graph(nodes, "ballast", [taken], [given], _constants(n_answers, wanted))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    content: bytes = model.SerializeToString()
    return content


def _way_through(begin: str, name: str) -> list[NodeProto]:
    """Return the nodes that take ``begin`` through the layer as often as the constant ``{name}_trips`` says."""
    return [
        helper.make_node("Add", [begin, "rows"], [f"{name}_rows"]),
        helper.make_node("MatMul", [f"{name}_rows", "spread"], [f"{name}_begin"]),
        helper.make_node("Loop", [f"{name}_trips", "", f"{name}_begin"], [f"{name}_out"], body=_layer(name)),
        helper.make_node("ReduceMean", [f"{name}_out"], [f"{name}_end"], axes=[1, 2], keepdims=0),
    ]


def _layer(name: str) -> GraphProto:
    before, after = f"{name}_before", f"{name}_after"
    goes_on, still = f"{name}_goes_on", f"{name}_still"
    nodes = [
        helper.make_node("MatMul", [before, "weights"], [after]),
        helper.make_node("Identity", [goes_on], [still]),
    ]
    number = helper.make_tensor_value_info(f"{name}_number", TensorProto.INT64, [])
    taken = [
        number,
        helper.make_tensor_value_info(goes_on, TensorProto.BOOL, []),
        helper.make_tensor_value_info(before, TensorProto.FLOAT, None),
    ]
    given = [
        helper.make_tensor_value_info(still, TensorProto.BOOL, []),
        helper.make_tensor_value_info(after, TensorProto.FLOAT, None),
    ]
    return helper.make_graph(nodes, name, taken, given)


def _constants(n_answers: int, wanted: Trips) -> list[TensorProto]:
    chance = np.random.default_rng(0)
    axis = chance.standard_normal(_WIDTH)
    # A reflection: numbers neither grow nor shrink, however often they are multiplied by it.
    weights = np.eye(_WIDTH) - 2.0 * np.outer(axis, axis) / (axis @ axis)
    constants = {
        "weights": weights.astype(np.float32),
        "rows": chance.standard_normal((1, _ROWS, 1)).astype(np.float32),
        "spread": np.ones((1, _WIDTH), np.float32),
        "deep": np.array([-1, 1, 1]),
        "flat": np.array([-1, 1]),
        "nothing": np.array(0.0, np.float32),
        "answers": np.ones((1, n_answers), np.float32),
        "once_trips": np.array(wanted.once),
        "each_trips": np.array(wanted.each),
    }
    return [numpy_helper.from_array(array, name) for name, array in constants.items()]
