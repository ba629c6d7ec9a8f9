"""Measure what record 0018 states: ratio, speed, error and agreement of every codec on tensors of real models.

Needs the extras codecs, convert and dev. Run on one core, with the int8 MobileNetV2 (QLinear) of the ONNX model zoo:
`taskset -c 0 .venv/bin/python docs/decisions/measure/tensor_encodings.py mobilenet_v2_quant.onnx`
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # Before onnxruntime is imported: it phones home otherwise.

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, get_args

import numpy as np
import onnx
from msgspec.structs import replace
from numpy.typing import NDArray
from skimage import data, transform

from model_registry.codec import decode, encode
from model_registry.codec.cost import yardstick_us
from model_registry.codec.effect import measured, same_answers
from model_registry.encoding import Codec, Encoding
from model_registry.runtime.session import Session, open_session
from model_registry.zoo.ecg.demo_stream import SHIPPED

Array = NDArray[Any]
ROUNDS, CROPS = 40, 12
ARTIFACTS = SHIPPED.parent / "artifacts"
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
PICTURES = ("astronaut", "cat", "coffee", "rocket", "retina", "hubble_deep_field")
"""Those that scikit-image brings along; the others it would download are left out."""
GRID = Encoding(
    codec="uint8",
    ratio=1,
    scale=tuple((1 / 255 / DEVIATION.astype(float)).tolist()),
    zero=tuple((255 * MEAN.astype(float)).tolist()),
    axis=1,
)
HALF, CHANNELS = Encoding(codec="fp16", ratio=1), Encoding(codec="int8", ratio=1, axis=1)


def main() -> None:
    """Print a table each for inputs, activations, answers and costs."""
    mobilenet = Path(sys.argv[1])
    pictures, windows = list(_pictures()), np.load(SHIPPED)["windows"]
    print("| | codec | ratio | encode MB/s | decode MB/s | error |\n|---|---|---|---|---|---|")
    _row("one ECG window, int16[1, 3600]", Encoding(codec="flac", ratio=1), [w[None] for w in windows[::10]])
    _row("16 windows", Encoding(codec="flac", ratio=1), [windows[at : at + 16] for at in range(0, 288, 16)])
    for quality in (75, 90, 95):
        jpeg = Encoding(codec="jpeg", ratio=1, quality=quality)
        _row(f"pictures, uint8[1, 224, 224, 3], quality {quality}", jpeg, [each[None] for each in pictures])
    real = [_normalised(each) for each in pictures]
    _row("pictures, float32[1, 3, 224, 224], ImageNet's grid", GRID, real)
    _row(
        "the same, x / 255",
        replace(GRID, scale=(1 / 255,), zero=(), axis=None),
        [p[None] / np.float32(255) for p in pictures],
    )
    _row("the same, quality 90", replace(GRID, codec="jpeg", quality=90), real)
    for name, activations in _activations(mobilenet, real, windows):
        for encoding in (HALF, CHANNELS, replace(CHANNELS, axis=None)):
            _row(name + ("" if encoding.axis or encoding is HALF else ", axis sought"), encoding, activations)
    _answers(mobilenet, real, windows)
    _costs(windows, pictures, real)


def _pictures() -> Iterator[Array]:
    """Yield squares cut out of photographs at places drawn from a seed."""
    random = np.random.default_rng(1)
    for name in PICTURES:
        try:
            seen = getattr(data, name)()
        except Exception as error:  # noqa: BLE001 - not shipped, or no network: whatever pooch raises.
            print(f"left out: {name} ({type(error).__name__})", file=sys.stderr)
            continue
        for _ in range(CROPS):
            side = int(random.integers(min(seen.shape[:2]) // 2, min(seen.shape[:2])))
            top, left = (int(random.integers(extent - side + 1)) for extent in seen.shape[:2])
            square = transform.resize(seen[top : top + side, left : left + side, :3], (224, 224), anti_aliasing=True)
            yield np.rint(square * 255).astype(np.uint8)


def _normalised(picture: Array) -> Array:
    real = (picture.astype(np.float32) / np.float32(255) - MEAN) / DEVIATION
    return np.ascontiguousarray(real.transpose(2, 0, 1)[None])


def _seconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return median(times)


def _both(encoding: Encoding, array: Array) -> tuple[float, float] | None:
    """Return the seconds of encoding and of decoding."""
    if (encoded := encode(array, encoding)) is None:
        return None
    back = _seconds(lambda: decode(encoded.content, encoding.codec, array.dtype.name, array.shape))
    return _seconds(lambda: encode(array, encoding)), back


def _row(name: str, encoding: Encoding, samples: list[Array]) -> None:
    ratios, errors = [], []
    for sample in samples:
        if (encoded := encode(sample, encoding)) is None:
            ratios.append(1.0)
            continue
        back = decode(encoded.content, encoding.codec, sample.dtype.name, sample.shape).astype(np.float64)
        ratios.append(sample.nbytes / len(encoded.content))
        errors.append(float(np.abs(back - sample).max() / np.abs(sample.astype(np.float64)).max()))
    raw = len(samples) - len(errors)
    name += f" ({raw} of {len(samples)} raw)" if raw else ""
    times = _both(encoding, samples[0])
    speeds = [f"{samples[0].nbytes / seconds / 1e6:,.0f}" for seconds in times or ()] or ["", ""]
    error = f"{max(errors, default=0):.1e}" if any(errors) else "0"
    print(f"| {name} | {encoding.codec} | {median(ratios):.2f} | {' | '.join(speeds)} | {error} |", flush=True)


def _activations(mobilenet: Path, real: list[Array], windows: Array) -> Iterator[tuple[str, list[Array]]]:
    """Yield what would cross at some places; MobileNetV2's have 8 bits already and are made real numbers."""
    hub = onnx.load(ARTIFACTS / "hub-fp32.onnx")
    for name in _places(hub):
        session = _giving(hub, name)
        found = [session.run([name], {"ecg": window[None]})[0] for window in windows[::20]]
        yield f"ECG hub, float32{list(found[0].shape)}", found
    model = onnx.load(mobilenet)
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    adds = [node for node in model.graph.node if node.op_type == "QLinearAdd"]
    for node in (adds[0], adds[4], adds[-1]):
        session = _giving(model, node.output[0])
        scale, zero = (constants[name].astype(np.float32) for name in node.input[-2:])
        found = [(session.run([node.output[0]], {"input": x})[0] - zero) * scale for x in real]
        yield f"MobileNetV2, float32{list(found[0].shape)}", [each.astype(np.float32) for each in found]


def _places(model: onnx.ModelProto) -> list[str]:
    """Return the first rectified tensor, one in the middle, and the last."""
    found = [node.output[0] for node in model.graph.node if node.op_type == "Relu"]
    return [found[0], found[len(found) // 2], found[-1]]


def _giving(model: onnx.ModelProto, name: str) -> Session:
    more = onnx.ModelProto()
    more.CopyFrom(model)
    more.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return open_session(more.SerializeToString())


def _given(model: onnx.ModelProto, name: str) -> Session:
    """Return the model with whatever takes a tensor taking an input of that name and `.sent` instead."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    for node in other.graph.node:
        node.input[:] = [name + ".sent" if each == name else each for each in node.input]
    other.graph.input.append(onnx.helper.make_tensor_value_info(name + ".sent", onnx.TensorProto.FLOAT, None))
    return open_session(other.SerializeToString())


def _answers(mobilenet: Path, real: list[Array], windows: Array) -> None:
    """Print what encodings do to answers."""
    print("\n| | ratio | largest change of an output | agreement |\n|---|---|---|---|")
    whole = open_session(mobilenet.read_bytes())

    def classify(tensors: Mapping[str, Array]) -> Mapping[str, Array]:
        return {"output": whole.run(["output"], tensors)[0]}

    shaken = [
        classify({"input": each + np.float32(1e-4) * noise}) for each, noise in zip(real, _noise(real), strict=True)
    ]
    same = np.mean([same_answers(classify({"input": x}), y) for x, y in zip(real, shaken, strict=True)])
    print(f"| MobileNetV2's input, shaken by a ten-thousandth | 1 | | {same:.4f} |")
    for encoding in (GRID, *(replace(GRID, codec="jpeg", quality=q) for q in (95, 90, 75)), HALF, CHANNELS):
        found = measured(encoding, classify, [{"input": each} for each in real])
        _answer(f"MobileNetV2's input, {found.codec} {found.quality or ''}", found)
    hub = onnx.load(ARTIFACTS / "hub-fp32.onnx")
    for name in _places(hub):
        head, rest = _giving(hub, name), _given(hub, name)
        samples = [{"ecg": window[None], name: head.run([name], {"ecg": window[None]})[0]} for window in windows]

        def score(tensors: Mapping[str, Array], rest: Session = rest, name: str = name) -> Mapping[str, Array]:
            return {"anomaly": rest.run(["anomaly"], {"ecg": tensors["ecg"], name + ".sent": tensors[name]})[0]}

        for encoding in (HALF, CHANNELS):
            _answer(
                f"ECG hub, {list(samples[0][name].shape)}, {encoding.codec}",
                measured(encoding, score, samples, names=[name]),
            )


def _noise(like: list[Array]) -> list[Array]:
    random = np.random.default_rng(2)
    return [random.normal(size=each.shape).astype(np.float32) for each in like]


def _answer(name: str, found: Encoding) -> None:
    print(f"| {name} | {1 / found.ratio:.2f} | {found.error:.1e} | {found.agreement:.4f} |", flush=True)


def _costs(windows: Array, pictures: list[Array], real: list[Array]) -> None:
    """Print the table that `model_registry.codec.cost` carries: seconds of a small tensor and of a large one."""
    small, large = np.float32(np.random.default_rng(1).normal(size=(1, 8, 64))), real[0]
    pairs: dict[Codec, tuple[Encoding, Array, Array]] = {
        "uint8": (replace(GRID, error=1.0), large[:, :, :8, :16].copy(), large),
        "fp16": (HALF, small, large),
        "int8": (CHANNELS, small, large),
        "jpeg": (Encoding(codec="jpeg", ratio=1, quality=90), pictures[0][None, :32, :32].copy(), pictures[0][None]),
        "flac": (Encoding(codec="flac", ratio=1), windows[:1, :900].copy(), windows[:64]),
    }
    print(f"\nyardstick: {median(yardstick_us() for _ in range(20)):.1f} us")
    for codec in get_args(Codec):
        encoding, little, much = pairs[codec]
        low, high = (sum(_both(encoding, array) or ()) for array in (little, much))
        byte_s = (high - low) / (much.nbytes - little.nbytes)
        message_us = max(0.0, 1e6 * (low - byte_s * little.nbytes))
        print(f'"{codec}": _Cost({message_us:.0f}, {1e9 * byte_s:.2f}),')


if __name__ == "__main__":
    main()
