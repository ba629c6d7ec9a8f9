"""What the tiers answer, as the manifest declares it."""

from __future__ import annotations

from model_registry.tensor import Tensor
from model_registry.zoo.ecg.export import MOST_BEATS

OUTPUT_TENSORS = {
    tensor.name: tensor
    for tensor in (
        Tensor(
            name="anomaly",
            dtype="float32",
            shape=("batch",),
            description="Calibrated probability that the window holds a beat of AAMI class S, V or F.",
        ),
        Tensor(
            name="aami",
            dtype="float32",
            shape=("batch", 4),
            description="Probability that the window holds a beat of class N, S, V, F, each for itself.",
        ),
        Tensor(
            name="beat_sample",
            dtype="int32",
            shape=("batch", MOST_BEATS),
            unit="samples",
            description="Where each beat lies in the window, in order of time; -1 past the last.",
        ),
        Tensor(
            name="beat_class",
            dtype="int32",
            shape=("batch", MOST_BEATS),
            description="Class of each beat: 0 N, 1 S, 2 V, 3 F; -1 past the last.",
        ),
        Tensor(
            name="beat_confidence",
            dtype="float32",
            shape=("batch", MOST_BEATS),
            description="Probability of beat and class together; 0 past the last.",
        ),
    )
}
