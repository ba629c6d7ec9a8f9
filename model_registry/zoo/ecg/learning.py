"""Train the three tiers together on the same windows, the smaller ones also listening to the hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model_registry.zoo.ecg.annotation import UNCLASSED
from model_registry.zoo.ecg.network import SHAPES, FrameNet
from model_registry.zoo.ecg.recording import Recording
from model_registry.zoo.ecg.sampling import Batch, Sampler

CLASS_WEIGHT = (1.0, 2.5, 2.5, 1.0)
"""N, S, V, F: a window holds a dozen beats and mostly one that matters."""

SURE = 0.98
"""Windows' targets stay this far from certain: an annotator errs too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what comes out, beside the patients."""

    seed: int = 1
    steps: int = 2000
    batch: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.03
    listening: float = 0.5
    """Share of the hub's opinion in what the smaller tiers learn; the rest is the annotation."""
    memory: float = 0.997
    """Decay of the running average of weights, which is what is kept in the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far training is: `step` of `steps`, and the latest loss by tier."""

    step: int
    steps: int
    loss: dict[str, float]


class Lesson:
    """One training of all tiers; iterate over `steps()` to the end, then take `networks`."""

    def __init__(self, recordings: Sequence[Recording], recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self._recipe = recipe
        self._sampler = Sampler(recordings, recipe.seed)
        self._pupils = {tier: FrameNet(shape).train() for tier, shape in SHAPES.items()}
        average = get_ema_multi_avg_fn(recipe.memory)
        self._averages = {
            tier: AveragedModel(pupil, multi_avg_fn=average, use_buffers=True) for tier, pupil in self._pupils.items()
        }
        weights = [weight for pupil in self._pupils.values() for weight in pupil.parameters()]
        self._optimiser = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.15
        )

    @property
    def networks(self) -> dict[str, FrameNet]:
        """Return the averaged network of each tier, ready to be used."""
        return {tier: average.module.eval() for tier, average in self._averages.items()}

    def steps(self) -> Iterator[Progress]:
        """Take every step of the recipe, and tell after each."""
        for step in range(1, self._recipe.steps + 1):
            loss = self._step(self._sampler.batch(self._recipe.batch))
            yield Progress(step=step, steps=self._recipe.steps, loss=loss)

    def _step(self, batch: Batch) -> dict[str, float]:
        ecg, task = torch.from_numpy(batch.ecg), Task(batch)
        said = {tier: pupil(ecg) for tier, pupil in self._pupils.items()}
        opinion = tuple(logits.detach() for logits in said["hub"])
        losses = {tier: self._loss(task, tier, said[tier], opinion) for tier in said}
        self._optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        for pupil in self._pupils.values():
            nn.utils.clip_grad_norm_(pupil.parameters(), 2.0)
        self._optimiser.step()
        self._schedule.step()
        for tier, average in self._averages.items():
            average.update_parameters(self._pupils[tier])
        return {tier: float(loss.detach()) for tier, loss in losses.items()}

    def _loss(self, task: Task, tier: str, said: tuple[Tensor, Tensor], hub: tuple[Tensor, ...]) -> Tensor:
        truth = task.distance_to_truth(*said)
        if tier == "hub":
            return truth
        share = self._recipe.listening
        return (1 - share) * truth + share * task.distance_to_opinion(*said, *hub)


class Task:
    """What a batch asks of a network, and how far an answer is from what is wanted."""

    WINDOW, PRESENCE, KLASS = 2.0, 1.0, 1.0
    """What the three questions weigh: is the window anomalous and of which classes, where are beats, which are they."""

    def __init__(self, batch: Batch) -> None:
        window = torch.from_numpy(np.column_stack([batch.anomaly, batch.aami]))
        self._window = SURE * window + (1 - SURE) / 2
        self._presence = torch.from_numpy(batch.presence)
        self._klass = torch.from_numpy(batch.klass)
        self._weight = torch.tensor(CLASS_WEIGHT)

    def distance_to_truth(self, window: Tensor, beat: Tensor) -> Tensor:
        """Return the loss against the annotations."""
        klass = F.cross_entropy(
            beat[:, 1:], self._klass, weight=self._weight, ignore_index=UNCLASSED, label_smoothing=1 - SURE
        )
        windows = F.binary_cross_entropy_with_logits(window, self._window)
        return self.WINDOW * windows + self.PRESENCE * self._presences(beat) + self.KLASS * klass

    def distance_to_opinion(self, window: Tensor, beat: Tensor, other: Tensor, other_beat: Tensor) -> Tensor:
        """Return the loss against what another network says of the same windows."""
        asked = self._klass != UNCLASSED
        apart = F.kl_div(beat[:, 1:].log_softmax(1), other_beat[:, 1:].softmax(1), reduction="none").sum(1)
        klass = (apart * asked).sum() / asked.sum()
        windows = F.binary_cross_entropy_with_logits(window, other.sigmoid())
        return self.WINDOW * windows + self.PRESENCE * self._presences(beat) + self.KLASS * klass

    def _presences(self, beat: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(beat[:, 0], self._presence)
