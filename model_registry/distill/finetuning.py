"""Train what is left of a pruned model to answer as the whole one did."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import Tensor

from model_registry.distill.examples import draws
from model_registry.distill.goal import Goal
from model_registry.distill.interpreter import GraphNet
from model_registry.distill.latency import opened
from model_registry.distill.lesson import Answers
from model_registry.distill.teacher import answers_of

Arrays = Mapping[str, NDArray[Any]]
BATCH, LOOKS = 32, 10
SAME = 1e-3
"""How far the graph in torch may be from onnxruntime, in spreads of the output, and still be the same arithmetic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finetuned:
    """The model with the weights that did best on the validation examples, and what is to be said of it."""

    model: ModelProto
    note: str


def finetuned(
    model: ModelProto,
    goals: list[Goal],
    train: tuple[Arrays, Answers],
    validation: tuple[Arrays, Answers],
    told: Callable[[int, float], None],
    *,
    steps: int,
    seed: int,
    learning_rate: float = 2e-3,
) -> Finetuned:
    """Return the model trained on the teacher's answers; as it was where torch cannot run it, with the reason."""
    outputs = [goal.name for goal in goals]
    if lacking := GraphNet.lacks(model, outputs):
        return Finetuned(model=model, note=f"not fine-tuned: torch is not shown how to run {', '.join(lacking)}")
    network = GraphNet(model, outputs)
    if why := _difference(network, model, goals, {name: part[:BATCH] for name, part in validation[0].items()}):
        return Finetuned(model=model, note=f"not fine-tuned: {why}")
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))
    first = best = _examined(network, goals, *validation)
    kept, every = copy.deepcopy(network.state_dict()), max(steps // LOOKS, 1)
    for step, index in enumerate(draws(len(next(iter(train[0].values()))), BATCH, steps, seed), start=1):
        optimiser.zero_grad()
        _loss(network, goals, *_part(train, index)).backward()
        optimiser.step()
        schedule.step()
        if step % every == 0:
            loss = _examined(network, goals, *validation)
            if loss < best:
                best, kept = loss, copy.deepcopy(network.state_dict())
        told(step, best)
    network.load_state_dict(kept)
    return Finetuned(model=network.model(), note=f"fine-tuned: validation loss {first:.4f} to {best:.4f}")


def _difference(network: GraphNet, model: ModelProto, goals: list[Goal], examples: Arrays) -> str:
    """Return how torch and onnxruntime disagree, nothing where they do not."""
    outputs = [goal.name for goal in goals]
    wanted = answers_of(opened(model.SerializeToString()), outputs, examples)
    try:
        with torch.no_grad():
            said = network({name: torch.from_numpy(part) for name, part in examples.items()})
    except (NotImplementedError, KeyError, RuntimeError, TypeError) as cause:
        return f"torch cannot run the graph ({type(cause).__name__}: {cause})"
    for goal, mine in zip(goals, said, strict=True):
        theirs = wanted[goal.name]
        if mine.shape != theirs.shape or not (np.abs(mine.numpy() - theirs) <= SAME * goal.spread.max()).all():
            return f"torch answers something else in '{goal.name}'"
    return ""


def _loss(network: GraphNet, goals: list[Goal], inputs: Arrays, answers: Answers) -> Tensor:
    said = network({name: torch.from_numpy(part) for name, part in inputs.items()})
    far = [
        goal.distance_of_answer(mine, torch.from_numpy(answers[goal.name]))
        for goal, mine in zip(goals, said, strict=True)
    ]
    return torch.stack(far).mean()


def _examined(network: GraphNet, goals: list[Goal], inputs: Arrays, answers: Answers) -> float:
    count = len(next(iter(inputs.values())))
    total = 0.0
    with torch.no_grad():
        for index in np.array_split(np.arange(count), max(count // BATCH, 1)):
            total += float(_loss(network, goals, *_part((inputs, answers), index))) * len(index)
    return total / count


def _part(examples: tuple[Arrays, Answers], index: NDArray[np.intp]) -> tuple[Arrays, Answers]:
    inputs, answers = ({name: part[index] for name, part in side.items()} for side in examples)
    return inputs, answers
