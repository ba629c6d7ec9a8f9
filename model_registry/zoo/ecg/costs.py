"""Measure what every variant of the bundle costs here, as an import does, and write it into the manifest."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from model_registry import manifest as manifests
from model_registry.admission.admit import admit
from model_registry.advice.device import computes_in_integers
from model_registry.convert.limits import LIMITS
from model_registry.convert.processor import processor_name
from model_registry.convert.trial import Inputs, Latency, Trial, side_by_side
from model_registry.errors import RegistryError
from model_registry.extra import program_needing
from model_registry.manifest import Manifest
from model_registry.measured import Cost
from model_registry.tensor import Tensor
from model_registry.tier import Tier, Variant
from model_registry.zoo.ecg.demo_stream import DemoStream
from model_registry.zoo.ecg.family import SHIPPED

with program_needing("convert", "Measuring costs"):
    from model_registry.convert.yardstick import Arithmetic, yardstick

SECONDS_EACH = 3.0
SOURCE = "python -m model_registry.zoo.ecg.costs: one window, one thread, all variants in turn"

YARD_OUTPUT = Tensor(name="output", dtype="float32", shape=(1, 1000))
YARD_INPUT = {"input": np.zeros((1, 3, 224, 224), np.float32)}


def with_costs(manifest: Manifest, bundle: Path, window: NDArray[np.int16]) -> Manifest:
    """Return the manifest with the measured costs of every variant, one window int16[1, 3600] at a time.

    Raises: Refused when a variant would be refused by every node.
    """
    pairs = list(manifest.variants())
    arithmetics: tuple[Arithmetic, ...] = get_args(Arithmetic)
    contents = [(bundle / variant.file).read_bytes() for _, variant in pairs]
    trials = [Trial(content, "onnx", tier.outputs) for content, (tier, _) in zip(contents, pairs, strict=True)]
    yards = [Trial(yardstick(arithmetic), "onnx", (YARD_OUTPUT,)) for arithmetic in arithmetics]
    given: list[Inputs] = [*([{"ecg": window}] * len(trials)), *([YARD_INPUT] * len(yards))]
    took = side_by_side([*trials, *yards], given, seconds_each=SECONDS_EACH)
    yard = {arithmetic: latency.p50_ms for arithmetic, latency in zip(arithmetics, took[len(trials) :], strict=True)}
    costs = {
        variant.artifact: _cost(manifest, tier, variant, content, (latency, yard))
        for (tier, variant), content, latency in zip(pairs, contents, took[: len(trials)], strict=True)
    }
    return replace(manifest, tiers=tuple(_with(tier, costs) for tier in manifest.tiers))


def _cost(
    manifest: Manifest, tier: Tier, variant: Variant, content: bytes, took: tuple[Latency, Mapping[Arithmetic, float]]
) -> Cost:
    latency, yard = took
    admitted = admit(content, manifest, tier, variant, LIMITS)
    return Cost(
        device=processor_name(),
        p50_ms=round(latency.p50_ms, 4),
        p99_ms=round(latency.p99_ms, 4),
        peak_memory_bytes=admitted.process_peak_bytes,
        yardstick_ms=round(yard["int8" if computes_in_integers(variant.precision) else "fp32"], 3),
        source=SOURCE,
        measured=dt.datetime.now(dt.UTC).date(),
    )


def _with(tier: Tier, costs: Mapping[str, Cost]) -> Tier:
    return replace(
        tier, variants=tuple(replace(variant, costs=(costs[variant.artifact],)) for variant in tier.variants)
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m model_registry.zoo.ecg.costs", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=SHIPPED, help="folder with manifest.toml; the shipped one")
    bundle: Path = parser.parse_args(argv).bundle
    try:
        measured = with_costs(manifests.load(bundle / "manifest.toml"), bundle, DemoStream.load().windows[:1])
    except RegistryError as error:
        print(f"costs: {error}", file=sys.stderr)
        return 1
    (bundle / "manifest.toml").write_text(manifests.dumps(measured), encoding="utf-8")
    for tier, variant in measured.variants():
        print(f"{tier.name} {variant.name}: {variant.costs[0].p50_ms:.3f} ms, {variant.size_bytes:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
