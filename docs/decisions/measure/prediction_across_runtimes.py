"""Measure how far off predictions are when they start from onnxruntime on this machine, as an import's do.

Networks of ncnn's benchmark table are run here by onnxruntime, in turn with the yardstick, and predicted for the
devices that the classes are calibrated with; the truth is the table's, which is ncnn's. It needs torch and torchvision.

Run: `.venv/bin/python docs/decisions/measure/prediction_across_runtimes.py [../shared/data/devices/ncnn_latency.json]`
"""

import io
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torchvision import models

from model_registry.convert.yardstick import Arithmetic, yardstick

TABLE = Path(__file__).parents[4] / "shared" / "data" / "devices" / "ncnn_latency.json"
DEVICES = ("i.MX7", "Snapdragon 855+", "Raspberry Pi 5 ", "EPYC 7742")
NETWORKS = {
    "squeezenet": models.squeezenet1_1, "mobilenet_v2": models.mobilenet_v2, "mobilenet_v3": models.mobilenet_v3_large,
    "mnasnet": models.mnasnet1_0, "shufflenet_v2": models.shufflenet_v2_x1_0, "googlenet": models.googlenet,
    "efficientnet_b0": models.efficientnet_b0, "regnety_400m": models.regnet_y_400mf, "resnet18": models.resnet18,
    "resnet50": models.resnet50, "alexnet": models.alexnet,
}  # fmt: skip
SUFFIXES: dict[Arithmetic, str] = {"fp32": "", "int8": "_int8"}
RUNS = 100
IMAGE = np.random.default_rng(0).random((1, 3, 224, 224), np.float32)


class OneImage(CalibrationDataReader):
    """Calibrates with one image: only the speed of the result matters."""

    def __init__(self) -> None:
        """Start before the image."""
        self._left = [{"input": IMAGE}]

    def get_next(self) -> dict[str, Any] | None:
        """Return the image once."""
        return self._left.pop() if self._left else None


def exported(name: str) -> bytes:
    """Return a network with made-up weights as an ONNX model."""
    network = NETWORKS[name](**({"init_weights": False} if name == "googlenet" else {})).eval()
    written = io.BytesIO()
    torch.onnx.export(network, (torch.from_numpy(IMAGE),), written, dynamo=False, input_names=["input"])
    return written.getvalue()


def quantised(model: bytes) -> bytes:
    """Return the model in int8, as an import makes it."""
    with TemporaryDirectory() as folder:
        before, prepared, after = (Path(folder) / f"{name}.onnx" for name in ("fp32", "prepared", "int8"))
        before.write_bytes(model)
        quant_pre_process(str(before), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            prepared,
            after,
            OneImage(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return after.read_bytes()


def ratio_to_yardstick(model: bytes, arithmetic: Arithmetic) -> float:
    """Return a model's latency over the yardstick's: the fastest of runs in turn, which others disturb least."""
    sessions = [session(model), session(yardstick(arithmetic))]
    fastest = [float("inf"), float("inf")]
    for _ in range(RUNS):
        for index, each in enumerate(sessions):
            started = perf_counter()
            each.run(None, {"input": IMAGE})
            fastest[index] = min(fastest[index], perf_counter() - started)
    return fastest[0] / fastest[1]


def session(model: bytes) -> Any:
    """Load a model for one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def main() -> None:
    """Print predicted over actual time of each network on each device, and how far off nine of ten are."""
    table = json.loads((Path(sys.argv[1]) if sys.argv[1:] else TABLE).read_text())
    one_core = [run for run in table if run["threads"] == 1 and run["gpu"] in {-1, None}]
    truths = [next(run["ms"] for run in one_core if device in run["device"]) for device in DEVICES]
    factors: dict[Arithmetic, list[float]] = {"fp32": [], "int8": []}
    for name in NETWORKS:
        model = exported(name)
        for arithmetic, suffix in SUFFIXES.items():
            known = [truth for truth in truths if truth.get(name + suffix, {}).get("avg")]
            if not known:
                continue
            ratio = ratio_to_yardstick(quantised(model) if suffix else model, arithmetic)
            off = [ratio * truth["mobilenet" + suffix]["avg"] / truth[name + suffix]["avg"] for truth in known]
            factors[arithmetic] += [max(each, 1 / each) for each in off]
            print(f"{name + suffix:20} {'  '.join(f'{each:5.2f}' for each in off)}", flush=True)
    for arithmetic, found in factors.items():
        half, most = (sorted(found)[int(share * len(found))] for share in (0.5, 0.9))
        print(f"{arithmetic}: {len(found)} predictions, factor {half:.2f} for half, {most:.2f} for nine of ten")


if __name__ == "__main__":
    main()
