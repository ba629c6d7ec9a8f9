"""Train one small network on a pool of windows: half from the annotations, half from the hub's opinion or more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model_registry.zoo.ecg.network import FrameNet, Shape
from model_registry.zoo.ecg.pool import Pool, Portion


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what comes out, beside the pool."""

    seed: int = 1
    steps: int = 6000
    learning_rate: float = 6e-3
    weight_decay: float = 0.03
    listening: float = 0.5
    """Share of the hub's opinion in what is learned; the rest is the annotation."""
    memory: float = 0.997
    """Decay of the running average of weights, which is what is kept in the end."""


class Apprentice:
    """One training; iterate over `steps()` to the end, then take `network`."""

    def __init__(self, shape: Shape, pool: Pool, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self._pool, self._recipe = pool, recipe
        self._pupil = FrameNet(shape).train()
        self._average = AveragedModel(self._pupil, multi_avg_fn=get_ema_multi_avg_fn(recipe.memory), use_buffers=True)
        self._optimiser = torch.optim.AdamW(
            self._pupil.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.15
        )

    @property
    def network(self) -> FrameNet:
        """Return the averaged network, ready to be used."""
        averaged: FrameNet = self._average.module.eval()
        return averaged

    def steps(self) -> Iterator[float]:
        """Take every step of the recipe, and tell the loss after each."""
        for portion in self._pool.portions(self._recipe.steps, self._recipe.seed):
            yield self._step(portion)

    def _step(self, portion: Portion) -> float:
        window, beat = self._pupil.seen(portion.level)
        share = self._recipe.listening
        truth = portion.task.distance_to_truth(window, beat)
        opinion = portion.task.distance_to_opinion(window, beat, portion.window, portion.beat)
        loss = (1 - share) * truth + share * opinion
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._pupil.parameters(), 2.0)
        self._optimiser.step()
        self._schedule.step()
        self._average.update_parameters(self._pupil)
        return float(loss.detach())
