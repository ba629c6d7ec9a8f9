from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the `train` extra")
pytest.importorskip("sb3_contrib", reason="learning needs the `train` extra")

from meshd.policy.layout import N_CANDIDATE, N_CONTEXT, column  # noqa: E402
from policies.imitation import Lesson, expected_regret, imitate  # noqa: E402
from policies.labels import Labels  # noqa: E402
from policies.network import Form, Scorer  # noqa: E402

N_ROWS = 3
torch.set_num_threads(1)  # So small a network is not worth a second.


def lesson_on(warm: str) -> Labels:
    """Decisions in which the way that has a flag costs a joule less than the rule's, and the third was not tried."""
    chance = np.random.default_rng(1)
    rows = np.zeros((256, N_ROWS, N_CANDIDATE), dtype=np.float32)
    rows[:, :, column("is_allowed")] = 1.0
    rows[:, 0, column("is_rule")] = 1.0
    flagged = chance.integers(2, size=256)
    rows[np.arange(256), flagged, column(warm)] = 1.0
    costs = np.ones((256, N_ROWS), dtype=np.float32)
    costs[np.arange(256), flagged] = 0.0
    costs[:, 2] = np.inf
    seen = np.concatenate((rows.reshape(256, -1), np.zeros((256, N_CONTEXT), dtype=np.float32)), axis=1)
    return Labels(seen=seen, costs=costs, scales=np.ones(256, dtype=np.float32))


def test_it_learns_to_choose_what_would_have_cost_less() -> None:
    torch.manual_seed(1)
    scorer = Scorer(Form(width=16, rule_logit=2.0, cost_weight=1.0, wait_logit=-3.0))
    labels, said = lesson_on("is_warm"), list[str]()
    imitate(scorer, labels, Lesson(n_epochs=20, batch_size=32, learning_rate=1e-2), seed=1, say=said.append)
    tried, regrets = torch.from_numpy(np.isfinite(labels.costs)), torch.from_numpy(labels.costs)
    left, _ = expected_regret(scorer, torch.from_numpy(labels.seen), tried, regrets.nan_to_num(posinf=0.0))
    assert left.item() < 0.05
    assert said[-1].startswith("imitation, epoch 19")
