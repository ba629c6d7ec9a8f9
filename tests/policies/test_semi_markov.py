from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the `train` extra")
pytest.importorskip("sb3_contrib", reason="learning needs the `train` extra")

from gymnasium.spaces import Box, Discrete  # noqa: E402

from policies.semi_markov import SemiMarkovBuffer  # noqa: E402


class Discounts:
    """Stands for an environment: what each step is followed by."""

    discounts = np.zeros(1, dtype=np.float32)


def filled(discounts: list[float], *, gae_lambda: float) -> SemiMarkovBuffer:
    """Rewards of -1, values of 0, -1, -2, ..., one environment."""
    env = Discounts()
    buffer = SemiMarkovBuffer(
        len(discounts), Box(-1.0, 1.0, (2,)), Discrete(2), "cpu", gae_lambda=gae_lambda, n_envs=1, env=env
    )
    for step, discount in enumerate(discounts):
        env.discounts = np.array([discount], dtype=np.float32)
        value, zero = torch.tensor([[-float(step)]]), np.zeros(1)
        buffer.add(np.zeros((1, 2)), np.zeros((1, 1)), np.array([-1.0]), zero, value, torch.zeros(1))
    buffer.compute_returns_and_advantage(torch.tensor([[-5.0]]), np.zeros(1, dtype=bool))
    return buffer


def test_each_step_is_discounted_by_its_own_time() -> None:
    buffer = filled([0.5, 0.25, 1.0], gae_lambda=1.0)
    last = -1.0 + 1.0 * -5.0
    middle = -1.0 + 0.25 * last
    assert buffer.returns.flatten().tolist() == pytest.approx([-1.0 + 0.5 * middle, middle, last])


def test_what_comes_behind_the_end_of_an_episode_counts_nothing() -> None:
    buffer = filled([0.5, 0.0, 1.0], gae_lambda=1.0)
    assert buffer.returns.flatten().tolist() == pytest.approx([-1.5, -1.0, -6.0])


def test_lambda_weighs_what_was_seen_against_what_is_believed() -> None:
    buffer = filled([0.5, 0.25, 1.0], gae_lambda=0.0)
    assert buffer.returns.flatten().tolist() == pytest.approx([-1.0 + 0.5 * -1.0, -1.0 + 0.25 * -2.0, -6.0])
