"""A policy that follows the highest logit of what is allowed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from meshd.core.candidate import Observation
from meshd.core.mesh_view import MeshView
from meshd.policy.features import features

Floats = NDArray[np.float32]
Logits = Callable[[Floats, Floats], Floats]
"""``float32[batch, rows, N_CANDIDATE]`` and ``float32[batch, N_CONTEXT]`` to ``float32[batch, rows]``."""


class ScoredPolicy:
    """Plays what is trained, by the features that a daemon computes; no guard, no correction."""

    is_steady = False

    def __init__(self, name: str, logits_of: Logits) -> None:
        self.name = name
        self._logits_of = logits_of

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return the index of the candidate with the highest logit, or WAIT."""
        seen = features(observation, view, now)
        logits = self._logits_of(seen.candidates[None], seen.context[None])
        return seen.ways[int(logits.argmax())]
