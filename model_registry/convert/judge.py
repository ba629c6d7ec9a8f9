"""How good a variant's answers are: against labels, or against what the model it was made from answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model_registry.convert.errors import SamplesRefused
from model_registry.tensor import Tensor

Array = NDArray[Any]
Kind = Literal["classification", "binary", "regression", "similarity"]
METRICS: dict[Kind, str] = {
    "classification": "balanced_accuracy",
    "binary": "balanced_accuracy",
    "regression": "r2",
    "similarity": "cosine",
}
"""What to judge by, of what is measured: more is better."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Measures answers of one kind, given in one output, or in all of them where only similarity counts."""

    kind: Kind
    output: str = ""

    @property
    def metric(self) -> str:
        """Return the figure to judge by."""
        return METRICS[self.kind]

    def against_labels(self, answers: Mapping[str, Array], labels: Array) -> dict[str, float]:
        """Return the task's figures on answers whose first axis are the items."""
        rows = _rows(answers[self.output])
        match self.kind:
            case "classification":
                return classification(rows, labels)
            case "binary":
                scores, at = _decision(rows)
                return binary(scores, labels > 0, at=at)
            case _:
                return regression(rows, _rows(labels))

    def against_parent(self, answers: Mapping[str, Array], parent: Mapping[str, Array]) -> dict[str, float]:
        """Return how far the answers are those of the parent; for a classifier by the class that each one names."""
        match self.kind:
            case "classification":
                return classification(_rows(answers[self.output]), _rows(parent[self.output]).argmax(axis=1))
            case "binary":
                theirs, at = _decision(_rows(parent[self.output]))
                return binary(_decision(_rows(answers[self.output]))[0], theirs >= at, at=at)
            case "regression":
                return regression(_rows(answers[self.output]), _rows(parent[self.output]))
            case "similarity":
                return similarity(answers, parent)


def judge_for(outputs: tuple[Tensor, ...], *, task: str, labels: Array | None, decides: bool) -> Judge:
    """Choose how to judge: as the task says, else as the labels look.

    Without either, only a model that `decides` is judged by its decisions: its graph ends in a softmax or sigmoid.

    Raises:
        SamplesRefused: there are labels, and no output that they could be of.

    """
    floats_first = sorted(outputs, key=lambda tensor: not tensor.dtype.startswith("float"))
    columns = {tensor.name: _columns(tensor) for tensor in floats_first}
    scored = next(((name, count) for name, count in columns.items() if count), None)
    if labels is None and (scored is None or not (decides or _says(task))):
        return Judge(kind="similarity")
    if scored is None:
        raise SamplesRefused(
            "No output has one row of numbers for each item that labels could be held against.",
            hint="Import the model without labels: its variants are then compared with it.",
        )
    name, count = scored
    return Judge(kind=_kind(task, labels, count), output=name)


def classification(scores: Array, labels: Array) -> dict[str, float]:
    """Return top-1 and balanced accuracy of float[items, classes] against class numbers int[items]."""
    right = scores.argmax(axis=1) == labels
    recalls = [right[labels == label].mean() for label in np.unique(labels)]
    return {"top1": float(right.mean()), "balanced_accuracy": float(np.mean(recalls))}


def binary(scores: Array, positive: Array, *, at: float) -> dict[str, float]:
    """Return AUROC and balanced accuracy of float[items] against bool[items]; a score from `at` on is a yes.

    Where all items are of one kind there is no AUROC.
    """
    flagged = scores >= at
    recalls = [float((flagged == positive)[positive == kind].mean()) for kind in np.unique(positive)]
    figures = {"balanced_accuracy": float(np.mean(recalls))}
    return {"auroc": auroc(scores, positive), **figures} if len(recalls) == 2 else figures


def auroc(scores: Array, positive: Array) -> float:
    """Return the chance that a positive item scores above a negative one; ties count half.

    Source: Hanley & McNeil 1982, the rank form of Mann and Whitney.
    """
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    above = ranks[place[positive]].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def regression(values: Array, truth: Array) -> dict[str, float]:
    """Return root mean square error and R2 of float[items, values]."""
    error = np.square(values.astype(np.float64) - truth).sum()
    spread = np.square(truth - truth.mean(axis=0)).sum()
    rmse = float(np.sqrt(error / truth.size))
    return {"rmse": rmse, "r2": float(1 - error / spread)} if spread > 0 else {"rmse": rmse}


def similarity(answers: Mapping[str, Array], parent: Mapping[str, Array]) -> dict[str, float]:
    """Return mean cosine over items, and relative error, of the output in which the two differ most."""
    pairs = [(_rows(answers[name]), _rows(truth)) for name, truth in parent.items()]
    return {
        "cosine": min(_cosine(ours, theirs) for ours, theirs in pairs),
        "relative_error": max(_relative_error(ours, theirs) for ours, theirs in pairs),
    }


def _cosine(ours: Array, theirs: Array) -> float:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    both_zero = np.linalg.norm(ours - theirs, axis=1) == 0
    cosines = np.where(both_zero, 1.0, (ours * theirs).sum(axis=1) / np.where(lengths > 0, lengths, 1.0))
    return float(cosines.mean())


def _relative_error(ours: Array, theirs: Array) -> float:
    size = float(np.linalg.norm(theirs))
    return float(np.linalg.norm(ours - theirs)) / size if size else float(np.linalg.norm(ours))


def _decision(rows: Array) -> tuple[Array, float]:
    """Return a score for each item, and from where on it is a yes.

    Of two columns their difference decides; of one, 0.5 where all could be probabilities, else 0.
    """
    if rows.shape[1] == 2:
        return rows[:, 1] - rows[:, 0], 0.0
    scores = rows[:, -1]
    return scores, 0.5 if scores.min() >= 0 and scores.max() <= 1 else 0.0


def _rows(array: Array) -> Array:
    """Return an array as float64[items, numbers]."""
    return np.asarray(array, np.float64).reshape(len(array), -1)


def _says(task: str) -> bool:
    return "classif" in task or "regress" in task


def _columns(tensor: Tensor) -> int | None:
    """Return how many numbers an output has for each item; none where that is no fixed row."""
    rest = [extent for extent in tensor.shape[1:] if extent != 1]
    if not tensor.shape or len(rest) > 1 or any(isinstance(extent, str) for extent in rest):
        return None
    return next((int(extent) for extent in rest), 1)


def _kind(task: str, labels: Array | None, columns: int) -> Kind:
    whole = labels is None or (labels.ndim == 1 and bool(np.equal(np.mod(labels, 1), 0).all()))
    if "regress" in task or not whole:
        return "regression"
    two_valued = labels is None or set(np.unique(labels)) <= {0, 1}
    if columns > 2:
        return "classification"
    return "binary" if two_valued or columns == 2 else "regression"
