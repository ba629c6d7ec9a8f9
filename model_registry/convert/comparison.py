"""What all variants of a model are held against: the same items, the model's own answers, labels if there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from model_registry.convert.axes import BATCH, item_extents
from model_registry.convert.draft import Draft
from model_registry.convert.errors import NotApplicable, SamplesRefused
from model_registry.convert.feed import Feed, feed
from model_registry.convert.imported import Imported
from model_registry.convert.judge import Judge, judge_for, similarity
from model_registry.convert.named_axes import last_operator
from model_registry.convert.noise import noise
from model_registry.convert.samples import Samples
from model_registry.convert.trial import Trial
from model_registry.measured import Evaluation
from model_registry.tensor import Tensor

Array = NDArray[Any]
ENOUGH_TO_SPLIT = 40
"""With fewer items the same ones set the ranges and are measured on, and the evaluation says so."""
MOST_CALIBRATING = 256
"""Ranges of activations hardly change after some hundred items."""
MOST_ANSWER_BYTES = 1 << 30
"""The model's own answers are kept; a network that answers with images is measured on fewer items."""
_NOISE_ITEMS = 32
_DECIDING = frozenset({"Softmax", "LogSoftmax", "Sigmoid"})


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Measures how good a variant's answers are."""

    judge: Judge
    calibration: Feed | None
    """Items that set ranges; none when the user gave no data."""
    evaluation: Feed
    dataset: str
    answers: Mapping[str, Array]
    """Of the model as it came."""
    labels: Array | None

    @property
    def metric(self) -> str:
        """Return the figure to judge by."""
        return self.judge.metric

    @property
    def item_extents(self) -> dict[str, int]:
        """Return how long the dynamic axes are in the smallest run of the data."""
        one = self.evaluation.one()
        return {
            extent: length
            for tensor in self.evaluation.inputs
            for extent, length in zip(tensor.shape, one[tensor.name].shape, strict=True)
            if isinstance(extent, str)
        }

    @property
    def items_of_one(self) -> int:
        """Return how many items that smallest run takes."""
        return self.item_extents.get(BATCH, self.evaluation.batch_items)

    def measure(self, trial: Trial, advance: Callable[[int], None]) -> tuple[dict[str, float], Evaluation]:
        """Return a variant's figures and what they were measured on.

        Raises:
            NotApplicable: its answers are unusable.

        """
        answers = trial.answers(self.evaluation, advance)
        if self.labels is not None:
            figures = self.judge.against_labels(answers, self.labels)
        else:
            figures = self.judge.against_parent(answers, self.answers)
        return figures, Evaluation(
            dataset=self.dataset,
            dataset_sha256=self.evaluation.samples.sha256(),
            items=self.evaluation.items,
            reference="parent" if self.labels is None else "labels",
        )

    def expect_same(self, trial: Trial, tolerance: float) -> None:
        """Make sure that a graph which was only tidied up answers as it did.

        Raises:
            NotApplicable: it answers otherwise.

        """
        answers = trial.answers(self.evaluation, lambda _: None)
        error = similarity(answers, self.answers)["relative_error"]
        if error > tolerance:
            raise NotApplicable(f"Its answers changed by {error:.1%}, and tidying up should not change them.")


def compare(draft: Draft, imported: Imported, samples: Samples | None, *, calibrate: bool) -> Comparison:
    """Prepare the comparison: split the data, and let the model as it came answer.

    Raises:
        SamplesRefused: data or labels do not fit the model.
        NotApplicable: the model's own answers are unusable.

    """
    given = samples is not None
    every = feed(samples or _made_up(draft), draft.inputs, draft.axes)
    calibrating, measuring = _split(every, draft) if given and calibrate else (None, every)
    trial = Trial(imported.path.read_bytes(), imported.format, draft.outputs)
    with _finite_if_answered(every.samples):
        measuring = _bounded(measuring, trial, draft)
        answers = trial.answers(measuring, lambda _: None)
    labels = _class_numbers(measuring.labels(), imported.classes)
    if given:
        decides = bool(imported.classes) or _decides(imported, draft.outputs)
        judge = judge_for(draft.outputs, task=draft.task, labels=labels, decides=decides)
    else:
        judge = Judge(kind="similarity")
    _check_labels(judge, _class_numbers(every.labels(), imported.classes), answers)
    return Comparison(
        judge=judge,
        calibration=calibrating,
        evaluation=measuring,
        dataset=_described(every, calibrating, measuring, given=given),
        answers=answers,
        labels=labels,
    )


def _made_up(draft: Draft) -> Samples:
    """Return noise in the layout of data: the first axis counts the items."""
    extents = item_extents(draft.axes)
    batched = any(BATCH in tensor.shape for tensor in draft.inputs)
    if BATCH in extents:
        extents[BATCH] = max(_NOISE_ITEMS, extents[BATCH])
    drawn = [noise(draft.inputs, extents, seed=seed) for seed in range(_NOISE_ITEMS)]
    arrays = {tensor.name: _laid_out(tensor, [each[tensor.name] for each in drawn], batched) for tensor in draft.inputs}
    count = min(len(array) for array in arrays.values())
    return Samples(name="noise", arrays={name: array[:count] for name, array in arrays.items()}, labels=None)


def _laid_out(tensor: Tensor, drawn: list[Array], batched: bool) -> Array:  # noqa: FBT001 - private.
    if BATCH in tensor.shape:
        return np.moveaxis(drawn[0], tensor.shape.index(BATCH), 0)
    return np.stack(drawn) if batched or not tensor.shape else np.concatenate(drawn)


def _split(every: Feed, draft: Draft) -> tuple[Feed, Feed]:
    """Return items that set ranges, spread evenly over the data, and the others, to be measured on."""
    samples = every.samples
    if samples.count < ENOUGH_TO_SPLIT or every.fewest_items > samples.count // 4:
        return every, every
    count = min(MOST_CALIBRATING, samples.count // 2)
    chosen = np.linspace(0, samples.count - 1, count).astype(np.int64)
    others = np.setdiff1d(np.arange(samples.count), chosen)
    return (
        feed(samples.pick(chosen), draft.inputs, draft.axes),
        feed(samples.pick(others), draft.inputs, draft.axes),
    )


def _bounded(measuring: Feed, trial: Trial, draft: Draft) -> Feed:
    """Return as many of the items as have room for the answers."""
    first = trial.run(next(measuring.batches()))
    bytes_each = sum(array.nbytes for array in first.values()) / measuring.batch_items
    most = max(measuring.batch_items, int(MOST_ANSWER_BYTES / max(bytes_each, 1)))
    if measuring.items <= most:
        return measuring
    return feed(measuring.samples.pick(np.arange(most)), draft.inputs, draft.axes)


@contextmanager
def _finite_if_answered(samples: Samples) -> Iterator[None]:
    """Blame data with NaN or infinity for answers that are none; a model may take them, as values that are missing.

    Raises:
        SamplesRefused: an array holds some, and the model gave no usable answers.

    """
    try:
        yield
    except NotApplicable as error:
        if (found := samples.not_finite()) is None:
            raise
        name, item = found
        raise SamplesRefused(
            f"'{name}' in {samples.name} holds NaN or infinity, first in item {item} (from 0), and the model has no "
            f"answer to that. {error.message}",
            hint="Leave such items out, or fill them as it was done for training.",
        ) from error


def _class_numbers(labels: Array | None, classes: tuple[int | float | str, ...]) -> Array | None:
    """Return labels as numbers of columns, where the model knows what its columns stand for."""
    if labels is None or not classes or any(isinstance(word, str) for word in classes):
        return labels
    known = np.asarray(classes)
    places = np.searchsorted(known, labels)
    if not np.array_equal(known[np.minimum(places, len(known) - 1)], labels):
        raise SamplesRefused(
            "Some labels are no class of the model.", hint=f"Its classes: {', '.join(map(str, classes[:20]))}."
        )
    return places


def _check_labels(judge: Judge, labels: Array | None, answers: Mapping[str, Array]) -> None:
    if labels is None or judge.kind not in {"classification", "binary"}:
        return
    columns = max(2, answers[judge.output].reshape(len(answers[judge.output]), -1).shape[1])
    if labels.min() < 0 or labels.max() >= columns:
        raise SamplesRefused(
            f"Labels reach from {labels.min():g} to {labels.max():g}, and '{judge.output}' has {columns} classes.",
            hint="A label is the number of its class's column, from 0.",
        )


def _decides(imported: Imported, outputs: tuple[Tensor, ...]) -> bool:
    if imported.format != "onnx":
        return False
    model = onnx.load(imported.path)
    return any(last_operator(model, tensor.name) in _DECIDING for tensor in outputs)


def _described(every: Feed, calibrating: Feed | None, measuring: Feed, *, given: bool) -> str:
    if not given:
        return "noise drawn from seeds, for no data was given: it shows damage, not accuracy"
    if calibrating is None:
        return every.samples.name
    if measuring.samples.count == every.samples.count:
        return f"{every.samples.name}; the same items set the ranges of int8"
    return f"{every.samples.name}, without the {calibrating.samples.count} items that set the ranges of int8"
