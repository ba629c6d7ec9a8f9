"""Discounts by time in stable-baselines3, whose buffer knows one discount for all steps."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.buffers import MaskableRolloutBuffer
from torch import Tensor
from typing_extensions import override


class Discounting(Protocol):
    """Environments that tell the discounts of their last step, ``float32[environments]``."""

    discounts: NDArray[np.float32]


class SemiMarkovBuffer(MaskableRolloutBuffer):
    """Keeps with each step the discount until the next decision, 0 at the end of an episode.

    Advantages are the generalised ones (Schulman et al. 2016) with that discount in place of gamma:
    A = delta + discount * lambda * A', delta = reward + discount * V' - V.
    """

    def __init__(self, *args: Any, env: Discounting, **kwargs: Any) -> None:
        self._env = env
        self.discounts: NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)
        super().__init__(*args, **kwargs)

    @override
    def reset(self) -> None:
        super().reset()
        self.discounts = np.zeros((self.buffer_size, self.n_envs), dtype=np.float32)

    @override
    def add(self, *args: Any, **kwargs: Any) -> None:
        self.discounts[self.pos] = self._env.discounts
        super().add(*args, **kwargs)

    @override
    def compute_returns_and_advantage(self, last_values: Tensor, dones: NDArray[np.bool_]) -> None:
        following = last_values.detach().cpu().numpy().flatten()
        advantage = np.zeros(self.n_envs, dtype=np.float32)
        for step in reversed(range(self.buffer_size)):
            discount = self.discounts[step]
            surprise = self.rewards[step] + discount * following - self.values[step]
            advantage = surprise + discount * self.gae_lambda * advantage
            self.advantages[step] = advantage
            following = self.values[step]
        self.returns = self.advantages + self.values


class SemiMarkovPPO(MaskablePPO):
    """MaskablePPO on a VectorEnv, discounting by its steps' own discounts; ``gamma`` is of no use."""

    @override
    def _setup_model(self) -> None:
        super()._setup_model()
        self.rollout_buffer = SemiMarkovBuffer(
            self.n_steps,
            self.observation_space,
            self.action_space,
            self.device,
            gae_lambda=self.gae_lambda,
            n_envs=self.n_envs,
            env=self.env,
        )
