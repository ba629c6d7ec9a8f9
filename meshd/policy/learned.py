"""A policy that a network stands behind: the highest of its logits among what may be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from meshd.core.candidate import Observation
from meshd.core.mesh_view import MeshView
from meshd.errors import PolicyFailed, PolicyUnusable
from meshd.policy.features import Features, features
from meshd.policy.layout import N_CANDIDATE, N_CONTEXT
from meshd.policy.record import EXPORT_AGAIN, read
from model_registry.errors import ModelUnreadable, RunFailed
from model_registry.runtime.onnx_session import OnnxSession

_ROWS = 3
"""Of the decision that a network is tried with."""

_INPUTS = {"candidates": (3, N_CANDIDATE), "context": (2, N_CONTEXT)}
"""Number of axes and length of the last one."""

_TRIALS, _MOST_S = 5, 0.05
"""Tries of which the quickest counts, and what it may take: 500 times what a policy should, whatever else is busy."""


class LearnedPolicy:
    """Chooses by a network; alone it has no guard."""

    is_steady = True

    def __init__(self, path: Path) -> None:
        """Open the policy of a file, ``policy.onnx`` with ``policy.toml`` beside it.

        Raises:
            PolicyUnusable: it is missing, corrupt, or for another version; or nothing here can run it, or it takes or
                gives something else than a policy's network.
        """
        self.record, network = read(path)
        try:
            self._session = OnnxSession(network)
        except ModelUnreadable as error:
            raise PolicyUnusable(f"policy {self.name}: {error.message}", hint=error.hint) from error
        self._try()

    @property
    def name(self) -> str:
        """Return the name in its record."""
        return self.record.name

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return the index of the candidate with the highest logit, or WAIT.

        Raises:
            PolicyFailed: the network says nothing that makes sense.
        """
        return self.decide(features(observation, view, now))

    def decide(self, seen: Features) -> int:
        """Return the same for features that were computed already."""
        logits = self._logits(seen.candidates, seen.context)
        best = logits.argmax()
        if not isfinite(logits[best]):
            raise PolicyFailed(f"policy {self.name} gave a logit of {logits[best]}.")
        return seen.ways[best]

    def _logits(self, candidates: NDArray[np.float32], context: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            outputs: Sequence[object] = self._session.run(
                ["logits"], {"candidates": candidates[None], "context": context[None]}
            )
        except RunFailed as error:
            raise PolicyFailed(f"policy {self.name}: {error.message}") from error
        (given,), form = outputs, (1, len(candidates))
        if not isinstance(given, np.ndarray) or given.dtype != np.float32 or given.shape != form:
            raise PolicyFailed(f"policy {self.name} gives {_told(given)} for {len(candidates)} rows.")
        logits: NDArray[np.float32] = given[0]
        return logits

    def _try(self) -> None:
        """Hold its form against what a policy takes and gives, and run it: whatever fails, fails at the start."""
        forms = {tensor.name: (len(tensor.shape), tensor.shape[-1:]) for tensor in self._session.inputs}
        if forms != {name: (n_axes, (width,)) for name, (n_axes, width) in _INPUTS.items()}:
            message = f"policy {self.name} does not take the features that are computed here."
            raise PolicyUnusable(message, hint=EXPORT_AGAIN)
        try:
            took_s = min(self._trial_s() for _ in range(_TRIALS))
        except PolicyFailed as error:
            raise PolicyUnusable(error.message, hint=EXPORT_AGAIN) from error
        if took_s > _MOST_S:
            message = f"policy {self.name} takes {took_s * 1e3:.0f} ms to choose, in which all else here stands still."
            raise PolicyUnusable(message, hint=EXPORT_AGAIN)

    def _trial_s(self) -> float:
        """Return how long the network takes for a decision of zeros, of which sound weights make numbers."""
        begun_s = perf_counter()
        logits = self._logits(np.zeros((_ROWS, N_CANDIDATE), np.float32), np.zeros(N_CONTEXT, np.float32))
        if not np.isfinite(logits).all():
            raise PolicyFailed(f"policy {self.name} gives no numbers, even for zeros: {logits.tolist()}.")
        return perf_counter() - begun_s


def _told(given: object) -> str:
    """Say what a network gave; not all that one may give are arrays."""
    return f"{given.dtype}{list(given.shape)}" if isinstance(given, np.ndarray) else f"a {type(given).__name__}"
