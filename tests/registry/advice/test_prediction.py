import pytest
from msgspec.structs import replace

from model_registry.advice.device import Device
from model_registry.advice.prediction import Prediction, peak_memory_bytes, predict
from model_registry.device_class import NAMES, device_class
from model_registry.measured import Cost
from tests.registry.advice.variants import FP32, INT8, SLOW, cost, variant


def test_a_latency_measured_elsewhere_is_scaled_by_the_yardsticks_of_its_own_arithmetic() -> None:
    assert predict(INT8, SLOW) == Prediction(
        cost=Cost(
            device="band",
            how="predicted",
            p50_ms=20.0,
            peak_memory_bytes=50_000_000,
            joules=0.005,
            source="2.00 ms measured on bench, times 10: MobileNetV1 in int8 takes 10.0 ms there and 100 ms on band "
            "(by ncnn); nine of ten networks lie between 10.0 ms and 40.0 ms (a factor of 2, meshd's decision record "
            "0010)",
        ),
        factor=2.0,
    )


def test_int4_weights_compute_in_fp32_and_are_scaled_so() -> None:
    predicted = predict(replace(INT8, precision="int4"), SLOW)
    assert predicted is not None
    assert (predicted.cost.p50_ms, predicted.factor) == (40.0, 2.2)


def test_without_a_measurement_multiply_accumulates_alone_predict_and_say_so() -> None:
    predicted = predict(variant("fp32"), SLOW)
    assert predicted is not None
    assert predicted.cost == Cost(
        device="band",
        how="predicted",
        p50_ms=2.0,  # a hundredth of MobileNetV1, which takes 200 ms
        joules=0.0005,
        source="5.69 million multiply-accumulates at the speed of MobileNetV1 on band, for no latency was measured "
        "that could be scaled; nine of ten networks lie between 0.89 ms and 4.48 ms (a factor of 2.24, meshd's "
        "decision record 0010)",
    )


def test_a_latency_without_a_yardstick_is_not_scaled_by_guess() -> None:
    unscalable = replace(FP32, costs=(cost(4.0, yardstick_ms=None),))
    assert "multiply-accumulates" in str(predict(unscalable, SLOW))


def test_what_was_measured_on_the_device_itself_is_no_prediction() -> None:
    there = cost(3.5, device="band", joules=0.001)
    assert predict(replace(FP32, costs=(cost(4.0), there)), SLOW) == Prediction(cost=there, factor=1.0)


def test_joules_that_nobody_measured_are_the_time_at_the_devices_power() -> None:
    predicted = predict(replace(FP32, costs=(cost(4.0, device="band"),)), SLOW)
    assert predicted is not None
    assert predicted.cost == cost(4.0, device="band", joules=0.001)


def test_nothing_measured_and_nothing_counted_predicts_nothing() -> None:
    assert predict(variant("trees", macs=0), SLOW) is None


def test_the_range_reaches_as_far_below_as_above() -> None:
    predicted = predict(INT8, SLOW)
    assert predicted is not None
    assert (predicted.low_ms, predicted.high_ms) == (10.0, 40.0)


def test_the_largest_measured_peak_counts_as_memory() -> None:
    costs = (cost(1.0), cost(1.0, peak_memory_bytes=60_000_000), cost(1.0, how="predicted", peak_memory_bytes=9**9))
    assert peak_memory_bytes(variant("fp32", costs=costs)) == 60_000_000
    assert peak_memory_bytes(variant("fp32")) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_class_takes_for_its_yardsticks_what_the_benchmark_table_says(name: str) -> None:
    typical = Device.typical(device_class(name))
    told = {"watch": (435.66, 708.47), "phone": (11.17, 14.45), "hub": (14.44, 20.3), "upstream": (2.4, 3.39)}
    assert (typical.yardstick_ms("int8"), typical.yardstick_ms("fp32")) == pytest.approx(told[name], rel=1e-3)


def test_a_node_twice_as_fast_as_its_class_is_so_in_every_precision() -> None:
    kind = device_class("hub")
    fast = Device.node("kitchen", kind, replace(kind.power, macs_per_s=2 * kind.power.macs_per_s))
    assert fast.yardstick_ms("fp32") == kind.fp32_yardstick_ms / 2
    assert fast.yardstick_ms("int8") == Device.typical(kind).yardstick_ms("int8") / 2
    assert (fast.memory_bytes, fast.device_class) == (kind.memory_bytes, "hub")
