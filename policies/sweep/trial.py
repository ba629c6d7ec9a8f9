"""One training of a sweep, in a folder of its own; what is finished is never done again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from statistics import fmean

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from policies.draft import draft_of
from policies.errors import TrainingUnusable
from policies.hyperparameters import Hyperparameters
from policies.validation import Comparison, Validation, mean_gain
from policies.worlds import Worlds, validation_worlds

_FINISHED = "judged.json"


class Judged(Struct, frozen=True, kw_only=True):
    """What came of a training: its best policy on validation worlds that did not choose it."""

    recipe: dict[str, int | float]
    n_worlds: int
    reward: float
    """Of a request, the mean over families: minus its cost in joules."""
    rule: float
    """The heuristic's, on the same worlds."""
    gain: float
    """Share of the heuristic's cost that is saved, the mean over families."""


class Trial(Struct, frozen=True, kw_only=True):
    """A point with a seed."""

    point: str
    recipe: Hyperparameters
    folder: Path
    n_judging_seeds: int
    """Of each validation family."""
    learns_from: Worlds | None = None
    """None: all worlds of training."""
    chosen_by: Worlds | None = None
    """None: as the recipe says."""

    @property
    def name(self) -> str:
        """Return what a person calls it."""
        return f"{self.point} seed {self.recipe.seed}"

    def judged(self) -> Judged | None:
        """Return what came of it; none if it is not finished.

        Raises:
            TrainingUnusable: by another recipe, or on other worlds.

        """
        path = self.folder / _FINISHED
        if not path.exists():
            return None
        known = msgspec.json.decode(path.read_bytes(), type=Judged)
        if (known.recipe, known.n_worlds) != (
            asdict(self.recipe),
            self._judged_by.n_seeds * len(self._judged_by.families),
        ):
            message = f"{self.folder} holds a training that was made or judged otherwise."
            raise TrainingUnusable(message, hint="Name another folder, or remove this one.")
        return known

    @property
    def _judged_by(self) -> Worlds:
        """Return the worlds behind those that choose among checkpoints: whoever was chosen by luck has none here."""
        chosen_by = self.chosen_by or validation_worlds(self.recipe.n_validation_seeds)
        return replace(chosen_by, first_seed=chosen_by.first_seed + chosen_by.n_seeds, n_seeds=self.n_judging_seeds)

    def run(self) -> Judged:
        """Train, from where it was interrupted, and judge; what is finished is only read."""
        return self.judged() or self._judge(self._trained())

    def _trained(self) -> Path:
        from policies.training import Training  # noqa: PLC0415 - who only lists what is finished needs no torch

        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log:
            Training(
                self.folder,
                self.recipe,
                say=lambda said: print(said, file=log, flush=True),
                worlds=self.learns_from,
                chosen_by=self.chosen_by,
            ).run()
        return self.folder / "best.onnx"

    def _judge(self, policy: Path) -> Judged:
        compared = Validation(self._judged_by).compare(policy)
        judged = Judged(
            recipe=asdict(self.recipe),
            n_worlds=sum(len(one.policy) for one in compared),
            reward=_reward(compared, "policy"),
            rule=_reward(compared, "heuristic"),
            gain=mean_gain(compared),
        )
        with draft_of(self.folder / _FINISHED) as draft:
            draft.write_bytes(msgspec.json.encode(judged))
        return judged


def run(trial: Trial) -> Judged:
    """Run a trial, wherever it is sent."""
    return trial.run()


def _reward(compared: list[Comparison], whose: str) -> float:
    return -fmean(fmean(getattr(one, whose)) for one in compared)
