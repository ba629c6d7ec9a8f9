"""Find the sets of channels of an ONNX graph that can be taken away together.

A channel is made by a layer, kept by what works on each channel alone, added to others by a residual sum, and taken in
by the next layers. Whoever removes it removes it in all these places; a set that reaches an operator that is not known
to keep channels apart, or an output of the graph, is left whole, and the reason is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx
from onnx import ModelProto, NodeProto, numpy_helper

CHANNEL_AXIS = 1
_EACH_ALONE = frozenset(
    {
        "Abs", "Cast", "Clip", "Dropout", "Elu", "Erf", "Exp", "Gelu", "GlobalAveragePool", "GlobalMaxPool",
        "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "MaxPool", "Mish", "Neg", "Relu", "Selu", "Sigmoid",
        "Softplus", "Sqrt", "Tanh", "AveragePool",
    }
)  # fmt: skip
_OF_TWO = frozenset({"Add", "Sub", "Mul", "Div"})
_REDUCTIONS = frozenset({"ReduceMean", "ReduceMax", "ReduceSum", "ReduceMin"})


@dataclass(frozen=True, slots=True)
class Slot:
    """A constant, and which of its axes counts the channels."""

    constant: str
    axis: int


@dataclass(eq=False, slots=True)
class Group:
    """Channels that come and go together.

    `made` in weights and biases of the layers that make them; `kept` in constants that go with each channel; `taken` in
    weights of the layers that take them in; `values` are the activations that carry them.
    """

    size: int
    values: set[str] = field(default_factory=set)
    made: set[Slot] = field(default_factory=set)
    kept: set[Slot] = field(default_factory=set)
    taken: set[Slot] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    """Reasons to leave it whole."""

    @property
    def removable(self) -> bool:
        """Tell whether some of its channels can be taken away without touching anything else."""
        return bool(self.made and self.taken) and not self.held


def groups(model: ModelProto) -> list[Group]:
    """Return the groups that layers make, in the order of the graph.

    Every constant of the model serves one node, and the shapes of its values are inferred.
    """
    survey = _Survey(model)
    for node in model.graph.node:
        survey.visit(node)
    for output in model.graph.output:
        survey.hold((output.name,), "it is an output of the model")
    return survey.made()


class _Survey:
    def __init__(self, model: ModelProto) -> None:
        graph = model.graph
        self._constants = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        self._integers = {
            tensor.name: numpy_helper.to_array(tensor).flatten().tolist()
            for tensor in graph.initializer
            if tensor.data_type == onnx.TensorProto.INT64
        }
        self._shapes = {
            value.name: tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
            for value in (*graph.value_info, *graph.input, *graph.output)
        }
        self._of: dict[str, Group] = {}

    def made(self) -> list[Group]:
        return [group for group in dict.fromkeys(self._of.values()) if group.made]

    def hold(self, values: Iterable[str], why: str) -> None:
        for value in values:
            if value and value not in self._constants:
                self._group(value).held.add(why)

    def visit(self, node: NodeProto) -> None:
        """Let a node's operator say what becomes of the channels that come in."""
        match node.op_type:
            case "Conv":
                self._convolution(node)
            case "Gemm" | "MatMul":
                self._product(node)
            case "BatchNormalization":
                self._kept_by(node, [Slot(name, 0) for name in node.input[1:]])
            case operator if operator in _EACH_ALONE and len(node.output) == 1:
                self._kept_by(node, [])
            case operator if operator in _OF_TWO:
                self._of_two(node)
            case operator if operator in _REDUCTIONS and self._keeps_channels(node):
                self._kept_by(node, [])
            case "Flatten" | "Reshape" | "Squeeze" if self._drops_single_extents(node):
                self._kept_by(node, [])
            case "Concat" if _attribute(node, "axis", 0) > CHANNEL_AXIS:
                self._united(node)
            case _:
                self.hold((*node.input, *node.output), f"{node.op_type} is not known to keep channels apart")

    def _convolution(self, node: NodeProto) -> None:
        weights = self._constants.get(node.input[1])
        shares = _attribute(node, "group", 1)
        if weights is None:
            self.hold((*node.input, *node.output), "a convolution takes its weights from the graph")
        elif shares == 1:
            self._layer(node, taken=Slot(node.input[1], 1), made=Slot(node.input[1], 0), bias=node.input[2:])
        elif weights[0] == shares and weights[1] == 1:
            self._kept_by(node, [Slot(name, 0) for name in node.input[1:]])
        else:
            self.hold((node.input[0], node.output[0]), "a grouped convolution ties channels to their places")

    def _product(self, node: NodeProto) -> None:
        weights, rank = self._constants.get(node.input[1]), len(self._shapes.get(node.input[0], ()))
        if weights is None or len(weights) != 2 or rank != 2 or _attribute(node, "transA", 0):
            self.hold((*node.input, *node.output), "a matrix product of another form than rows times weights")
            return
        out = 0 if _attribute(node, "transB", 0) else 1
        self._layer(node, taken=Slot(node.input[1], 1 - out), made=Slot(node.input[1], out), bias=node.input[2:])

    def _layer(self, node: NodeProto, *, taken: Slot, made: Slot, bias: Sequence[str]) -> None:
        self._group(node.input[0]).taken.add(taken)
        group = self._group(node.output[0])
        group.made.add(made)
        for name in bias:
            if name not in self._constants:
                group.held.add("a layer takes its bias from the graph")
            elif self._constants[name] and self._constants[name][-1] == group.size:
                group.made.add(Slot(name, len(self._constants[name]) - 1))

    def _kept_by(self, node: NodeProto, slots: Sequence[Slot]) -> None:
        group = self._group(node.input[0])
        group.kept.update(slots)
        self._assign(node.output[0], group)

    def _of_two(self, node: NodeProto) -> None:
        constant = [name for name in node.input if name in self._constants]
        if not constant:
            self._united(node)
            return
        value = next(name for name in node.input if name not in constant)
        shape, rank = self._constants[constant[0]], len(self._shapes.get(value, ()))
        axis = CHANNEL_AXIS - (rank - len(shape))
        if len(shape) > rank or rank <= CHANNEL_AXIS:
            self.hold((value, node.output[0]), f"{node.op_type} with a constant of more axes")
        elif axis < 0 or shape[axis] == 1:
            self._kept_by(node, [])
        else:
            self._kept_by(node, [Slot(constant[0], axis)])

    def _united(self, node: NodeProto) -> None:
        """Make one group of all that come in: a residual sum keeps a channel or loses it in every branch."""
        shapes = {name: self._shapes.get(name, ()) for name in node.input}
        extents = {shape[CHANNEL_AXIS] for shape in shapes.values() if len(shape) > CHANNEL_AXIS}
        if len(extents) != 1 or len({len(shape) for shape in shapes.values()}) != 1:
            self.hold((*node.input, *node.output), f"{node.op_type} stretches one of its inputs over the other")
            return
        first, *others = [self._group(name) for name in node.input]
        for other in others:
            self._merge(first, other)
        self._assign(node.output[0], first)

    def _keeps_channels(self, node: NodeProto) -> bool:
        named = self._integers.get(node.input[1], []) if len(node.input) > 1 else _attribute(node, "axes", [])
        rank = len(self._shapes.get(node.input[0], ()))
        return bool(named) and rank > CHANNEL_AXIS and all(axis % rank > CHANNEL_AXIS for axis in named)

    def _drops_single_extents(self, node: NodeProto) -> bool:
        """Tell whether [batch, channels, 1, ...] becomes [batch, channels], so that no channel becomes several."""
        before, after = (self._shapes.get(name, ()) for name in (node.input[0], node.output[0]))
        same = len(before) > CHANNEL_AXIS and len(after) == 2 and before[CHANNEL_AXIS] == after[CHANNEL_AXIS]
        return same and before[CHANNEL_AXIS] > 0 and all(extent == 1 for extent in before[2:])

    def _group(self, value: str) -> Group:
        if value not in self._of:
            shape = self._shapes.get(value, ())
            group = Group(size=shape[CHANNEL_AXIS] if len(shape) > CHANNEL_AXIS else 0, values={value})
            if not group.size:
                group.held.add("its number of channels is not known")
            self._of[value] = group
        return self._of[value]

    def _assign(self, value: str, group: Group) -> None:
        group.values.add(value)
        self._of[value] = group

    def _merge(self, first: Group, other: Group) -> None:
        if first is other:
            return
        first.made |= other.made
        first.kept |= other.kept
        first.taken |= other.taken
        first.held |= other.held
        for value in other.values:
            self._assign(value, first)


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    found = next((attribute for attribute in node.attribute if attribute.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)
