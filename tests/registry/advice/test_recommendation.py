from msgspec.structs import replace

from model_registry.advice.recommendation import Wish, metric_of, pareto_front, recommend, recommend_each
from tests.registry.advice.variants import ALL, FP32, INT4, INT8, SLOW, cost, variant

ON_MAINS = replace(SLOW, power=replace(SLOW.power, battery_joules=None))


def test_of_what_fits_and_loses_little_the_least_energy_is_advised_with_its_reasons() -> None:
    advice = recommend(ALL, SLOW, Wish(deadline_s=0.1))
    assert (advice.variant, advice.reasons) == (
        "int8",
        (
            "int8 takes the least energy of the 2 variants that fit and lose at most 1 point of accuracy.",
            "Against fp32 it is 4.0 times as fast, has 25% of the size and loses 1 point.",
            "One item takes about 20.0 ms of the 100 ms allowed.",
            "Its process needs 50.0 MB at the largest input, of the 100 MB that band has for it.",
        ),
    )


def test_where_predictions_cannot_tell_the_smallest_is_advised() -> None:
    small = variant("int8", precision="int8", size_bytes=500_000, accuracy={"accuracy": 0.95}, costs=(cost(10.0),))
    advice = recommend({"fp32": FP32, "int8": small}, SLOW)  # 80 ms and 100 ms.
    why, against = advice.reasons[:2]
    assert advice.variant == "int8"
    assert why.startswith("int8 is the smallest of the 2 variants that fit, lose at most 1 point of accuracy, and take")
    assert against == "Against fp32 it takes 1.2 times as long, has 12% of the size and loses nothing."


def test_what_was_measured_on_the_device_is_not_compared_with_a_prediction() -> None:
    there = replace(INT8, costs=(cost(2.0, device=SLOW.name),))
    advice = recommend({"fp32": FP32, "int8": there}, SLOW)
    assert advice.reasons[1] == "Against fp32 it has 25% of the size and loses 1 point."


def test_on_the_mains_a_tenth_of_the_loss_is_tolerated() -> None:
    advice = recommend(ALL, ON_MAINS)
    assert (advice.variant, advice.reasons[0]) == (
        "fp32",
        "fp32 is the only variant that fits and is known to lose at most 0.1 points of accuracy.",
    )


def test_when_none_is_accurate_enough_the_most_accurate_that_fits_is_advised_and_the_loss_told() -> None:
    advice = recommend({"fp32": FP32, "int4": INT4}, replace(SLOW, memory_bytes=55_000_000), reference="fp32")
    assert advice.variant == "fp32"
    heavy = replace(FP32, costs=(replace(FP32.costs[0], peak_memory_bytes=200_000_000),))
    advice = recommend({"fp32": heavy, "int4": INT4}, SLOW)
    assert (advice.variant, advice.reasons[:2]) == (
        "int4",
        (
            "No variant that fits loses at most 1 point of accuracy; int4 is the most accurate and loses 5 points.",
            "Against fp32 it takes 1.2 times as long, has 12% of the size and loses 5 points.",
        ),
    )


def test_when_nothing_fits_every_broken_limit_is_named() -> None:
    tight = replace(SLOW, memory_bytes=40_000_000)
    advice = recommend({"fp32": replace(FP32, format="tflite", hardware=("cuda",))}, tight, Wish(deadline_s=0.05))
    assert (advice.variant, advice.reasons) == (
        None,
        (
            "No variant fits band.",
            (
                "fp32 is a .tflite file, and band runs onnx; is made for cuda, and band has cpu; "
                "needs 50.0 MB for its process at the largest input, and band has 40.0 MB; "
                "takes 80.0 ms, and the deadline is 50.0 ms."
            ),
        ),
    )
    assert advice.choice is None


def test_a_deadline_within_the_uncertainty_is_told_as_a_doubt() -> None:
    advice = recommend({"int8": INT8}, SLOW, Wish(deadline_s=0.03))
    assert advice.reasons[-1] == "It may miss the deadline: the prediction reaches up to 40.0 ms."


def test_what_was_not_measured_is_told_and_nothing_is_made_up() -> None:
    unknown = {"trees": variant("trees", macs=0)}
    advice = recommend(unknown, SLOW, Wish(deadline_s=1.0))
    assert (advice.variant, advice.reasons) == (
        "trees",
        (
            "trees is the only variant, and it fits.",
            "Its memory was not measured: only its file was held against the memory there.",
            "Nothing tells how long it takes: neither a latency nor its multiply-accumulates are known.",
        ),
    )


def test_a_variant_of_unknown_accuracy_is_advised_only_when_the_reference_does_not_fit() -> None:
    unlabelled = {name: replace(each, accuracy={}) for name, each in ALL.items()}
    assert recommend(unlabelled, SLOW).variant == "fp32"
    tight = recommend(unlabelled, SLOW, Wish(deadline_s=0.03))
    assert (tight.variant, tight.reasons[0]) == (
        "int8",
        "The accuracy of what fits was not measured; int8 is the largest that fits.",
    )


def test_better_than_the_reference_is_a_gain() -> None:
    advice = recommend(ALL, SLOW, reference="int4")
    assert "gains 4 points" in advice.reasons[1]


def test_the_metric_is_the_most_telling_that_any_variant_has() -> None:
    assert metric_of({"a": replace(FP32, accuracy={"auroc": 0.9, "balanced_accuracy": 0.8})}) == "balanced_accuracy"
    assert metric_of({"a": replace(FP32, accuracy={"f1": 0.9})}) == "f1"
    assert metric_of({"a": variant("bare")}) == ""


def test_the_pareto_front_holds_what_nothing_beats() -> None:
    assert pareto_front({"a": (4, 0.95), "b": (1, 0.94), "c": (2, 0.90), "d": (4, 0.93)}) == ["b", "a"]


def test_each_class_gets_its_own_advice_weakest_first() -> None:
    advice = recommend_each(ALL, Wish(deadline_s=0.5), reference="fp32")
    assert [(each.device.name, each.variant) for each in advice] == [
        ("watch", "int8"),
        ("phone", "int8"),
        ("hub", "fp32"),
        ("upstream", "fp32"),
    ]
