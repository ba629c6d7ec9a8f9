"""Take channels out of an ONNX graph: out of the file and out of the arithmetic, not just set to zero."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from onnxruntime.quantization.shape_inference import quant_pre_process

from model_registry.distill.channels import Group


def prepared(content: bytes) -> ModelProto:
    """Return a model as pruning wants it: normalisation folded in, constants in one place each, shapes inferred."""
    with tempfile.TemporaryDirectory() as folder:
        plain, folded = Path(folder) / "plain.onnx", Path(folder) / "folded.onnx"
        plain.write_bytes(content)
        quant_pre_process(str(plain), str(folded), skip_symbolic_shape=True)
        model = onnx.load(folded)
    for at, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{at}"
    _give_each_its_own(model)
    return onnx.shape_inference.infer_shapes(model)


def _give_each_its_own(model: ModelProto) -> None:
    """Copy constants that serve several nodes: one of them may lose channels that the others keep."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    taken: set[str] = set()
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            if name not in constants:
                continue
            if name in taken:
                copy = model.graph.initializer.add()
                copy.CopyFrom(constants[name])
                copy.name = node.input[at] = f"{name}_{node.name}_{at}"
            taken.add(name)


def weights(model: ModelProto) -> dict[str, NDArray[np.generic]]:
    """Return every constant by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def with_weights(model: ModelProto, changed: Mapping[str, NDArray[np.generic]]) -> ModelProto:
    """Return a copy in which some constants are others, of any shape."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.name in changed:
            tensor.CopyFrom(numpy_helper.from_array(changed[tensor.name], tensor.name))
    return copy


def without(model: ModelProto, kept: Mapping[Group, NDArray[np.intp]]) -> ModelProto:
    """Return a copy in which each group has only the kept channels, in order."""
    changed = weights(model)
    shares: dict[str, int] = {}
    for group, channels in kept.items():
        for slot in group.made | group.kept | group.taken:
            changed[slot.constant] = np.take(changed[slot.constant], channels, axis=slot.axis)
        shares |= {slot.constant: len(channels) for slot in group.kept}
    pruned = with_weights(model, changed)
    for node in pruned.graph.node:
        if node.op_type == "Conv" and node.input[1] in shares:  # Depthwise: as many groups as channels.
            _set(node, "group", shares[node.input[1]])
    pruned.graph.ClearField("value_info")
    return pruned


def _set(node: onnx.NodeProto, name: str, value: int) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])
