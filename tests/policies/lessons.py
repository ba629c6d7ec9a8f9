"""Labels from which something simple is to be learned."""

from __future__ import annotations

import numpy as np

from meshd.policy.layout import N_CANDIDATE, N_CONTEXT, column
from policies.labels import Labels

N_ROWS = 3


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
