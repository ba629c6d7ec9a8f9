import numpy as np
import pytest

from meshd.executor.output_contract import OutputContract
from tests.executor.graphs import manifest_of, mean_model, square_root_model


def contract(low: float | None = 0.25, high: float | None = 0.75, alarm: float | None = None) -> OutputContract:
    manifest = manifest_of(mean_model(), square_root_model(), low=low, high=high, alarm=alarm)
    return OutputContract(manifest.tiers[0], manifest.axes)


def scores(*values: float) -> dict[str, np.ndarray]:
    return {"score": np.array(values, np.float32)}


def test_outputs_as_promised_have_no_flaw() -> None:
    assert contract().flaw(scores(0.1, 0.2), {"batch": 2}) == ""


@pytest.mark.parametrize(
    ("outputs", "flaw"),
    [
        (scores(np.nan, 0.2), "Output 'score' holds 1 NaN; every element must be finite."),
        (scores(np.inf, 0.2), "Output 'score' holds 1 infinite values; every element must be finite."),
        (
            scores(0.1),
            "Output 'score' has 1 elements on axis 0 and must have 2, like the other tensors with axis 'batch'.",
        ),
        ({"score": np.zeros(2)}, "Output 'score' is float64 and must be float32."),
        ({"score": np.zeros((2, 1), np.float32)}, "Output 'score' has 2 axes, shape (2, 1), and must have 1."),
    ],
)
def test_outputs_not_as_promised_have_a_flaw(outputs: dict[str, np.ndarray], flaw: str) -> None:
    assert contract().flaw(outputs, {"batch": 2}) == flaw


@pytest.mark.parametrize(
    ("values", "score"),
    [
        ((0.1,), 0.1),
        ((0.0, 0.5, 1.0), 0.5),  # One inside.
        ((0.3, 0.6, 0.7), 0.6),  # Deepest inside.
        ((0.0, 0.2, 1.0), 0.2),  # None inside, nearest below.
        ((0.0, 0.75), 0.75),  # None inside: high itself is outside, and nearest.
        ((0.75, 0.25), 0.25),  # low itself is inside.
    ],
)
def test_a_batch_has_the_score_that_most_wants_escalation(values: tuple[float, ...], score: float) -> None:
    assert contract().score(scores(*values)) == pytest.approx(score)


def test_without_an_upper_threshold_the_largest_score_most_wants_escalation() -> None:
    assert contract(high=None).score(scores(0.3, 0.9, 0.5)) == pytest.approx(0.9)


def test_a_tier_without_a_rule_has_the_score_of_its_alarm() -> None:
    assert contract(low=None, alarm=0.5).score(scores(0.3, 0.4)) == pytest.approx(0.4)


def test_a_tier_without_rule_and_alarm_has_no_score() -> None:
    assert contract(low=None).score(scores(0.3)) is None


@pytest.mark.parametrize(
    ("values", "anomalous"), [((0.1, 0.4), False), ((0.1, 0.5), True), ((0.9,), True)], ids=["below", "at", "above"]
)
def test_one_item_at_the_threshold_raises_the_alarm(values: tuple[float, ...], anomalous: bool) -> None:
    assert contract(alarm=0.5).anomalous(scores(*values)) is anomalous


def test_a_tier_without_an_alarm_says_neither_yes_nor_no() -> None:
    assert contract().anomalous(scores(0.9)) is None
