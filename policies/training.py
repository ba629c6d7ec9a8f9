"""The recipe, from nothing to the policy that is shipped."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from stable_baselines3.common.logger import configure
from torch.distributions import Distribution

from meshd.policy.layout import layout_hash
from policies.errors import TrainingUnusable
from policies.export import MOST_BYTES, file_bytes
from policies.hyperparameters import Hyperparameters
from policies.network import CandidatePolicy
from policies.rounds import Rounds
from policies.semi_markov import SemiMarkovPPO
from policies.validation import Validation
from policies.vector_env import VectorEnv
from policies.watch import Say, Watch
from policies.workers import Pool
from policies.worlds import Worlds, training_worlds, validation_worlds

_NO_BOUND = 1e9
"""Of the gradient as a whole: each part has its own."""


class Training:
    """One training, all of whose files are in one folder: it goes on where the last checkpoint is.

    ``last.zip`` is the checkpoint, ``best.onnx`` what did best on the worlds that are there to choose by, ``best.zip``
    the same as it can be trained on, ``candidate.onnx`` what was compared last, ``curve.jsonl`` one line for each
    comparison; TensorBoard's files lie beside them.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Hyperparameters,
        *,
        n_processes: int = 1,
        say: Say = print,
        worlds: Worlds | None = None,
        chosen_by: Worlds | None = None,
    ) -> None:
        """Lay out the folder.

        Raises:
            TrainingUnusable: it holds a training by another recipe, or this one's network would be too large.
        """
        _check_size(recipe)
        self.folder = folder
        self.recipe = recipe
        self._n_processes = n_processes
        self._say = say
        self._worlds = worlds or training_worlds()
        self._chosen_by = chosen_by or validation_worlds(recipe.n_validation_seeds)
        self._workers = Pool(n_processes)
        self._rounds = Rounds(folder, recipe, self._worlds, self._workers, say)
        self._keep_recipe()

    @property
    def checkpoint(self) -> Path:
        """Return where the last state is."""
        return self.folder / "last.zip"

    def run(self) -> None:
        """Train to the end of the recipe."""
        torch.set_num_threads(1)
        Distribution.set_default_validate_args(False)
        env = VectorEnv.of(
            self._worlds,
            self.recipe.terms,
            n_envs=self.recipe.n_envs,
            n_processes=self._n_processes,
            seed=self.recipe.seed,
        )
        try:
            is_new, model = not self.checkpoint.exists(), self._model(env)
            left = self.recipe.n_decisions - model.num_timesteps
            if is_new or left > 0:
                self._learn(model, left)
        finally:
            env.close()

    def _learn(self, model: SemiMarkovPPO, n_decisions: int) -> None:
        logger = configure(str(self.folder), ["tensorboard"])
        model.set_logger(logger)
        watch = Watch(
            self.folder, self.recipe, Validation(self._chosen_by, self._workers), self._rounds.known, self._say
        )
        try:
            model.learn(n_decisions, callback=watch, reset_num_timesteps=False)
        finally:
            logger.close()

    def _model(self, env: VectorEnv) -> SemiMarkovPPO:
        if self.checkpoint.exists():
            model: SemiMarkovPPO = SemiMarkovPPO.load(self.checkpoint, env=env, device="cpu")
            self._say(f"going on behind {model.num_timesteps} decisions")
            return model
        model = new_model(self.recipe, env)
        self._rounds.teach(model.policy.scorer)
        return model

    def _keep_recipe(self) -> None:
        recipe = asdict(self.recipe) | {"layout": layout_hash()}  # Labels of other features are no labels.
        path, told = self.folder / "recipe.json", json.dumps(recipe, indent=1)
        if path.exists() and path.read_text(encoding="utf-8") != told:
            raise TrainingUnusable(
                f"{self.folder} holds a training by another recipe.", hint="Name another folder, or remove this one."
            )
        path.write_text(told, encoding="utf-8")


def _check_size(recipe: Hyperparameters) -> None:
    """Refuse, before any world is played for it, a network that could be taught but never shipped."""
    if (n_bytes := file_bytes(recipe.form)) > MOST_BYTES:
        raise TrainingUnusable(
            f"A network of {recipe.n_members} members of width {recipe.width} would be a file of {n_bytes} bytes, more"
            f" than the {MOST_BYTES} that are shipped at most.",
            hint="Set a smaller width, or fewer n_members.",
        )


def new_model(recipe: Hyperparameters, env: VectorEnv) -> SemiMarkovPPO:
    """Return a learner whose policy is next to the heuristic."""
    return SemiMarkovPPO(
        CandidatePolicy,
        env,
        learning_rate=Falling(recipe.learning_rate),
        n_steps=recipe.n_steps,
        batch_size=recipe.batch_size,
        n_epochs=recipe.n_epochs,
        gae_lambda=recipe.gae_lambda,
        ent_coef=recipe.entropy_weight,
        target_kl=recipe.target_kl,
        max_grad_norm=_NO_BOUND,
        policy_kwargs={"form": recipe.form},
        seed=recipe.seed,
        device="cpu",
    )


class Falling:
    """A learning rate that falls in a line to a tenth."""

    def __init__(self, first: float) -> None:
        self._first = first

    def __call__(self, left: float) -> float:
        """Return the rate with such a share of the training left."""
        return self._first * (0.1 + 0.9 * left)
