"""Whatever a graph looks like: its parts answer as the whole, bit for bit, or it is not cut."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="cutting needs the `convert` extra")

import hashlib
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from model_registry.errors import ModelUnreadable
from model_registry.partition.arrangement import arranged
from model_registry.partition.errors import NotCuttable
from model_registry.partition.graph import Graph, graph_of
from model_registry.partition.preparation import prepared
from model_registry.partition.trace import traced
from model_registry.runtime.stage_file import stage_bytes
from model_registry.tensor import Axis
from tests.registry.convert.models import built
from tests.registry.partition.graphs import (
    BOOL,
    FLOAT,
    INT64,
    MATRIX,
    NARROW,
    WIDE,
    WIDTH,
    body,
    cut_up,
    drawn,
    layers,
    model,
    node,
    order,
    run_in_parts,
    run_stages,
    same_in_parts,
    whole,
)

BOTTLENECK = {"narrow": NARROW, "wide": WIDE}


def bottleneck() -> Any:
    """Return a chain that is eight numbers wide in its middle."""
    nodes = [
        *layers("x", "a"),
        node("MatMul", "a narrow", "b"),
        node("MatMul", "b wide", "c"),
        *layers("c", "y", name="r"),
    ]
    return model(nodes, constants=BOTTLENECK)


def test_a_chain_is_cut_where_it_is_narrowest() -> None:
    parts = cut_up(bottleneck())

    assert 8 * 4 in [cut.item_bytes for cut in parts.split.cuts]
    assert same_in_parts(bottleneck(), parts, drawn(x=(1, WIDTH)))


def test_places_are_nested_and_told_in_order_with_growing_work_and_macs() -> None:
    cuts = cut_up(bottleneck()).split.cuts

    assert [cut.nodes for cut in cuts] == sorted({cut.nodes for cut in cuts})
    assert [cut.work for cut in cuts] == sorted(cut.work for cut in cuts)
    assert [cut.macs for cut in cuts] == sorted(cut.macs for cut in cuts)
    assert all(0 <= cut.macs <= 1000 for cut in cuts)


def test_stages_have_the_hashes_that_are_told() -> None:
    parts = cut_up(bottleneck())

    ends = [0, *(cut.nodes for cut in parts.split.cuts), None]
    stages = [stage_bytes(parts.content, a or 0, b) for a, b in pairwise(ends)]
    assert tuple(hashlib.sha256(stage).hexdigest() for stage in stages) == parts.split.stages


def test_no_more_places_are_offered_than_asked_for() -> None:
    assert len(cut_up(bottleneck(), most=1).split.cuts) == 1


def test_branches_and_skips_cross_together() -> None:
    made = model(
        [
            *layers("x", "a"),
            *layers("a", "b", name="p"),
            node("Add", "a b", "c"),
            *layers("c", "d", name="q"),
            node("Add", "d x", "y"),
        ]
    )

    parts = cut_up(made)

    assert any(len(cut.tensors) > 1 for cut in parts.split.cuts)
    assert same_in_parts(made, parts, drawn(x=(1, WIDTH)))


def test_a_constant_that_both_sides_need_is_in_both() -> None:
    made = bottleneck()
    parts = cut_up(made)

    stages = [
        onnx.load_model_from_string(stage_bytes(parts.content, *ends))
        for ends in ((0, parts.split.cuts[-1].nodes), (parts.split.cuts[-1].nodes, None))
    ]
    assert all(any(tuple(t.dims) == MATRIX.shape for t in stage.graph.initializer) for stage in stages)


def with_computed_constant(*, x: str = "x") -> Any:
    """Return a chain whose first and last layer share weights that are stored in eight bits."""
    small = (np.arange(WIDTH * WIDTH) % 7).astype(np.int8).reshape(WIDTH, WIDTH)
    nodes = [node("Cast", "small", "large", to=FLOAT), node("MatMul", f"{x} large", "a_"), node("Sigmoid", "a_", "a")]
    nodes += [
        *layers("a", "b"),
        node("MatMul", "b narrow", "m"),
        node("MatMul", "m wide", "n"),
        *layers("n", "o", name="q"),
    ]
    nodes += [node("MatMul", "o large", "y")]
    return model(nodes, inputs={x: (1, WIDTH)}, constants={"small": small, **BOTTLENECK})


def test_a_constant_that_is_computed_is_copied_into_each_stage_that_needs_it() -> None:
    made = with_computed_constant()

    parts = cut_up(made)

    assert {0, len(parts.split.cuts)} <= {*_stages_with(parts, "Cast")}
    assert same_in_parts(made, parts, drawn(x=(1, WIDTH)))


def _stages_with(parts: Any, kind: str) -> list[int]:
    ends = [0, *(cut.nodes for cut in parts.split.cuts), None]
    graphs = [onnx.load_model_from_string(stage_bytes(parts.content, a or 0, b)).graph for a, b in pairwise(ends)]
    return [number for number, graph in enumerate(graphs) if any(each.op_type == kind for each in graph.node)]


def test_what_a_branch_captures_crosses() -> None:
    chosen = node(
        "If",
        "cond",
        "c",
        then_branch=body("t", [node("Mul", "x b", "p")], "p"),
        else_branch=body("e", [node("Add", "a b", "q")], "q"),
    )
    nodes = [
        *layers("x", "a"),
        *layers("a", "b", name="p"),
        node("ReduceSum", "b", "s", keepdims=0),
        node("Less", "s zero", "cond"),
        chosen,
    ]
    made = model([*nodes, *layers("c", "y", name="r")], constants={"zero": np.float32(0)})

    parts = cut_up(made)

    for seed in (1, -1):
        assert same_in_parts(made, parts, {"x": drawn(x=(1, WIDTH))["x"] * seed})


def test_a_loop_with_its_state_stays_in_one_piece() -> None:
    step = helper.make_graph(
        [
            node("Identity", "going", "on"),
            node("MatMul", "state matrix", "wide_"),
            node("Add", "wide_ a", "next_"),
            node("Tanh", "next_", "next"),
        ],
        "step",
        [
            helper.make_tensor_value_info("count", INT64, []),
            helper.make_tensor_value_info("going", BOOL, []),
            helper.make_tensor_value_info("state", FLOAT, [1, WIDTH]),
        ],
        [helper.make_tensor_value_info("on", BOOL, []), helper.make_tensor_value_info("next", FLOAT, [1, WIDTH])],
    )
    made = model(
        [*layers("x", "a"), node("Loop", "times yes a", "b", body=step), *layers("b", "y", name="r")],
        constants={"times": np.int64(3), "yes": np.bool_(True)},
    )

    assert same_in_parts(made, cut_up(made), drawn(x=(1, WIDTH)))


def test_a_state_is_read_and_renewed_in_one_stage() -> None:
    nodes = [
        *layers("x", "a"),
        node("Add", "a h", "b"),
        *layers("b", "c", name="p"),
        node("Tanh", "c", "hn"),
        *layers("c", "y", name="q"),
    ]
    made = model(nodes, inputs={"x": (1, WIDTH), "h": (1, WIDTH)}, outputs={"y": (1, WIDTH), "hn": (1, WIDTH)})

    parts = cut_up(made)

    for cut in parts.split.cuts:
        names = {tensor.name for tensor in cut.tensors}
        assert ("h" in names) != ("hn" in names), "before the stage the old one crosses, behind it the new one"
    assert same_in_parts(made, parts, drawn(x=(1, WIDTH), h=(1, WIDTH)), ("y", "hn"))


def test_a_dynamic_batch_stays_dynamic_and_is_told_by_its_name() -> None:
    nodes = [
        *layers("x", "a"),
        node("MatMul", "a narrow", "b"),
        node("MatMul", "b wide", "c"),
        *layers("c", "y", name="r"),
    ]
    made = model(nodes, inputs={"x": ("batch", WIDTH)}, outputs={"y": ("batch", WIDTH)}, constants=BOTTLENECK)

    parts = cut_up(made, axes={"batch": Axis(max=16)})

    assert {tensor.shape for cut in parts.split.cuts for tensor in cut.tensors} <= {("batch", 8), ("batch", WIDTH)}
    for items in (1, 5, 16):
        assert same_in_parts(made, parts, drawn(x=(items, WIDTH)))


def test_shapes_never_cross_and_are_computed_anew() -> None:
    nodes = [
        *layers("x", "a"),
        node("MatMul", "a narrow", "b"),
        node("MatMul", "b wide", "c"),
        *layers("c", "d", name="r"),
    ]
    nodes += [
        node("Shape", "x", "shape"),
        node("Gather", "shape zero", "rows", axis=0),
        node("Concat", "rows minus", "to", axis=0),
        node("Reshape", "d to", "y"),
    ]
    made = model(
        nodes,
        inputs={"x": ("batch", WIDTH)},
        outputs={"y": ("batch", WIDTH)},
        constants={**BOTTLENECK, "zero": [0], "minus": [-1]},
    )

    parts = cut_up(made, axes={"batch": Axis(max=16)})

    assert {tensor.dtype for cut in parts.split.cuts for tensor in cut.tensors} == {"float32"}
    assert same_in_parts(made, parts, drawn(x=(3, WIDTH)))


def test_an_output_made_early_and_an_input_used_late_cross() -> None:
    nodes = [
        node("Tanh", "x", "early"),
        *layers("x", "a"),
        node("MatMul", "a narrow", "b"),
        node("MatMul", "b wide", "c"),
        *layers("c", "d", name="r"),
        node("Mul", "d late", "y"),
    ]
    made = model(
        nodes,
        inputs={"x": (1, WIDTH), "late": (1, WIDTH)},
        outputs={"y": (1, WIDTH), "early": (1, WIDTH)},
        constants=BOTTLENECK,
    )

    parts = cut_up(made)

    assert all("late" in {tensor.name for tensor in cut.tensors} for cut in parts.split.cuts)
    assert same_in_parts(made, parts, drawn(x=(1, WIDTH), late=(1, WIDTH)), ("y", "early"))


def test_an_input_that_is_an_output_is_handed_through() -> None:
    nodes = [
        *layers("x", "a"),
        node("MatMul", "a narrow", "b"),
        node("MatMul", "b wide", "c"),
        *layers("c", "y", name="r"),
        node("Identity", "x", "z"),
    ]
    made = model(nodes, outputs={"y": (1, WIDTH), "z": (1, WIDTH)}, constants=BOTTLENECK)

    assert same_in_parts(made, cut_up(made), drawn(x=(1, WIDTH)), ("y", "z"))


def test_inputs_that_are_left_out_stay_left_out() -> None:
    nodes = [*layers("x", "a"), node("Clip", "a - high", "b"), *layers("b", "y", name="r")]
    made = model(nodes, constants={"high": np.float32(0.5)})

    assert same_in_parts(made, cut_up(made), drawn(x=(1, WIDTH)))


def test_a_name_that_looks_like_a_copys_is_kept_apart() -> None:
    made, parts = with_computed_constant(), cut_up(with_computed_constant())
    copied = next(
        name for each in onnx.load_model_from_string(parts.content).graph.node for name in each.output if "/" in name
    )

    renamed = with_computed_constant(x=copied)

    assert same_in_parts(renamed, cut_up(renamed), {copied: drawn(x=(1, WIDTH))["x"]})
    assert same_in_parts(made, parts, drawn(x=(1, WIDTH)))


def test_functions_are_laid_open() -> None:
    made = bottleneck()
    twice = helper.make_function("own", "Twice", ["f"], ["g"], [node("Add", "f f", "g")], [helper.make_opsetid("", 17)])
    made.functions.append(twice)
    made.opset_import.append(helper.make_opsetid("own", 1))
    made.graph.node[-1].output[0] = "z"
    made.graph.node.append(helper.make_node("Twice", ["z"], ["y"], domain="own"))

    parts = cut_up(made)

    assert not onnx.load_model_from_string(parts.content).functions
    assert same_in_parts(made, parts, drawn(x=(1, WIDTH)))


def test_operators_of_onnxruntimes_own_are_cut_as_any() -> None:
    nodes = [
        *layers("x", "a"),
        helper.make_node("Gelu", ["a"], ["b"], domain="com.microsoft"),
        *layers("b", "y", name="r"),
    ]
    made = model(nodes)
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    assert same_in_parts(made, cut_up(made), drawn(x=(1, WIDTH)))


def test_quantised_layers_are_cut_at_their_integers() -> None:
    made = quantised()

    parts = cut_up(made)

    assert "uint8" in {tensor.dtype for cut in parts.split.cuts for tensor in cut.tensors}
    assert (
        run_in_parts(parts, drawn(x=(1, WIDTH)), ["y"])[0].tobytes()
        == whole(parts.content, drawn(x=(1, WIDTH)), ["y"])[0].tobytes()
    )


def quantised() -> Any:
    """Return three matrix products in the form that quantisers write: QDQ."""
    nodes, last = [], "x"
    for number in range(3):
        nodes += [
            node("QuantizeLinear", f"{last} scale zero", f"q{number}"),
            node("DequantizeLinear", f"q{number} scale zero", f"d{number}"),
            node("DequantizeLinear", "weights wscale", f"w{number}"),
            node("MatMul", f"d{number} w{number}", f"m{number}"),
        ]
        last = f"m{number}"
    nodes += [node("QuantizeLinear", f"{last} scale zero", "q"), node("DequantizeLinear", "q scale zero", "y")]
    weights = np.random.default_rng(0).integers(-127, 128, (WIDTH, WIDTH), np.int8)
    return model(
        nodes,
        constants={"scale": np.float32(0.05), "zero": np.uint8(128), "weights": weights, "wscale": np.float32(0.01)},
    )


def residual(*, seed: int, blocks: int = 3, channels: int = 16) -> Any:
    """Return blocks of two convolutions and a skip, which onnxruntime fuses with the sum when it loads all of them."""
    rng = np.random.default_rng(seed)
    nodes, constants, last = [], {}, "x"
    for block in range(blocks):
        for half in (0, 1):
            weights = rng.standard_normal((channels, channels, 3, 3)) / (3 * channels**0.5)
            constants[f"w{block}{half}"] = weights.astype(np.float32)
        nodes += [
            node("Conv", f"{last} w{block}0", f"a{block}", pads=[1, 1, 1, 1]),
            node("Relu", f"a{block}", f"b{block}"),
            node("Conv", f"b{block} w{block}1", f"c{block}", pads=[1, 1, 1, 1]),
            node("Add", f"c{block} {last}", f"d{block}"),
        ]
        last = f"d{block}"
    form: list[int | str | None] = ["batch", channels, 16, 16]
    return built(
        [*nodes, node("GlobalAveragePool", last, "y")],
        inputs={"x": (FLOAT, form)},
        outputs={"y": (FLOAT, ["batch", channels, 1, 1])},
        constants=constants,
    )


@pytest.mark.parametrize("seed", range(3))
def test_places_that_a_fusion_would_straddle_are_moved_to_where_parts_are_exact(seed: int) -> None:
    parts = cut_up(residual(seed=seed), axes={"batch": Axis(max=4)})

    assert {(cut.error, cut.agreement) for cut in parts.split.cuts} == {(0.0, 1.0)}
    assert same_in_parts(residual(seed=seed), parts, drawn(x=(3, 16, 16, 16)))


def test_little_crosses_before_a_layer_where_the_input_must_stay() -> None:
    parts = cut_up(bottleneck(), least_depth=3)

    assert min(cut.depth for cut in parts.split.cuts) >= 3


@pytest.mark.parametrize("kind", ["Tanh", "Identity"])
def test_one_node_is_no_two_parts(kind: str) -> None:
    with pytest.raises(NotCuttable, match="no place"):
        cut_up(model([node(kind, "x", "y")]))


def test_a_graph_that_is_one_branch_is_not_cut() -> None:
    then, other = body("t", layers("x", "p", name="t"), "p"), body("e", layers("x", "q", name="e"), "q")
    made = built(
        [node("If", "cond", "y", then_branch=then, else_branch=other)],
        inputs={"x": (FLOAT, [1, WIDTH]), "cond": (BOOL, [])},
        outputs={"y": (FLOAT, [1, WIDTH])},
        constants={"matrix": MATRIX},
    )

    with pytest.raises(NotCuttable, match="no place") as caught:
        cut_up(made)
    assert "one branch or loop is one node" in caught.value.hint


def test_an_output_that_is_computed_of_constants_is_given_by_the_stage_that_has_its_node() -> None:
    nodes = [*bottleneck().graph.node, node("Neg", "narrow", "z")]
    made = model(nodes, outputs={"y": (1, WIDTH), "z": (WIDTH, 8)}, constants=BOTTLENECK)

    assert same_in_parts(made, cut_up(made), drawn(x=(1, WIDTH)), ("y", "z"))


def test_an_output_that_is_a_constant_is_refused() -> None:
    made = model(layers("x", "y"), outputs={"y": (1, WIDTH), "matrix": (WIDTH, WIDTH)})

    with pytest.raises(NotCuttable, match="'matrix' is a constant"):
        cut_up(made)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ModelUnreadable):
        cut_up(b"no model")


@st.composite
def random_models(draw: st.DrawFn) -> Any:
    """Return graphs of up to twelve nodes with two inputs, skips, shared constants and several outputs."""
    tensors, nodes = ["x", "z"], []
    for number in range(draw(st.integers(2, 12))):
        kind = draw(st.sampled_from(["MatMul", "Add", "Mul", "Tanh", "Sigmoid", "Relu", "Sub", "Max"]))
        one, other = draw(st.sampled_from(tensors[-5:])), draw(st.sampled_from(tensors))
        reads = {"MatMul": f"{one} matrix", "Tanh": one, "Sigmoid": one, "Relu": one}.get(kind, f"{one} {other}")
        nodes.append(node(kind, reads, f"t{number}"))
        tensors.append(f"t{number}")
    made = sorted({tensors[-1], *draw(st.lists(st.sampled_from(tensors[2:]), max_size=2))})
    return built(
        nodes,
        inputs={name: (TensorProto.FLOAT, ["batch", 16]) for name in ("x", "z")},
        outputs={name: (TensorProto.FLOAT, ["batch", 16]) for name in made},
        constants={"matrix": MATRIX[:16, :16]},
    )


@given(random_models(), st.data())
@settings(max_examples=40)
def test_wherever_a_graph_is_cut_its_stages_answer_as_the_whole(made: Any, data: st.DataObject) -> None:
    asked = order(made, axes={"batch": Axis(max=4)})
    ready = prepared(asked.content, asked.inputs, asked.outputs, asked.axes)
    graph = graph_of(ready)
    trace = traced(ready, graph, asked.axes, asked.trials.drawn)
    heads = _nested(graph, data)

    arrangement = arranged(ready, graph, heads, trace.tensors)

    inputs, outputs = drawn(x=(3, 16), z=(3, 16)), [value.name for value in made.graph.output]
    truth = whole(arrangement.content, inputs, outputs)
    answer = run_stages(arrangement.content, arrangement.places, arrangement.crossing, inputs, outputs)
    assert [array.tobytes() for array in answer] == [array.tobytes() for array in truth]


def _nested(graph: Graph, data: st.DataObject) -> list[frozenset[int]]:
    """Return up to three places, each holding the one before it."""
    heads: list[frozenset[int]] = []
    head: frozenset[int] = frozenset()
    for _ in range(3):
        wanted = data.draw(st.sets(st.sampled_from([*graph.reads]), min_size=1))
        for number in sorted(wanted, reverse=True):
            head |= _needed(graph, number)
        if head != graph.reads.keys() and head not in heads:
            heads.append(head)
    return heads


def _needed(graph: Graph, node: int) -> frozenset[int]:
    before = [graph.maker[name] for name in graph.reads[node] if name in graph.maker]
    return frozenset({node}).union(*(_needed(graph, each) for each in before))
