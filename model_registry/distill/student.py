"""The small network: one trunk for each input, by its rank, and one line of weights for each output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model_registry.distill.goal import Goal
from model_registry.distill.trunk import Trunk, Views

NARROWEST, WIDEST = 2, 256


class Student(nn.Module):
    """Answers as its teacher does: the same inputs, element types included, and the same outputs."""

    def __init__(self, views: Views, goals: Sequence[Goal], width: int) -> None:
        super().__init__()
        self.trunks = nn.ModuleList([view.trunk(width) for view in views])
        self.goals = tuple(goals)
        features = sum(trunk.features for trunk in self._trunks())
        self.heads = nn.ModuleList([nn.Linear(features, goal.numbers) for goal in goals])

    def _trunks(self) -> Sequence[Trunk]:
        return list(self.trunks)

    def logits(self, *inputs: Tensor) -> list[Tensor]:
        """Return float32[batch, numbers] for every goal, before it is turned into the teacher's units."""
        seen = torch.cat([trunk(given) for trunk, given in zip(self.trunks, inputs, strict=True)], dim=1)
        return [head(seen) for head in self.heads]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the teacher's outputs, in order."""
        return tuple(goal.spoken(said) for goal, said in zip(self.goals, self.logits(*inputs), strict=True))
