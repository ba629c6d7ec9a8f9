"""What would make a reader wonder is told: a class slower than the one before it, and memory that a batch takes."""

from __future__ import annotations

from model_registry.advice.recommendation import recommend_each
from model_registry.advice.remarks import remarks
from model_registry.measured import Cost
from model_registry.tensor import Axis
from model_registry.tier import Variant

MANY, FEW = {"batch": Axis(max=64)}, {"batch": Axis(max=4)}


def variant(peak_memory_bytes: int) -> Variant:
    cost = Cost(
        device="a workstation", p50_ms=4.0, peak_memory_bytes=peak_memory_bytes, yardstick_ms=5.7, source="a test"
    )
    return Variant(
        name="fp32", precision="fp32", file="m.onnx", artifact="ab" * 32, size_bytes=9, macs=3, costs=(cost,)
    )


def test_a_hub_that_takes_longer_than_a_phone_is_explained_by_what_stands_for_both() -> None:
    (said,) = remarks(recommend_each({"fp32": variant(1_000_000)}), FEW)
    assert said == (
        "That a hub takes longer than a phone is no mistake: it is taken to be one Cortex-A76 at 2.4 GHz (Raspberry "
        "Pi 5, Compute Module 5), and the phone one Cortex-A76 at 2.96 GHz."
    )


def test_where_a_large_batch_takes_the_memory_a_smaller_one_is_proposed() -> None:
    advice = recommend_each({"fp32": variant(952_000_000)})
    assert [each.variant for each in advice] == [None, "fp32", None, "fp32"]
    (said,) = remarks(advice, MANY)
    assert said == (
        "Memory is that of 64 items at once, the largest batch. Import it again with a smaller one, such as --axis "
        "batch=1..4, and more may fit."
    )
    assert [*remarks(advice, FEW)] == []
