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
from torch.nn.functional import huber_loss

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
    """Errors are divided by what a decision costs in that world, to this power: 0 minds joules, 1 shares of a cost."""
    most_joules: float = 1.0
    """No way counts for more, better or worse: a queue that breaks down costs a hundred times what a decision does, and
    who is the one that broke it is luck."""
    weight_decay: float = 1e-2
    huber_joules: float = 0.3
    """Errors of what a way costs count by their square up to this, and by their size beyond."""
    temperature_joules: float = 0.1
    """Regret is expected of one who chooses by chance, one of two ways that differ by so much e times as often."""
    regret_weight: float = 3.0
    """What a joule of expected regret counts beside a joule of error beyond ``huber_joules``."""


def imitate(scorer: Scorer, labels: Labels, lesson: Lesson, *, seed: int, say: Callable[[str], None]) -> None:
    """Have a network learn what ways cost, and minimise the expected regret of what it would choose by that.

    Each member learns by itself, but for the bound on the gradient, which is one for all.
    """
    weights = np.maximum(labels.scales, np.median(labels.scales) / 10.0) ** -lesson.scale_power
    weight = torch.from_numpy(weights / weights.mean())
    tried, seen = torch.from_numpy(np.isfinite(labels.costs)), torch.from_numpy(labels.seen)
    costs = torch.from_numpy(np.nan_to_num(labels.costs, posinf=0.0)).clamp(-lesson.most_joules, lesson.most_joules)
    optimizer = torch.optim.AdamW(scorer.parameters(), lr=lesson.learning_rate, weight_decay=lesson.weight_decay)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, lesson.n_epochs)
    chance = torch.Generator().manual_seed(seed)
    for epoch in range(lesson.n_epochs):
        total = 0.0
        for batch in torch.randperm(len(labels), generator=chance).split(lesson.batch_size):
            found, true = scorer.costs(*parts(seen[batch])), costs[batch]
            regret = (expected_regret(-found / lesson.temperature_joules, true, tried[batch]) * weight[batch]).mean()
            error = (_error(found, true, tried[batch], lesson.huber_joules) * weight[batch]).mean()
            optimizer.zero_grad()
            (error + lesson.regret_weight * regret).backward()
            torch.nn.utils.clip_grad_norm_(scorer.parameters(), 1.0)
            optimizer.step()
            total += regret.item() * len(batch)
        falling.step()
        if epoch % 10 == 0 or epoch == lesson.n_epochs - 1:
            say(f"imitation, epoch {epoch}: expected regret {total / len(labels):.5f}")


def expected_regret(logits: Tensor, costs: Tensor, tried: Tensor) -> Tensor:
    """Return the sum over ways of how likely each is times what it costs too much, joules, ``float32[..., batch]``.

    ``logits`` are ``float32[..., batch, rows]``, ``costs`` and ``tried`` ``float32`` and ``bool[batch, rows]``.
    """
    return (logits.masked_fill(~tried, _NEVER).softmax(dim=-1) * costs).sum(dim=-1)


def _error(found: Tensor, true: Tensor, tried: Tensor, huber_joules: float) -> Tensor:
    """Return how far ways are from what they cost, beside each other: what all of them cost is of no account.

    The sum over what was tried, ``float32[members, batch]``.
    """
    found, true = _beside(found, tried), _beside(true, tried)
    error = huber_loss(found, true.expand_as(found), reduction="none", delta=huber_joules)
    return (error * tried).sum(dim=-1) / huber_joules


def _beside(costs: Tensor, tried: Tensor) -> Tensor:
    """Return costs less their mean over what was tried."""
    mean = (costs * tried).sum(dim=-1, keepdim=True) / tried.sum(dim=-1, keepdim=True).clamp(min=1)
    return costs - mean
