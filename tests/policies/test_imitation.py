from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the `train` extra")
pytest.importorskip("sb3_contrib", reason="learning needs the `train` extra")

from meshd.policy.layout import N_CANDIDATE, N_CONTEXT, column  # noqa: E402
from policies.imitation import Lesson, expected_regret, imitate  # noqa: E402
from policies.labels import Labels  # noqa: E402
from policies.network import Form, Scorer, parts  # noqa: E402

N_ROWS = 3
torch.set_num_threads(1)  # So small a network is not worth a second.


def lesson_on(flag: str) -> Labels:
    """Decisions in which the way that has a flag costs a joule less than the other, and the third was not tried."""
    chance = np.random.default_rng(1)
    rows = np.zeros((256, N_ROWS, N_CANDIDATE), dtype=np.float32)
    rows[:, :, column("is_allowed")] = 1.0
    rows[:, 0, column("is_rule")] = 1.0
    flagged = chance.integers(2, size=256)
    rows[np.arange(256), flagged, column(flag)] = 1.0
    costs = np.ones((256, N_ROWS), dtype=np.float32)
    costs[np.arange(256), flagged] = 0.0
    costs[:, 2] = np.inf
    seen = np.concatenate((rows.reshape(256, -1), np.zeros((256, N_CONTEXT), dtype=np.float32)), axis=1)
    return Labels(seen=seen, costs=costs, scales=np.ones(256, dtype=np.float32))


def test_it_learns_what_ways_cost_beside_each_other_and_to_choose_by_that() -> None:
    torch.manual_seed(1)
    scorer = Scorer(Form(n_members=2, width=16, temperature_joules=0.02, wait_joules=0.1))
    labels, said = lesson_on("is_warm"), list[str]()
    imitate(scorer, labels, Lesson(n_epochs=20, batch_size=32, learning_rate=1e-2), seed=1, say=said.append)
    seen, true = (torch.from_numpy(array) for array in (labels.seen, labels.costs))
    with torch.no_grad():
        found = scorer.costs(*parts(seen)).mean(dim=0)
        regret = expected_regret(scorer(*parts(seen)), true.nan_to_num(posinf=0.0), true.isfinite())
    assert found[:, 1] - found[:, 0] == pytest.approx(labels.costs[:, 1] - labels.costs[:, 0], abs=0.2)
    assert regret.mean().item() < 0.01
    assert said[-1].startswith("imitation, epoch 19")


def test_expected_is_the_regret_of_what_was_tried_alone() -> None:
    logits, costs = torch.zeros(1, 3), torch.tensor([[0.0, 2.0, 9.0]])
    found = expected_regret(logits, costs, torch.tensor([[True, True, False]]))
    assert found.item() == pytest.approx(np.mean([0.0, 2.0]))
