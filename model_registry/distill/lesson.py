"""Teach a student: minibatches, a falling rate, an eye on examples it does not learn from, and the best of it kept."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model_registry.distill.examples import Examples, draws
from model_registry.distill.goal import Goal

Answers = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what comes out, beside the data."""

    seed: int = 1
    steps: int = 2000
    batch: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    label_share: float = 0.3
    """What labels weigh where there are any; the teacher weighs the rest."""
    looks: int = 20
    """How often the validation examples are looked at."""
    patience: int = 6
    """Looks without an improvement that end the training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far training is: `step` of `steps`, and the loss on the validation examples when last looked at."""

    step: int
    steps: int
    validation: float


class Lesson:
    """One training; iterate over `steps()` to the end: the student then has the weights that did best."""

    def __init__(self, student: nn.Module, goals: Sequence[Goal], recipe: Recipe) -> None:
        self._student, self._goals, self._recipe = student, goals, recipe
        self._optimiser = torch.optim.AdamW(
            student.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.15
        )

    def steps(self, train: tuple[Examples, Answers], validation: tuple[Examples, Answers]) -> Iterator[Progress]:
        """Take steps until the recipe's end or until validation no longer improves, and tell after each."""
        recipe = self._recipe
        best, best_loss, misses = self._weights(), self._examined(*validation), 0
        every = max(recipe.steps // recipe.looks, 1)
        for step, index in enumerate(draws(len(train[0]), recipe.batch, recipe.steps, recipe.seed), start=1):
            self._step(train[0].take(index), {name: part[index] for name, part in train[1].items()})
            if step % every == 0:
                loss = self._examined(*validation)
                misses = 0 if loss < best_loss else misses + 1
                if loss < best_loss:
                    best, best_loss = self._weights(), loss
            yield Progress(step=step, steps=recipe.steps, validation=best_loss)
            if misses >= recipe.patience:
                break
        self._student.load_state_dict(best)
        self._student.eval()

    def _step(self, examples: Examples, answers: Answers) -> None:
        self._student.train()
        loss = self._loss(examples, answers)
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._student.parameters(), 2.0)
        self._optimiser.step()
        self._schedule.step()

    def _examined(self, examples: Examples, answers: Answers) -> float:
        self._student.eval()
        total = 0.0
        with torch.no_grad():
            for index in np.array_split(np.arange(len(examples)), max(len(examples) // 256, 1)):
                part = {name: said[index] for name, said in answers.items()}
                total += float(self._loss(examples.take(index), part)) * len(index)
        return total / len(examples)

    def _loss(self, examples: Examples, answers: Answers) -> Tensor:
        said = self._student.logits(*(torch.from_numpy(part) for part in examples.inputs.values()))
        far = [
            goal.distance(logits, torch.from_numpy(answers[goal.name]))
            for goal, logits in zip(self._goals, said, strict=True)
        ]
        loss = torch.stack(far).mean()
        if examples.labels is None:
            return loss
        share, labels = self._recipe.label_share, torch.from_numpy(np.asarray(examples.labels))
        return (1 - share) * loss + share * self._goals[0].distance_to_labels(said[0], labels)

    def _weights(self) -> dict[str, Any]:
        return copy.deepcopy(self._student.state_dict())
