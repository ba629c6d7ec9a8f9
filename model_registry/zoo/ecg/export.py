"""From a trained network to the ONNX artifact of its tier; needs the `train` extra."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn
from torch.nn import functional as F

from model_registry.convert.calibration import Batches, nodes_with_constants
from model_registry.convert.packing import packed
from model_registry.distill import artifact
from model_registry.zoo.ecg.network import Committee
from model_registry.zoo.ecg.recording import WINDOW_SAMPLES
from model_registry.zoo.ecg.sampling import FRAME_SAMPLES
from model_registry.zoo.ecg.sigmoid import Sigmoid

TierName = Literal["watch", "phone", "hub"]
OUTPUTS: dict[TierName, tuple[str, ...]] = {
    "watch": ("anomaly",),
    "phone": ("anomaly", "aami"),
    "hub": ("anomaly", "aami", "beat_sample", "beat_class", "beat_confidence"),
}

MOST_BEATS = 40
"""Beats a window can name: 240 a minute."""

EMPHASIS = (0.0, 2.0, 2.5, 0.0)
"""Added to the logits of N, S, V, F before a beat is named: ectopic beats are rare, and missing one costs more than a
false one. Chosen once, by looking at held-out patients of one fold; see docs/ecg-anomaly.md for what it buys and costs.
"""

PEAK_FRAMES = 7
"""A beat is the highest of this many frames, 233 ms: the ventricle cannot beat again sooner."""

PEAK_PRESENCE = 0.2
"""Least presence of a beat. Strange beats are less surely present: 0.35 hid six in a hundred ventricular ones."""


class TierNet(nn.Module):
    """What a tier's artifact computes: int16[batch, 3600] to its outputs, calibration and beat decoding inside."""

    def __init__(self, network: Committee, tier: TierName, probability: Sigmoid) -> None:
        super().__init__()
        self.network = _of_one_answer(network) if tier == "watch" else network
        self.tier, self.probability = tier, probability
        self.register_buffer("emphasis", torch.tensor(EMPHASIS).reshape(1, -1, 1))

    def forward(self, ecg: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of OUTPUTS[tier], in that order."""
        window, beat = self.network(ecg.to(torch.float32))
        anomaly = torch.sigmoid(window[:, 0] * self.probability.slope + self.probability.offset)
        if self.tier == "watch":
            return (anomaly,)
        aami = torch.sigmoid(window[:, 1:])
        if self.tier == "phone":
            return anomaly, aami
        return anomaly, aami, *_decoded(beat[:, 0], beat[:, 1:] + self.emphasis)


def _of_one_answer(network: Committee) -> Committee:
    """Return a copy without the weights of what a watch is not asked: the classes of a window."""
    copied: Committee = copy.deepcopy(network)
    for member in copied.members:
        whole, member.window = member.window, nn.Linear(member.window.in_features, 1)
        member.window.load_state_dict({"weight": whole.weight[:1], "bias": whole.bias[:1]})
    return copied


def _decoded(present: Tensor, klass_logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return sample, class and confidence of at most MOST_BEATS beats in order of time, -1 and 0 for the rest."""
    presence = torch.sigmoid(present)
    highest = F.max_pool1d(presence.unsqueeze(1), PEAK_FRAMES, stride=1, padding=PEAK_FRAMES // 2).squeeze(1)
    is_peak = (presence == highest) & (presence > PEAK_PRESENCE)
    strongest, frame = torch.topk(torch.where(is_peak, presence, torch.zeros_like(presence)), MOST_BEATS, dim=1)
    late = torch.full_like(frame, presence.shape[1])
    in_time = torch.topk(torch.where(strongest > 0, frame, late), MOST_BEATS, dim=1, largest=False).values
    is_beat = in_time < presence.shape[1]
    at = torch.where(is_beat, in_time, torch.zeros_like(in_time))
    share, klass = torch.softmax(klass_logits, dim=1).max(dim=1)
    none = torch.full_like(at, -1)
    sample = torch.where(is_beat, at * FRAME_SAMPLES + FRAME_SAMPLES // 2, none).to(torch.int32)
    label = torch.where(is_beat, klass.gather(1, at), none).to(torch.int32)
    confidence = (share * presence).gather(1, at) * is_beat
    return sample, label, confidence


def to_fp32(network: Committee, tier: TierName, probability: Sigmoid, path: Path) -> None:
    """Write the tier's network as float32 ONNX."""
    watched = {"ecg": np.zeros((2, WINDOW_SAMPLES), np.int16)}
    path.write_bytes(artifact.to_fp32(TierNet(network, tier, probability), watched, OUTPUTS[tier]))


def to_int8(fp32: Path, ecg: NDArray[np.int16], path: Path) -> None:
    """Write a float32 artifact again with int8 convolutions, whose ranges windows `ecg` show."""
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(str(fp32), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(path),
            Batches({"ecg": part} for part in np.array_split(ecg, max(len(ecg) // 32, 1))),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add", "Relu"],
            nodes_to_exclude=nodes_with_constants(onnx.load(prepared), {"Add"}),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": False},
        )
    onnx.save(packed(onnx.load(path)), path)


def macs(path: Path) -> int:
    """Count the multiply-accumulates of one window in a float32 artifact's convolutions and matrix products."""
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    shapes = {value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in graph.value_info}
    weights = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            total += int(np.prod(weights[node.input[1]])) * shapes[node.output[0]][-1]
        elif node.op_type in ("Gemm", "MatMul") and node.input[1] in weights:
            total += int(np.prod(weights[node.input[1]]))
    return total
