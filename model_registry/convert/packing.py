"""Make an ONNX file small without changing what it computes: names, repetitions and defaults weigh more than weights.

A quantised convolution brings seven nodes' worth of names, scales and zero points; in a network of 13,000 weights those
are two thirds of the file.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, defs, numpy_helper

from model_registry.convert.graph_walk import nodes

_LETTERS = string.ascii_letters + string.digits
_ONES_BY_DEFAULT = ("strides", "dilations")


def packed(model: ModelProto, *, names_nodes: bool = False) -> ModelProto:
    """Return a copy that computes the same under the same names of inputs and outputs, in fewer bytes.

    Inner names, shapes that inference finds again, notes of the exporter and attributes at their default are left out;
    equal constants are kept once. A graph with branches or loops keeps its names, which its bodies refer to.
    `names_nodes` gives every node a short name: whoever quantises the file later tells nodes apart by it.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    copy.ClearField("producer_name")
    copy.ClearField("producer_version")
    graph = copy.graph
    for field in ("value_info", "doc_string", "quantization_annotation", "metadata_props"):
        graph.ClearField(field)
    versions = {opset.domain: opset.version for opset in copy.opset_import}
    for node in graph.node:
        _strip(node, versions)
    if not any(_has_body(node) for node in graph.node):
        _leave_out_zero_points_of_constants(graph)
        _share_constants(graph)
        _shorten_names(graph)
    if names_nodes:
        for node, name in zip(graph.node, _names(), strict=False):
            node.name = name
    _leave_out_unused_domains(copy)
    return copy


def _strip(node: NodeProto, versions: dict[str, int]) -> None:
    for field in ("name", "doc_string", "metadata_props"):
        node.ClearField(field)
    kept = [attribute for attribute in node.attribute if not _is_default(node, attribute, versions)]
    del node.attribute[:]
    node.attribute.extend(kept)


def _is_default(node: NodeProto, attribute: AttributeProto, versions: dict[str, int]) -> bool:
    if node.op_type == "Conv" and not node.domain:
        if attribute.name == "kernel_shape":  # The weights' shape says it.
            return True
        if attribute.name in _ONES_BY_DEFAULT:
            return all(extent == 1 for extent in attribute.ints)
        if attribute.name == "pads":
            return not any(attribute.ints)
    if not defs.has(node.op_type, node.domain):
        return False
    known = defs.get_schema(node.op_type, versions[node.domain], node.domain).attributes.get(attribute.name)
    return known is not None and bool(known.default_value.name) and _same_value(known.default_value, attribute)


def _same_value(one: AttributeProto, other: AttributeProto) -> bool:
    return bool(onnx.helper.get_attribute_value(one) == onnx.helper.get_attribute_value(other))


def _has_body(node: NodeProto) -> bool:
    return any(attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for attribute in node.attribute)


def _leave_out_zero_points_of_constants(graph: GraphProto) -> None:
    """Leave out what DequantizeLinear takes for granted; that of activations stays, for onnxruntime fuses by it."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants or len(node.input) < 3:
            continue
        if node.input[2] in constants and not numpy_helper.to_array(constants[node.input[2]]).any():
            del node.input[2]
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _share_constants(graph: GraphProto) -> None:
    first: dict[tuple[int, tuple[int, ...], bytes], TensorProto] = {}
    instead: dict[str, str] = {}
    named_outside = {value.name for value in (*graph.input, *graph.output)}
    kept = []
    for tensor in graph.initializer:
        key = (tensor.data_type, tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes())
        if tensor.name not in named_outside and key in first:
            instead[tensor.name] = first[key].name
            continue
        first.setdefault(key, tensor)
        kept.append(tensor)
    for node in graph.node:
        node.input[:] = [instead.get(name, name) for name in node.input]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _shorten_names(graph: GraphProto) -> None:
    named_outside = {value.name for value in (*graph.input, *graph.output)} | {""}
    fresh = (name for name in _names() if name not in named_outside)
    short = {name: name for name in named_outside}
    graph.name = next(fresh)

    def shortened(name: str) -> str:
        if name not in short:
            short[name] = next(fresh)
        return short[name]

    for node in graph.node:
        node.input[:] = [shortened(name) for name in node.input]
        node.output[:] = [shortened(name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name = shortened(tensor.name)
        tensor.ClearField("doc_string")


def _names() -> Iterator[str]:
    for length in itertools.count(1):
        yield from ("".join(letters) for letters in itertools.product(_LETTERS, repeat=length))


def _leave_out_unused_domains(model: ModelProto) -> None:
    used = {node.domain for node in nodes(model)} | {""}  # Those inside of branches and loops too.
    kept = [opset for opset in model.opset_import if opset.domain in used or model.functions]
    del model.opset_import[:]
    model.opset_import.extend(kept)
