"""Small ONNX models made on the spot, each with the behaviour that a test needs."""

import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_registry.manifest import Manifest
from model_registry.tensor import Axis, DType, Tensor
from model_registry.tier import Alarm, Bound, Escalation, Tier, TierName, Variant

SAMPLES = 16
_ELEMENTS = {"int16": TensorProto.INT16, "float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


def mean_model(*, dtype: DType = "int16", input_name: str = "ecg", output_name: str = "score") -> bytes:
    """score[i] = mean of item i."""
    nodes = [
        helper.make_node("Cast", [input_name], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x"], [output_name], axes=[1], keepdims=0),
    ]
    return _model(nodes, dtype=dtype, input_name=input_name, output_name=output_name)


def square_root_model() -> bytes:
    """score[i] = the square root of the mean: NaN for a negative one."""
    nodes = [
        helper.make_node("Cast", ["ecg"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Sqrt", ["mean"], ["score"]),
    ]
    return _model(nodes)


def lookup_model() -> bytes:
    """score[i] = mean of a table's rows chosen by the input: fails on any sample that is no row of it."""
    table = numpy_helper.from_array(np.arange(4, dtype=np.float32), "table")
    nodes = [
        helper.make_node("Cast", ["ecg"], ["rows"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "rows"], ["found"]),
        helper.make_node("ReduceMean", ["found"], ["score"], axes=[1], keepdims=0),
    ]
    return _model(nodes, constants=[table])


def _model(
    nodes: list[onnx.NodeProto],
    *,
    dtype: DType = "int16",
    input_name: str = "ecg",
    output_name: str = "score",
    constants: list[onnx.TensorProto] | None = None,
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(input_name, _ELEMENTS[dtype], ["n", SAMPLES])],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["n"])],
        constants or [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def manifest_of(
    *contents: bytes,
    name: str = "toy",
    low: float | None = None,
    high: float | None = None,
    calibrated: bool = True,
    alarm: float | None = None,
    privacy: str = "household",
) -> Manifest:
    """Describe models as the tiers of one family, weakest first; all but the last may escalate by a rule."""
    names: tuple[TierName, ...] = ("watch", "phone", "hub")
    tiers = [
        _tier(
            tier, content, low=None if content is contents[-1] else low, high=high, calibrated=calibrated, alarm=alarm
        )
        for tier, content in zip(names, contents, strict=False)
    ]
    return Manifest(
        schema=1,
        name=name,
        version="1.2.3",
        summary="a toy",
        license="Apache-2.0",
        task="classification",
        privacy=privacy,  # type: ignore[arg-type]
        unsigned=True,
        axes={"batch": Axis(min=1, max=4)},
        inputs=(Tensor(name="ecg", dtype="int16", shape=("batch", SAMPLES)),),
        tiers=tuple(tiers),
    )


def _tier(
    name: TierName, content: bytes, *, low: float | None, high: float | None, calibrated: bool, alarm: float | None
) -> Tier:
    artifact = hashlib.sha256(content).hexdigest()
    variant = Variant(
        name="toy-fp32",
        precision="fp32",
        file=f"{name}.onnx",
        artifact=artifact,
        size_bytes=len(content),
        macs=SAMPLES,
        accuracy={"balanced_accuracy": 0.75},
    )
    rule = _rule(low, high, artifact if calibrated else "0" * 64) if low is not None else None
    return Tier(
        name=name,
        outputs=(Tensor(name="score", dtype="float32", shape=("batch",)),),
        variants=(variant,),
        escalation=rule,
        alarm=Alarm(output="score", at_least=alarm) if alarm is not None else None,
    )


def _rule(low: float, high: float | None, artifact: str) -> Escalation:
    bound = Bound(
        missed=0.05,
        confidence=0.95,
        method="clopper-pearson",
        measured_missed=0.0,
        positives=100,
        dataset_sha256="1" * 64,
        artifact=artifact,
        records=("101",),
    )
    return Escalation(score="score", low=low, high=high, expected_rate=0.25, bound=bound)
