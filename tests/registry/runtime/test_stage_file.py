import tracemalloc
from contextlib import suppress
from itertools import pairwise

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from model_registry.errors import ModelUnreadable
from model_registry.runtime.session import open_session
from model_registry.runtime.stage_file import stage_bytes, take_stage
from model_registry.runtime.wire_format import DEEPEST
from tests.executor.graphs import mean_model
from tests.registry.runtime.graphs import INPUTS, WIDTH, Cuttable, Environment, cuttable

ASKED: Environment = {
    name: np.random.default_rng(seed).standard_normal((2, WIDTH)).astype(np.float32) for seed, name in enumerate(INPUTS)
}


def names_used(node: onnx.NodeProto) -> set[str]:
    """Return what a node takes by the onnx package: its inputs, and what its bodies use and do not make."""
    used = set(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            used |= names_used(inner) - {name for node in attribute.g.node for name in node.output}
    return used - {""}


def run(content: bytes, environment: Environment) -> Environment:
    session = open_session(content)
    names = [tensor.name for tensor in session.outputs]
    inputs = {tensor.name: environment[tensor.name] for tensor in session.inputs}
    return dict(zip(names, session.run(names, inputs), strict=True))


@given(drawn=cuttable(), data=st.data())
def test_a_stage_takes_and_gives_what_the_onnx_package_says(drawn: Cuttable, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, drawn.n_nodes - 1))
    last = data.draw(st.integers(first + 1, drawn.n_nodes))
    graph = drawn.model.graph
    within, behind = list(graph.node[first:last]), list(graph.node[last:])
    made = {name for node in within for name in node.output}
    used = {name for node in within for name in names_used(node)}
    constants = {constant.name for constant in graph.initializer}
    outputs = {name for name in made if any(name in names_used(node) for node in behind)}
    outputs |= made & {output.name for output in graph.output}
    if not outputs:
        with pytest.raises(ModelUnreadable, match="they make nothing that anybody needs"):
            stage_bytes(drawn.content, first, last)
        return
    file = take_stage(drawn.content, first, last)
    stage = onnx.load_from_string(file.content)
    onnx.checker.check_model(stage, full_check=True)
    assert list(stage.graph.node) == within
    assert {tensor.name for tensor in stage.graph.input} == file.inputs == used - made - constants
    assert {tensor.name for tensor in stage.graph.output} == file.outputs == outputs
    assert {constant.name for constant in stage.graph.initializer} == used & constants


@given(drawn=cuttable(), data=st.data())
def test_stages_one_after_the_other_answer_as_the_whole_does(drawn: Cuttable, data: st.DataObject) -> None:
    places = sorted(data.draw(st.sets(st.integers(1, max(1, drawn.n_nodes - 1)), max_size=3)))
    environment = dict(ASKED)
    for first, last in pairwise([0, *(place for place in places if place < drawn.n_nodes), drawn.n_nodes]):
        with suppress(ModelUnreadable):  # Of what nobody needs there is no stage.
            environment |= run(stage_bytes(drawn.content, first, last), environment)
    for name, array in run(drawn.content, ASKED).items():
        np.testing.assert_array_equal(environment[name], array)


def test_a_stage_is_the_same_bytes_whenever_it_is_taken() -> None:
    content = mean_model()
    assert stage_bytes(content, 0, 1) == stage_bytes(content, 0, 1)
    assert stage_bytes(stage_bytes(content, 0, 2), 0, 2) == stage_bytes(content, 0)


@pytest.mark.parametrize(("first", "last"), [(-1, 1), (0, 0), (1, 1), (2, 1), (0, 3), (2, None), (5, None)])
def test_a_range_that_the_graph_does_not_have_is_refused(first: int, last: int | None) -> None:
    with pytest.raises(ModelUnreadable, match="it has 2 of them"):
        stage_bytes(mean_model(), first, last)


def test_what_a_stage_takes_must_be_of_a_known_type() -> None:
    with pytest.raises(ModelUnreadable, match="it does not tell the type of 'x'"):
        stage_bytes(mean_model(), 1, 2)


def test_an_operator_made_of_others_goes_with_every_stage() -> None:
    twice = helper.make_function("own", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], [_OPSET])
    nodes = [helper.make_node("Twice", [name], [made], domain="own") for name, made in (("a", "b"), ("b", "c"))]
    content = _model(nodes, functions=[twice], within=["b"])
    head = run(stage_bytes(content, 0, 1), {"a": np.ones(WIDTH, np.float32)})
    assert run(stage_bytes(content, 1, 2), head)["c"].tolist() == [4.0, 4.0, 4.0]


def test_a_constant_that_may_be_overridden_stays_so() -> None:
    scale = numpy_helper.from_array(np.full(WIDTH, 3, np.float32), "scale")
    content = _model([helper.make_node("Mul", ["a", "scale"], ["c"])], constants=[scale], inputs=["a", "scale"])
    file = take_stage(content, 0, 1)
    assert file.inputs == {"a"}
    assert [tensor.name for tensor in onnx.load_from_string(file.content).graph.input] == ["a", "scale"]


def test_a_sparse_constant_goes_with_the_stage_that_needs_it() -> None:
    values = numpy_helper.from_array(np.array([5], np.float32), "scale")
    indices = numpy_helper.from_array(np.array([1], np.int64), "places")
    sparse = helper.make_sparse_tensor(values, indices, [WIDTH])
    nodes = [helper.make_node("Neg", ["a"], ["b"]), helper.make_node("Mul", ["b", "scale"], ["c"])]
    content = _model(nodes, sparse=[sparse], within=["b"])
    assert len(onnx.load_from_string(stage_bytes(content, 0, 1)).graph.sparse_initializer) == 0
    assert run(stage_bytes(content, 1, 2), {"b": np.ones(WIDTH, np.float32)})["c"].tolist() == [0.0, 5.0, 0.0]


def test_bodies_without_end_are_refused() -> None:
    body = helper.make_graph([helper.make_node("Neg", ["a"], ["c"])], "g", [], [])
    for _ in range(DEEPEST):
        around = helper.make_node("If", ["a"], ["c"], then_branch=body)
        body = helper.make_graph([around], "g", [], [])
    content = _model(list(body.node))
    with pytest.raises(ModelUnreadable, match=f"more than {DEEPEST} graphs lie inside one another"):
        stage_bytes(content, 0)


def test_two_graphs_are_refused() -> None:
    with pytest.raises(ModelUnreadable, match="it has 2 graphs"):
        stage_bytes(mean_model() * 2, 0, 1)


@given(st.binary(max_size=300), st.integers(-2, 5), st.integers(-2, 5))
def test_no_bytes_raise_anything_but_an_error_of_the_registry(content: bytes, first: int, last: int) -> None:
    with suppress(ModelUnreadable):
        stage_bytes(content, first, last)


@given(drawn=cuttable(), data=st.data())
def test_no_damage_raises_anything_but_an_error_of_the_registry(drawn: Cuttable, data: st.DataObject) -> None:
    content = bytearray(drawn.content)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ModelUnreadable):
        stage_bytes(bytes(content), 0, drawn.n_nodes)


def test_weights_are_copied_once() -> None:
    n_bytes = 20_000_000
    weights = numpy_helper.from_array(np.zeros((n_bytes // 4 // WIDTH, WIDTH), np.float32), "weights")
    content = _model([helper.make_node("Gather", ["weights", "at"], ["c"])], constants=[weights, _AT])
    tracemalloc.start()
    stage_bytes(content, 0)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1.1 * n_bytes


_OPSET = helper.make_opsetid("", 17)
_AT = numpy_helper.from_array(np.array(1, np.int64), "at")


def _model(
    nodes: list[onnx.NodeProto],
    *,
    inputs: list[str] | None = None,
    within: list[str] | None = None,
    constants: list[onnx.TensorProto] | None = None,
    sparse: list[onnx.SparseTensorProto] | None = None,
    functions: list[onnx.FunctionProto] | None = None,
) -> bytes:
    taken, made = (
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [WIDTH]) for n in names]
        for names in (inputs or ["a"], within or [])
    )
    graph = helper.make_graph(
        nodes, "g", taken, [helper.make_tensor_value_info("c", TensorProto.FLOAT, [WIDTH])], constants or [],
        value_info=made, sparse_initializer=sparse or [],
    )  # fmt: skip
    opsets = [_OPSET, helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, functions=functions or [], ir_version=9)
    content: bytes = model.SerializeToString()
    return content
