"""The lesson of labels: a network that minds what its choices would have cost.

What is best on one future is nothing that can be learned, for nobody sees it. But the network whose choices cost least
in the mean over many futures decides best on what it does see; copying the best choice would do worse, for that
takes a hair's breadth as seriously as a missed deadline (Behaviour cloning against cost-sensitive classification: Ross
and Bagnell 2014, arXiv 1406.5979).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from msgspec import Struct
from torch import Tensor

from policies.labels import Labels
from policies.network import Scorer, parts

_NEVER = -1e4
"""A logit of what was not tried: it is never chosen, and its logarithm is still a number."""


class Lesson(Struct, frozen=True, kw_only=True):
    """How a network learns from labels."""

    n_epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 1e-3
    scale_power: float = 0.5
    """Regrets are divided by what a decision costs in that world, to this power: 0 minds joules, 1 shares of a cost."""
    most_joules: float = 1.0
    """No way counts for more, better or worse: a queue that breaks down costs a hundred times what a decision does, and
    who is the one that broke it is luck."""
    weight_decay: float = 1e-2
    temperature_joules: float = 0.01
    """Ways whose regrets differ by less stay likely: what comes next has to find out, and cannot where nothing else is
    ever tried."""


def imitate(scorer: Scorer, labels: Labels, lesson: Lesson, *, seed: int, say: Callable[[str], None]) -> None:
    """Have a network minimise the expected regret of what it would choose, at chance by its logits."""
    weights = np.maximum(labels.scales, np.median(labels.scales) / 10.0) ** -lesson.scale_power
    regrets = torch.from_numpy(
        np.nan_to_num(labels.costs, posinf=0.0).clip(-lesson.most_joules, lesson.most_joules)
        * (weights / weights.mean())[:, None]
    )
    tried, seen = torch.from_numpy(np.isfinite(labels.costs)), torch.from_numpy(labels.seen)
    optimizer = torch.optim.AdamW(scorer.parameters(), lr=lesson.learning_rate, weight_decay=lesson.weight_decay)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, lesson.n_epochs)
    chance = torch.Generator().manual_seed(seed)
    for epoch in range(lesson.n_epochs):
        total = 0.0
        for batch in torch.randperm(len(labels), generator=chance).split(lesson.batch_size):
            regret, entropy = expected_regret(scorer, seen[batch], tried[batch], regrets[batch])
            loss = regret - lesson.temperature_joules * entropy
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(scorer.parameters(), 1.0)
            optimizer.step()
            total += regret.item() * len(batch)
        falling.step()
        if epoch % 10 == 0 or epoch == lesson.n_epochs - 1:
            say(f"imitation, epoch {epoch}: expected regret {total / len(labels):.5f}")


def expected_regret(scorer: Scorer, seen: Tensor, tried: Tensor, regrets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum over ways of how likely each is times what it costs too much, and the entropy; means."""
    logits = scorer(*parts(seen)).masked_fill(~tried, _NEVER)
    likely = logits.softmax(dim=1)
    entropy = -(likely * logits.log_softmax(dim=1)).sum(dim=1)
    return (likely * regrets).sum(dim=1).mean(), entropy.mean()
