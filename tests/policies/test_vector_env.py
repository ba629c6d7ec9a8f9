from __future__ import annotations

from multiprocessing.resource_tracker import ensure_running
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="the environment needs the `train` extra")
pytest.importorskip("stable_baselines3", reason="its vectors need the `train` extra")

from policies.crew import LocalCrew
from policies.env import MeshEnv, Rows, Terms
from policies.vector_env import VectorEnv
from tests.policies.small_worlds import COMMUTING

TERMS = Terms()


def vector(*, n_envs: int = 2, n_processes: int = 1) -> VectorEnv:
    return VectorEnv.of(COMMUTING, TERMS, n_envs=n_envs, n_processes=n_processes, seed=3)


def play(env: VectorEnv, n_steps: int) -> list[tuple[Rows, Rows, Rows]]:
    """The first that is allowed, each time."""
    played = []
    env.reset()
    for _ in range(n_steps):
        observations, rewards, _, _ = env.step(env.masks.argmax(axis=1))
        played.append((observations, rewards, env.discounts))
    env.close()
    return played


def test_masks_are_those_of_the_environments() -> None:
    envs = [MeshEnv(COMMUTING, TERMS) for _ in range(2)]
    vector = VectorEnv([LocalCrew(envs, 3)], envs[0])
    vector.reset()
    assert vector.has_attr("action_masks")
    for env, mask in zip(envs, vector.env_method("action_masks"), strict=True):
        assert np.array_equal(env.action_masks(), mask)


def test_an_episode_that_ends_gives_way_to_the_next_and_tells_of_itself() -> None:
    env = vector(n_envs=1)
    env.reset()
    rewards: list[float] = []
    told: dict[str, Any] = {}
    while "episode" not in told:
        _, reward, _, (told,) = env.step(env.masks.argmax(axis=1))
        rewards.append(float(reward[0]))
    assert told["episode"]["r"] == pytest.approx(sum(rewards), rel=1e-4)
    assert told["episode"]["l"] == len(rewards)
    assert not told["terminal_observation"].any()
    assert env.discounts[0] == 0.0
    assert env.masks[0].any()


@pytest.fixture(scope="module")
def _tracker() -> None:
    """Begin what Python's multiprocessing keeps beside the first process that it spawns, until the end."""
    ensure_running()


@pytest.mark.slow
@pytest.mark.usefixtures("_tracker")
def test_processes_of_their_own_play_the_same_each_time() -> None:
    first, second = (play(vector(n_envs=3, n_processes=2), 5) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert first[0][0].shape[0] == 3
