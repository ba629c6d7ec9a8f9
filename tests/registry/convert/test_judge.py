"""Answers are judged by what the task asks, against labels or against the parent."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the convert extra")

from model_registry.convert.errors import SamplesRefused
from model_registry.convert.judge import Judge, Kind, auroc, judge_for
from model_registry.tensor import Tensor


def output(*shape: int | str, dtype: Any = "float32") -> Tensor:
    return Tensor(name="y", dtype=dtype, shape=shape)


def test_balanced_accuracy_counts_each_class_alike() -> None:
    scores = np.eye(3)[[0, 0, 0, 1, 1, 0]]
    figures = Judge(kind="classification", output="y").against_labels({"y": scores}, np.array([0, 0, 0, 1, 2, 2]))
    assert figures == {"top1": pytest.approx(4 / 6), "balanced_accuracy": pytest.approx((1 + 1 + 0) / 3)}


def test_the_area_under_the_curve_counts_ties_half() -> None:
    assert auroc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True])) == pytest.approx(3.5 / 4)


@pytest.mark.parametrize(
    ("scores", "accuracy"),
    [
        ([0.2, 0.6, 0.4, 0.9], 0.5),  # Probabilities: from a half on it is a yes.
        ([-2.0, -0.1, -0.2, 3.0], 0.75),  # A negative one shows that these are none.
        ([[3, 1], [2, 1], [1, 2], [0, 5]], 1.0),  # Of two columns the larger decides.
    ],
)
def test_a_yes_begins_where_the_scores_say(scores: list[Any], accuracy: float) -> None:
    figures = Judge(kind="binary", output="y").against_labels({"y": np.array(scores)}, np.array([0, 0, 1, 1]))
    assert figures["balanced_accuracy"] == accuracy


def test_labels_of_one_kind_have_no_area_under_a_curve() -> None:
    figures = Judge(kind="binary", output="y").against_labels({"y": np.array([0.9, 0.1])}, np.array([1, 1]))
    assert figures == {"balanced_accuracy": 0.5}


def test_regression_tells_error_and_explained_variance() -> None:
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    figures = Judge(kind="regression", output="y").against_labels({"y": truth[:, None] + 1}, truth)
    assert figures == {"rmse": pytest.approx(1.0), "r2": pytest.approx(1 - 4 / 5)}


def test_agreement_takes_the_parents_choice_for_the_truth() -> None:
    parent, ours = np.eye(2)[[0, 1, 1, 0]], np.eye(2)[[0, 1, 0, 0]]
    figures = Judge(kind="classification", output="y").against_parent({"y": ours}, {"y": parent})
    assert figures == {"top1": 0.75, "balanced_accuracy": 0.75}


def test_similarity_is_that_of_the_output_that_changed_most() -> None:
    parent = {"a": np.array([[1.0, 0.0]]), "b": np.array([[3.0, 4.0]])}
    figures = Judge(kind="similarity").against_parent(
        {"a": np.array([[1.0, 0.0]]), "b": np.array([[4.0, 3.0]])}, parent
    )
    assert figures == {"cosine": pytest.approx(24 / 25), "relative_error": pytest.approx(np.sqrt(2) / 5)}


def test_zeros_that_stay_zeros_are_the_same() -> None:
    zeros = {"a": np.zeros((2, 3))}
    assert Judge(kind="similarity").against_parent(zeros, zeros) == {"cosine": 1.0, "relative_error": 0.0}


@pytest.mark.parametrize(
    ("shape", "labels", "task", "decides", "kind"),
    [
        (("batch", 5), [0, 4, 2], "", False, "classification"),
        (("batch", 5, 1, 1), [0, 4, 2], "", False, "classification"),
        (("batch", 2), [0, 1, 1], "", False, "binary"),
        (("batch", 1), [0, 1, 1], "", False, "binary"),
        (("batch",), [0, 1, 1], "", False, "binary"),
        (("batch", 1), [3, 9, 4], "", False, "regression"),
        (("batch", 1), [0.5, 0.1, 1.0], "", False, "regression"),
        (("batch", 1), [0, 1, 1], "regression", False, "regression"),
        (("batch", 5), None, "", False, "similarity"),
        (("batch", 5), None, "image-classification", False, "classification"),
        (("batch", 5), None, "", True, "classification"),
        (("batch", 3, 8, 8), None, "", True, "similarity"),
    ],
)
def test_the_kind_of_judgement_follows_from_task_labels_and_form(
    shape: tuple[int | str, ...], labels: list[float] | None, task: str, decides: bool, kind: Kind
) -> None:
    given = None if labels is None else np.array(labels)
    assert judge_for((output(*shape),), task=task, labels=given, decides=decides).kind == kind


def test_labels_without_an_output_that_they_could_be_of_are_refused() -> None:
    with pytest.raises(SamplesRefused, match="No output has one row of numbers for each item"):
        judge_for((output("batch", 3, 8, 8),), task="", labels=np.array([1]), decides=False)
