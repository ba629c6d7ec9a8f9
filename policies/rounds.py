"""Policy iteration by trying: labels beside a policy's tracks, a network that learns from them, labels beside its own.

The first round tries other ways than the heuristic's, each later one other ways than those of the network that was
taught before it; each network learns from the labels of all rounds. A way is worth what follows if everybody else goes
on as now, and that changes as all of them learn: the rounds are there for that (rollout classification: Lazaric,
Ghavamzadeh and Munos 2010; on one's own tracks: Ross, Gordon and Bagnell 2011, arXiv 1011.0686).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import torch
from msgspec.structs import replace

from meshd.policy.layout import column
from policies.export import Range, export
from policies.hyperparameters import Hyperparameters
from policies.imitation import imitate
from policies.labels import Labels, LabelTask, joined_labels, label_task
from policies.network import Scorer, parts
from policies.workers import Workers
from policies.worlds import Worlds

_TOLD_EVERY = 20
"""Worlds."""


class Rounds:
    """All rounds of one training, in one folder: worlds that are labelled already are not labelled again."""

    def __init__(
        self, folder: Path, recipe: Hyperparameters, worlds: Worlds, workers: Workers, say: Callable[[str], None]
    ) -> None:
        self._folder = folder / "labels"
        self._recipe = recipe
        self._worlds = worlds
        self._workers = workers
        self._say = say
        self._folder.mkdir(parents=True, exist_ok=True)

    def teach(self, scorer: Scorer) -> None:
        """Teach a network."""
        labels, beginning = list[Labels](), deepcopy(scorer.state_dict())
        for number in range(self._recipe.n_rounds):
            labels += self._labels(number)
            known = joined_labels(labels)
            self._say(f"round {number + 1} of {self._recipe.n_rounds}: {len(known)} decisions are labelled")
            scorer.load_state_dict(beginning)  # Or what luck taught it in the first round would be learned thrice.
            imitate(scorer, known, self._recipe.lesson, seed=self._recipe.seed, say=self._say)
            training = {"round": number, "labels": len(known), "seed": self._recipe.seed}
            export(scorer, self._taught(number), name=f"round-{number}", seen=range_of(known), training=training)

    @property
    def known(self) -> Labels:
        """Return the labels of all rounds."""
        paths = (self._path(number, task) for number in range(self._recipe.n_rounds) for task in self._tasks(number))
        return joined_labels([Labels.load(path) for path in paths])

    def _labels(self, number: int) -> list[Labels]:
        """Return the labels of a round, in the order of its worlds."""
        tasks = list(self._tasks(number))
        missing = [task for task in tasks if not self._path(number, task).exists()]
        n_made = 0
        for made, (task, labels) in enumerate(self._workers.each(label_task, missing, name=lambda task: task.name), 1):
            labels.save(self._path(number, task))
            n_made += len(labels)
            if made % _TOLD_EVERY == 0 or made == len(missing):
                self._say(f"round {number + 1}: {made} of {len(missing)} worlds, {n_made} decisions labelled")
        return [Labels.load(self._path(number, task)) for task in tasks]

    def _tasks(self, number: int) -> Iterator[LabelTask]:
        recipe, policy = self._recipe, self._taught(number - 1) if number else None
        n_before = (recipe.seed * recipe.n_rounds + number) * recipe.n_label_seeds  # Trainings share no worlds.
        worlds = replace(self._worlds, first_seed=self._worlds.first_seed + n_before)
        for seed in range(recipe.n_label_seeds):
            for family in range(len(worlds.families)):
                yield LabelTask(worlds=worlds, place=(family, seed), lookout=recipe.lookout, policy=policy)

    def _path(self, number: int, task: LabelTask) -> Path:
        family, seed = task.place
        return self._folder / f"{number}-{task.worlds.families[family]}-{seed}.npz"

    def _taught(self, number: int) -> Path:
        return self._folder / f"round-{number}.onnx"


def range_of(labels: Labels) -> Range:
    """Return what labels have seen of each column."""
    candidates, context = (part.numpy() for part in parts(torch.from_numpy(labels.seen)))
    return Range.of(candidates[candidates[:, :, column("is_allowed")] > 0.0], context)
