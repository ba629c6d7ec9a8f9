"""A toy family whose behaviour the input decides: its mean tells how far up the cascade it goes.

Below 10 the watch is content, below 15 the phone is, and the hub answers everything. An answer raises the alarm at a
score of 5 or more, which is the mean less 0 (watch), 5 (phone) or 10 (hub); a score of 10 or more escalates.
"""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from model_registry import manifest as manifests
from model_registry.manifest import Manifest
from model_registry.tensor import Tensor
from tests.executor.graphs import SAMPLES, manifest_of

CALM, ODD, GRAVE = 1.0, 12.0, 30.0
"""Inputs' means that are the watch's, the phone's and the hub's to answer."""
MODEL = "toy"
_OFFSETS = {"watch": 0.0, "phone": 5.0, "hub": 10.0}


def window(mean: float) -> dict[str, NDArray[Any]]:
    """Return an input of one item with this mean."""
    return {"ecg": np.full((1, SAMPLES), mean, np.float32)}


def artifacts() -> dict[str, bytes]:
    """Return each tier's model."""
    return {tier: mean_less(offset) for tier, offset in _OFFSETS.items()}


def manifest(*, name: str = MODEL, privacy: str = "household") -> Manifest:
    """Describe the family."""
    form = manifest_of(*artifacts().values(), name=name, low=10.0, alarm=5.0, privacy=privacy)
    inputs = (Tensor(name="ecg", dtype="float32", shape=("batch", SAMPLES)),)
    return msgspec.structs.replace(form, inputs=inputs)


def lay_bundle(folder: Path, form: Manifest | None = None) -> Path:
    """Write a bundle into a folder of bundles and return its own folder."""
    form = form or manifest()
    bundle = folder / form.name
    bundle.mkdir(parents=True)
    (bundle / "manifest.toml").write_text(manifests.dumps(form))
    for tier, content in artifacts().items():
        (bundle / f"{tier}.onnx").write_bytes(content)
    return bundle


def mean_less(offset: float) -> bytes:
    """score[i] = mean of item i, less a constant; each constant makes an artifact of its own."""
    nodes = [
        helper.make_node("ReduceMean", ["ecg"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Sub", ["mean", "offset"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("ecg", TensorProto.FLOAT, ["n", SAMPLES])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.array(offset, np.float32), "offset")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def ballasted(content: bytes, ballast: str) -> bytes:
    """Return a model that does the same and carries a text with it."""
    model = onnx.load_model_from_string(content)
    model.doc_string = ballast
    heavier: bytes = model.SerializeToString()
    return heavier


def artifact_of(tier: str) -> str:
    """Return the SHA-256 of a tier's model."""
    return hashlib.sha256(artifacts()[tier]).hexdigest()
