"""The factors that predictions claim are at least those that the benchmark table has, wherever the table is at hand."""

import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from model_registry.advice import prediction

ROOT = Path(__file__).parents[3]
TABLE = ROOT.parent / "shared" / "data" / "devices" / "ncnn_latency.json"


@pytest.fixture(scope="module")
def measure() -> dict[str, Any]:
    if not TABLE.exists():
        pytest.skip("needs ncnn's benchmark table in ../shared/data/devices")
    return runpy.run_path(str(ROOT / "docs" / "decisions" / "measure" / "prediction.py"))


@pytest.mark.parametrize(
    ("precision", "yardstick", "claimed"),
    [("fp32", "mobilenet", prediction._FLOATS), ("int8", "mobilenet_int8", prediction._INTEGERS)],
)
def test_nine_of_ten_predictions_lie_within_the_claimed_factor(
    measure: dict[str, Any], precision: str, yardstick: str, claimed: prediction.Uncertainty
) -> None:
    rows = measure["rows_of_one_core"](TABLE)
    integers = precision == "int8"
    scaled = measure["scaled"](rows, yardstick, integers=integers)
    by_macs = measure["by_macs"](rows, yardstick, "_int8" if integers else "")
    assert nine_of_ten(measure, scaled) <= claimed.scaled
    assert nine_of_ten(measure, by_macs) <= claimed.by_macs


def nine_of_ten(measure: dict[str, Any], ratios: Iterable[float]) -> float:
    factor: float = measure["quantile"]([max(ratio, 1 / ratio) for ratio in ratios], 0.9)
    return round(factor, 2)
