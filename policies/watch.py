"""What happens beside the learning: telling, comparing, keeping."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from typing_extensions import override

from policies.draft import draft_of
from policies.export import export, promote
from policies.hyperparameters import Hyperparameters
from policies.labels import Labels
from policies.network import CandidatePolicy, Scorer
from policies.rounds import range_of
from policies.validation import Comparison, Validation, mean_gain

_TOLD = ("entropy_loss", "approx_kl", "explained_variance")
"""What stable-baselines3 logs of an update, and a person wants to see."""

Say = Callable[[str], None]


class Watch(BaseCallback):
    """Says how far a training is, compares from time to time, and keeps the best and the last."""

    def __init__(self, folder: Path, recipe: Hyperparameters, validation: Validation, known: Labels, say: Say) -> None:
        """``known`` is what the policy was taught: the record of what is kept tells what that has of each column."""
        super().__init__()
        self._folder = folder
        self._recipe = recipe
        self._validation = validation
        self._seen, self._n_labels = range_of(known), len(known)
        self._say = say
        self._curve = folder / "curve.jsonl"
        self._best = max((line["gain"] for line in self._lines()), default=-np.inf)
        self._began_s, self._n_before = 0.0, 0
        self._n_rollouts = 0

    @override
    def _on_training_start(self) -> None:
        self._began_s, self._n_before = monotonic(), self.model.num_timesteps
        if not self._n_before:
            self._compare()

    @override
    def _on_rollout_start(self) -> None:
        n_done = self.model.num_timesteps // (self._recipe.n_envs * self._recipe.n_steps)
        self.model.policy.hold_actor(held=n_done < self._recipe.n_critic_rollouts)

    @override
    def _on_step(self) -> bool:
        return True

    @override
    def _on_rollout_end(self) -> None:
        self._n_rollouts += 1
        speed = (self.model.num_timesteps - self._n_before) / (monotonic() - self._began_s)
        told = [f"{key} {mean:.3g}" for key, mean in self._means().items()]
        self._say(f"{self.model.num_timesteps} decisions, {speed:.0f}/s: " + ", ".join(told))
        self.logger.record("time/decisions_per_s", speed)
        if self._n_rollouts % self._recipe.validate_every == 0:
            self._compare()

    @override
    def _on_training_end(self) -> None:
        if self._n_rollouts % self._recipe.validate_every:
            self._compare()

    def _means(self) -> dict[str, float]:
        episodes = list(self.model.ep_info_buffer or ())
        means = {"reward a decision": sum(e["r"] for e in episodes) / max(1, sum(e["l"] for e in episodes))}
        logged = self.logger.name_to_value
        return means | {key: logged[f"train/{key}"] for key in _TOLD if f"train/{key}" in logged}

    def _compare(self) -> None:
        policy: CandidatePolicy = self.model.policy
        candidate = self._folder / "candidate.onnx"
        self._export(policy.scorer, candidate)
        compared = self._validation.compare(candidate)
        gain = mean_gain(compared)
        by_family = ", ".join(f"{one.family} {one.gain:+.1%}" for one in compared)
        self._say(f"against the heuristic: {gain:+.2%} ({by_family})")
        self.logger.record("validation/gain", gain)
        if gain > self._best:
            self._best = gain
            self._save("best.zip")
            promote(candidate, self._folder / "best.onnx", gain=round(gain, 4))
        self._keep(compared, gain)  # Now, for what is best by the curve has to be there when it is gone on with.
        self._save("last.zip")

    def _save(self, name: str) -> None:
        """Save what can be trained on, whole or not at all: there may be hours behind it."""
        with draft_of(self._folder / name) as draft:
            self.model.save(draft)

    def _keep(self, compared: list[Comparison], gain: float) -> None:
        line = {"decisions": self.model.num_timesteps, "gain": gain, "families": {c.family: c.gain for c in compared}}
        # What is behind the checkpoint that was gone on with is played again.
        lines = [before for before in self._lines() if before["decisions"] < line["decisions"]] + [line]
        with draft_of(self._curve) as draft:
            draft.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")

    def _export(self, scorer: Scorer, path: Path) -> None:
        made_of = {"seed": self._recipe.seed, "labels": self._n_labels, "decisions": self.model.num_timesteps}
        export(scorer, path, name=f"learned-{self._recipe.seed}", seen=self._seen, training=made_of)

    def _lines(self) -> list[dict[str, Any]]:
        if not self._curve.exists():
            return []
        return [json.loads(line) for line in self._curve.read_text(encoding="utf-8").splitlines()]
