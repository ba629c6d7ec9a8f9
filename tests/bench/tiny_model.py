"""Makes the model that `meshd bench` runs: 187 samples in, 64 hidden units, 5 scores out; weights of a fixed seed.

It is so small that a round trip shows the way to the model and back rather than the model. The script stands here
because nothing in meshd imports onnx.

Run: ``python -m tests.bench.tiny_model`` writes the bundle that is committed.
"""

import argparse
import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from meshd.bench.tiny import FOLDER
from model_registry.bundle import MANIFEST
from model_registry.manifest import Manifest, dumps
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Tier, TierName, Variant

FILE = "tiny.onnx"
SAMPLES, HIDDEN, SCORES = 187, 64, 5
TIERS: tuple[TierName, ...] = ("watch", "phone", "hub")


def tiny_model() -> bytes:
    """Return the network as ONNX."""
    chance = np.random.default_rng(187)
    weights = {
        "w1": chance.normal(0.0, SAMPLES**-0.5, (SAMPLES, HIDDEN)),
        "b1": np.zeros(HIDDEN),
        "w2": chance.normal(0.0, HIDDEN**-0.5, (HIDDEN, SCORES)),
        "b2": np.zeros(SCORES),
    }
    nodes = [
        helper.make_node("Gemm", ["beat", "w1", "b1"], ["summed"]),
        helper.make_node("Relu", ["summed"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("beat", TensorProto.FLOAT, ["batch", SAMPLES])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", SCORES])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(built)
    return bytes(built.SerializeToString(deterministic=True))


def tiny_manifest(content: bytes) -> Manifest:
    """Return what the model says about itself; the same file is the model of every tier."""
    scores = Tensor(name="scores", dtype="float32", shape=("batch", SCORES), description="Shares that add up to one")
    variant = Variant(
        name="fp32",
        precision="fp32",
        file=FILE,
        artifact=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        macs=SAMPLES * HIDDEN + HIDDEN * SCORES,
    )
    return Manifest(
        schema=1,
        name="bench-tiny",
        version="1.0.0",
        summary="Does next to nothing, so that everything around it can be measured",
        license="Apache-2.0",
        task="benchmark",
        privacy="household",
        unsigned=True,  # It comes with the package.
        axes={"batch": Axis(max=64)},
        inputs=(Tensor(name="beat", dtype="float32", shape=("batch", SAMPLES), description="One beat of noise"),),
        tiers=tuple(Tier(name=name, outputs=(scores,), variants=(variant,)) for name in TIERS),
    )


def main() -> None:
    argparse.ArgumentParser(prog="python -m tests.bench.tiny_model", description=__doc__).parse_args()
    content = tiny_model()
    (FOLDER / FILE).write_bytes(content)
    (FOLDER / MANIFEST).write_text(dumps(tiny_manifest(content)))


if __name__ == "__main__":
    main()
