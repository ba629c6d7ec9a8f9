"""How long it takes from a convolutional network of 4 MB to its recommended variants."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from msgspec import Struct
from onnx import TensorProto, helper, numpy_helper

from model_registry.convert.importing import Import, import_model
from model_registry.convert.progress import Unwatched
from model_registry.runtime.session import open_session

ITEMS = 256
SIDE_PIXELS = 64
CLASSES = 10
_CHANNELS = (3, 32, 64, 128, 256, 256)
"""Five convolutions of 3 x 3, each halving the picture: 0.98 million weights, 3.9 MB."""
_OPSET, _IR_VERSION = 17, 8


class ImportTime(Struct, frozen=True, kw_only=True):
    """One whole import: reading, variants, accuracy, trials, latencies, advice, bundle, page."""

    model_bytes: int
    items: int
    took_s: float
    variants: tuple[str, ...]
    recommended: dict[str, str | None]
    """By class of devices."""


def measure_import_time() -> ImportTime:
    """Import a network with weights from a seed, with 256 pictures of noise and the network's own answers as labels."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source, data = folder / "convnet.onnx", folder / "pictures.npz"
        source.write_bytes(convnet().SerializeToString())
        pictures = np.random.default_rng(1).standard_normal((ITEMS, 3, SIDE_PIXELS, SIDE_PIXELS), np.float32)
        (scores,) = open_session(source.read_bytes()).run(["scores"], {"picture": pictures})
        np.savez(data, picture=pictures, labels=scores.argmax(axis=1))
        started = perf_counter()
        bundle = import_model(Import(source=source, calibration=data, out=folder / "bundle"), Unwatched())
        return ImportTime(
            model_bytes=source.stat().st_size,
            items=ITEMS,
            took_s=perf_counter() - started,
            variants=tuple(made.variant.name for made in bundle.sweep.made),
            recommended={advice.device.name: advice.variant for advice in bundle.advice},
        )


def convnet() -> Any:
    """Return a classifier of pictures: `picture` float32[batch, 3, 64, 64] to `scores` float32[batch, 10]."""
    rng = np.random.default_rng(0)
    nodes, constants, last = [], [], "picture"
    for index, (inputs, outputs) in enumerate(pairwise(_CHANNELS)):
        weights = rng.standard_normal((outputs, inputs, 3, 3)) * np.sqrt(2 / (9 * inputs))
        constants.append(numpy_helper.from_array(weights.astype(np.float32), f"filters{index}"))
        convolution = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
        nodes.append(helper.make_node("Conv", [last, f"filters{index}"], [f"map{index}"], **convolution))
        nodes.append(helper.make_node("Relu", [f"map{index}"], [f"edge{index}"]))
        last = f"edge{index}"
    matrix = rng.standard_normal((_CHANNELS[-1], CLASSES)) / np.sqrt(_CHANNELS[-1])
    constants.append(numpy_helper.from_array(matrix.astype(np.float32), "matrix"))
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "matrix"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "convnet",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["batch", 3, SIDE_PIXELS, SIDE_PIXELS])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", CLASSES])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
