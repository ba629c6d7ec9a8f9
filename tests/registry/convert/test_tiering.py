"""The recommended variant of a class leads its tier, and no artifact is in two tiers."""

import pytest

pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry.convert.sweep import Made, Sweep
from model_registry.convert.tiering import advice_for, tiers_of
from tests.registry.convert.report.sweeps import made, sweep


def tiers(*variants: Made) -> dict[str, list[str]]:
    swept: Sweep = sweep(made=variants)
    return {tier.name: [v.name for v in tier.variants] for tier in tiers_of(swept, advice_for(swept))}


FP32 = made("fp32", size=9_000_000, p50_ms=4.0, accuracy=0.90)
LARGE = made("fp32", size=60_000_000, p50_ms=4.0, accuracy=0.90)
INT8 = made("int8", size=2_500_000, p50_ms=1.0, accuracy=0.895, precision="int8")


def test_a_variant_that_is_best_for_all_is_in_the_tier_of_the_weakest() -> None:
    equal = made("int8", size=2_500_000, p50_ms=1.0, accuracy=0.90, precision="int8")
    assert tiers(FP32, equal) == {"watch": ["int8", "fp32"]}


def test_a_class_that_tolerates_less_gets_a_tier_of_its_own() -> None:
    assert tiers(FP32, INT8) == {"watch": ["int8"], "hub": ["fp32"]}


def test_what_the_weakest_class_cannot_run_stands_in_the_tier_of_one_that_can() -> None:
    fine = made("fp16", size=59_000_000, p50_ms=9.0, accuracy=0.90, precision="fp16")
    assert tiers(LARGE, INT8, fine) == {"watch": ["int8"], "hub": ["fp32", "fp16"]}


def test_what_fits_nowhere_else_still_reaches_the_strongest_class() -> None:
    enormous = made("fp32", size=5_000_000_000, p50_ms=400.0, accuracy=0.90)
    assert tiers(enormous) == {"hub": ["fp32"]}


def test_variants_behind_the_first_stand_by_what_they_lose_and_unknown_ones_last() -> None:
    first = made("int8", size=1_000_000, p50_ms=1.0, accuracy=0.90, precision="int8")
    poor = made("pruned", size=3_000_000, p50_ms=3.0, accuracy=0.7)
    unknown = made("fp16", size=4_000_000, p50_ms=5.0, accuracy=None, precision="fp16")
    assert tiers(FP32, unknown, poor, first) == {"watch": ["int8", "fp32", "pruned", "fp16"]}
