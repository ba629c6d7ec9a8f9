"""Environments that step together, in this process or in one of their own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from policies.env import MeshEnv, Rows, Terms
from policies.worlds import Worlds


class Stepped(Struct, frozen=True, kw_only=True):
    """What came of one step of several environments, each along the first axis."""

    observations: Rows
    """``float32[environments, rows, columns]``; of a new episode where the last is over."""
    masks: NDArray[np.bool_]
    """``bool[environments, rows]``"""
    rewards: NDArray[np.float32]
    discounts: NDArray[np.float32]
    dones: NDArray[np.bool_]
    told: list[dict[str, Any]]


class Crew(Protocol):
    """Environments that step together."""

    @property
    def n_envs(self) -> int:
        """Return how many they are."""
        ...

    def begin(self, actions: NDArray[np.int64] | None) -> None:
        """Begin a step of each; begin episodes where there are no actions."""
        ...

    def finish(self) -> Stepped:
        """Return what came of it."""
        ...

    def close(self) -> None:
        """End them."""
        ...


class LocalCrew:
    """Environments in this process, one after the other."""

    def __init__(self, envs: Sequence[MeshEnv], seed: int) -> None:
        self._envs = envs
        self._seeds = [int(one) for one in np.random.SeedSequence(seed).generate_state(len(envs))]
        self._actions: NDArray[np.int64] | None = None
        self._rewards = [0.0] * len(envs)
        self._steps = [0] * len(envs)

    @property
    def n_envs(self) -> int:
        """Return how many they are."""
        return len(self._envs)

    def begin(self, actions: NDArray[np.int64] | None) -> None:
        """Note what to do; a process has one thing to do at a time."""
        self._actions = actions

    def finish(self) -> Stepped:
        """Do it."""
        actions = self._actions
        if actions is None:
            return joined([self._reset(place) for place in range(self.n_envs)])
        return joined([self._step(place, actions[place]) for place in range(self.n_envs)])

    def close(self) -> None:
        """End them."""
        for env in self._envs:
            env.close()

    def _reset(self, place: int) -> Stepped:
        rows, told = self._envs[place].reset(seed=self._seeds[place])
        self._rewards[place], self._steps[place] = 0.0, 0
        return self._of_one(place, rows, 0.0, 0.0, told)

    def _step(self, place: int, action: np.int64) -> Stepped:
        env = self._envs[place]
        rows, reward, done, _, told = env.step(action)
        discount = told["discount"]
        self._rewards[place] += reward
        self._steps[place] += 1
        if done:
            told |= {"terminal_observation": rows, "episode": self._episode(place)}
            rows, _ = env.reset()
        return self._of_one(place, rows, reward, discount, told, done=done)

    def _of_one(
        self, place: int, rows: Rows, reward: float, discount: float, told: dict[str, Any], *, done: bool = False
    ) -> Stepped:
        return Stepped(
            observations=rows[None],
            masks=self._envs[place].action_masks()[None],
            rewards=np.array([reward], dtype=np.float32),
            discounts=np.array([discount], dtype=np.float32),
            dones=np.array([done]),
            told=[told],
        )

    def _episode(self, place: int) -> dict[str, float]:
        """Return what stable-baselines3 asks of an episode: the rewards' sum, the steps, the time."""
        told = {"r": self._rewards[place], "l": self._steps[place], "t": self._envs[place].simulator.now}
        self._rewards[place], self._steps[place] = 0.0, 0
        return told


class RemoteCrew:
    """Environments in a process of their own."""

    def __init__(self, worlds: Worlds, terms: Terms, *, n_envs: int, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._n_envs = n_envs
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, worlds, terms, n_envs, seed), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def n_envs(self) -> int:
        """Return how many they are."""
        return self._n_envs

    def begin(self, actions: NDArray[np.int64] | None) -> None:
        """Let it step."""
        self._pipe.send(actions)

    def finish(self) -> Stepped:
        """Wait for what came of it."""
        came: Stepped = self._pipe.recv()
        return came

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()
        self._process.close()


def joined(parts: Sequence[Stepped]) -> Stepped:
    """Return the steps of several environments or crews as one."""
    return Stepped(
        observations=np.concatenate([part.observations for part in parts]),
        masks=np.concatenate([part.masks for part in parts]),
        rewards=np.concatenate([part.rewards for part in parts]),
        discounts=np.concatenate([part.discounts for part in parts]),
        dones=np.concatenate([part.dones for part in parts]),
        told=[told for part in parts for told in part.told],
    )


def _serve(pipe: Connection, worlds: Worlds, terms: Terms, n_envs: int, seed: int) -> None:
    """Step until the other side is gone."""
    crew = LocalCrew([MeshEnv(worlds, terms) for _ in range(n_envs)], seed)
    with pipe:
        while True:
            try:
                crew.begin(pipe.recv())
                pipe.send(crew.finish())
            except (EOFError, BrokenPipeError, KeyboardInterrupt):
                return
