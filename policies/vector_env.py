"""Many worlds at once, as stable-baselines3 wants them, without its wrappers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from typing_extensions import override

from policies.crew import Crew, LocalCrew, RemoteCrew, Stepped, joined
from policies.env import N_ROWS, MeshEnv, Rows, Terms
from policies.worlds import Worlds


class VectorEnv(VecEnv):
    """Environments of several crews, side by side.

    ``masks`` is ``bool[environments, rows]`` of now, also as ``env_method("action_masks")``; ``discounts`` is
    ``float32[environments]`` of the last step, which stable-baselines3 has no place for: see SemiMarkovBuffer.
    """

    def __init__(self, crews: Sequence[Crew], like: MeshEnv) -> None:
        super().__init__(sum(crew.n_envs for crew in crews), like.observation_space, like.action_space)
        self._crews = crews
        self._bounds = np.cumsum([crew.n_envs for crew in crews])[:-1]
        self.masks = np.ones((self.num_envs, N_ROWS), dtype=bool)
        self.discounts = np.zeros(self.num_envs, dtype=np.float32)

    @classmethod
    def of(cls, worlds: Worlds, terms: Terms, *, n_envs: int, n_processes: int, seed: int) -> VectorEnv:
        """Return so many environments, dealt out to this process or, where they are to be several, to others."""
        like = MeshEnv(worlds, terms)
        if n_processes == 1:
            return cls([LocalCrew([MeshEnv(worlds, terms) for _ in range(n_envs)], seed)], like)
        shares = [n_envs // n_processes + (place < n_envs % n_processes) for place in range(n_processes)]
        seeds = np.random.SeedSequence(seed).generate_state(n_processes)
        crews = [
            RemoteCrew(worlds, terms, n_envs=share, seed=int(own)) for share, own in zip(shares, seeds, strict=True)
        ]
        return cls(crews, like)

    @override
    def reset(self) -> Rows:
        for crew in self._crews:
            crew.begin(None)
        return self._came().observations

    @override
    def step_async(self, actions: NDArray[np.int64]) -> None:
        for crew, own in zip(self._crews, np.split(actions, self._bounds), strict=True):
            crew.begin(own)

    @override
    def step_wait(self) -> tuple[Rows, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        came = self._came()
        return came.observations, came.rewards, came.dones, came.told

    @override
    def close(self) -> None:
        for crew in self._crews:
            crew.close()

    @override
    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        if method_name != "action_masks":
            raise AttributeError(
                f"environments of a VectorEnv are asked for their action_masks and not for {method_name}"
            )
        return [self.masks[place] for place in self._get_indices(indices)]

    @override
    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        if attr_name == "action_masks":
            return self.env_method(attr_name, indices=indices)
        if attr_name == "render_mode":
            return [None for _ in self._get_indices(indices)]
        raise AttributeError(f"environments of a VectorEnv show no {attr_name}")

    @override
    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise AttributeError(f"{attr_name} of a running environment cannot be set")

    @override
    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        return [False for _ in self._get_indices(indices)]

    def _came(self) -> Stepped:
        came = joined([crew.finish() for crew in self._crews])
        self.masks, self.discounts = came.masks, came.discounts
        return came
