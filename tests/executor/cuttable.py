"""A model of three stages: an input that is only used in the last, and an output that is made in the second."""

import hashlib
from itertools import pairwise

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_registry.encoding import Encoding
from model_registry.manifest import Manifest
from model_registry.runtime.stage_file import stage_bytes
from model_registry.split import Cut, Split
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Alarm, Tier, Variant

SAMPLES = 16
_PLACES = (0, 2, 4, 7)
_X = Tensor(name="x", dtype="float32", shape=("batch", SAMPLES))
_BIAS = Tensor(name="bias", dtype="float32", shape=("batch",))
_MEAN = Tensor(name="mean", dtype="float32", shape=("batch",))
_Z = Tensor(name="z", dtype="float32", shape=("batch", SAMPLES))
ENCODING = Encoding(codec="fp16", ratio=0.5, error=0.001)


def cuttable_model(*, factor: float = 2.0, constant: bool = False) -> bytes:
    """mean = the mean of factor * ecg; score = the mean of |factor * ecg| + gain; the graph calls them otherwise.

    ``constant``: the factor takes the place of the ecg, so that the first node takes no input.
    """
    nodes = [
        helper.make_node("Cast", ["factor" if constant else "ecg"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["cast", "factor"], ["x"]),
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Abs", ["x"], ["z"]),
        helper.make_node("ReduceMean", ["z"], ["of_z"], axes=[1], keepdims=0),
        helper.make_node("Add", ["of_z", "bias"], ["sum"]),
        helper.make_node("Identity", ["sum"], ["total"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("ecg", TensorProto.INT16, ["n", SAMPLES]), _vector("bias")],
        [_vector("total"), _vector("mean")],
        [numpy_helper.from_array(np.array(factor, np.float32), "factor")],
        value_info=[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", SAMPLES]) for name in ("x", "z")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def cuttable_manifest(
    content: bytes, *, privacy: str = "household", private_depth: int | None = None, stages: tuple[str, ...] = ()
) -> Manifest:
    """Describe it, cut in two places; other hashes than those of its stages may be claimed."""
    hashes = [hashlib.sha256(stage_bytes(content, first, last)).hexdigest() for first, last in pairwise(_PLACES)]
    split = Split(
        cuts=(
            Cut(nodes=2, tensors=(_X, _BIAS), item_bytes=68, work=0.25, macs=16, depth=1, encodings=(ENCODING,)),
            Cut(nodes=4, tensors=(_Z, _BIAS, _MEAN), item_bytes=72, work=0.75, macs=16, depth=2),
        ),
        stages=stages or tuple(hashes),
    )
    variant = Variant(
        name="fp32",
        precision="fp32",
        file="cuttable.onnx",
        artifact=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        macs=32,
        names={"gain": "bias", "score": "total"},
        split=split,
    )
    tier = Tier(
        name="hub",
        outputs=(
            Tensor(name="score", dtype="float32", shape=("batch",)),
            Tensor(name="mean", dtype="float32", shape=("batch",)),
        ),
        variants=(variant,),
        alarm=Alarm(output="score", at_least=100.0),
    )
    return Manifest(
        schema=1,
        name="cuttable",
        version="1.0.0",
        summary="a toy in three stages",
        license="Apache-2.0",
        task="test",
        privacy=privacy,  # type: ignore[arg-type]
        private_depth=private_depth,
        unsigned=True,
        axes={"batch": Axis(min=1, max=8)},
        inputs=(
            Tensor(name="ecg", dtype="int16", shape=("batch", SAMPLES)),
            Tensor(name="gain", dtype="float32", shape=("batch",)),
        ),
        tiers=(tier,),
    )


def _vector(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"])
