"""What a student is to say for one output of its teacher, and how near it comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Kind = Literal["probability", "distribution", "quantity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """An output: `shape` without the batch axis; `mean` and `spread` float32[shape], those of a quantity."""

    name: str
    kind: Kind
    shape: tuple[int, ...]
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, name: str, answers: NDArray[np.float32]) -> Goal:
        """Look at what the teacher says and tell what kind of thing it is."""
        return cls(
            name=name,
            kind=_kind(answers),
            shape=answers.shape[1:],
            mean=answers.mean(0),
            spread=np.maximum(answers.std(0), 1e-6).astype(np.float32),
        )

    @property
    def numbers(self) -> int:
        """Return how many numbers one answer has."""
        return int(np.prod(self.shape, dtype=int))

    def spoken(self, logits: Tensor) -> Tensor:
        """Turn float32[batch, numbers] inside the student into the output that the teacher has."""
        shaped = logits.reshape(-1, *self.shape)
        match self.kind:
            case "probability":
                return torch.sigmoid(shaped)
            case "distribution":
                return torch.softmax(shaped, dim=-1)
            case "quantity":
                return shaped * torch.from_numpy(self.spread) + torch.from_numpy(self.mean)

    def distance(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """Return the loss against the teacher's answers [batch, ...].

        Soft targets for probabilities (Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015);
        squared error in units of the spread for everything else, logits among them (Ba and Caruana, Do deep nets
        really need to be deep?, 2014).
        """
        shaped = logits.reshape(-1, *self.shape)
        match self.kind:
            case "probability":
                return F.binary_cross_entropy_with_logits(shaped, wanted)
            case "distribution":
                return -(wanted * torch.log_softmax(shaped, dim=-1)).sum(-1).mean()
            case "quantity":
                return F.mse_loss(shaped, (wanted - torch.from_numpy(self.mean)) / torch.from_numpy(self.spread))

    def distance_of_answer(self, said: Tensor, wanted: Tensor) -> Tensor:
        """Return the same loss for what a whole model says, float32[batch, ...], where the logits are out of reach."""
        sure = said.clamp(1e-6, 1 - 1e-6)
        match self.kind:
            case "probability":
                return F.binary_cross_entropy(sure, wanted)
            case "distribution":
                return -(wanted * sure.log()).sum(-1).mean()
            case "quantity":
                return (((said - wanted) / torch.from_numpy(self.spread)) ** 2).mean()

    def distance_to_labels(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss against true labels: class numbers, yes or no, or quantities."""
        shaped = logits.reshape(-1, *self.shape)
        if self.names_classes:
            raw = shaped if self.kind == "distribution" else self.spoken(logits)
            return F.cross_entropy(raw, labels.long())
        if self.kind == "probability":
            return F.binary_cross_entropy_with_logits(shaped, labels.float().reshape(shaped.shape))
        return self.distance(logits, labels.float().reshape(shaped.shape))

    @property
    def names_classes(self) -> bool:
        """Tell whether the largest of its numbers names a class: a distribution, or the logits of one."""
        return len(self.shape) == 1 and self.shape[0] > 1 and self.kind != "probability"

    def agreement(self, said: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
        """Return how well answers agree, 1 being entirely: the share of same decisions, or explained variance."""
        if self.names_classes and self.kind == "distribution":
            return float((said.argmax(-1) == wanted.argmax(-1)).mean())
        if self.kind == "probability":
            return float(((said >= 0.5) == (wanted >= 0.5)).mean())
        return float(1 - ((said - wanted) ** 2).mean() / max(float(((wanted - wanted.mean(0)) ** 2).mean()), 1e-12))

    def accuracy(self, said: NDArray[np.float32], labels: NDArray[Any]) -> dict[str, float]:
        """Return the figures against true labels: balanced accuracy of classes, explained variance of quantities."""
        if self.names_classes:
            return _shares(said.argmax(-1), labels)
        if self.kind == "probability":
            return _shares((said >= 0.5).reshape(len(said), -1), labels.reshape(len(said), -1) > 0)
        truth = np.asarray(labels, np.float32).reshape(said.shape)
        return {"r2": self.agreement(said, truth)}


def _kind(answers: NDArray[np.float32]) -> Kind:
    if answers.min() < 0 or answers.max() > 1:
        return "quantity"
    sums_to_one = answers.ndim > 1 and answers.shape[-1] > 1 and np.abs(answers.sum(-1) - 1).max() < 1e-3
    return "distribution" if sums_to_one else "probability"


def _shares(said: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    right = said == truth
    by_class = [float(right[truth == label].mean()) for label in np.unique(truth)]
    return {"accuracy": float(right.mean()), "balanced_accuracy": float(np.mean(by_class))}
