"""A linear bandit over the ways to run a request."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from meshd.core.candidate import Candidate, Observation
from meshd.core.mesh_view import MeshView
from policies.baselines.learner import root_of
from policies.baselines.rungs import next_rung

Vector = NDArray[np.float64]

_MOST_OPEN = 4096
"""Decisions whose ends are waited for; the oldest is forgotten first."""


class LinUcbParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How curious it is, and how fast it forgets."""

    curiosity: float = 0.05
    """How many deviations of its own doubt a candidate is thought better than expected."""
    forced_every: int = 0
    """Each so many-th decision goes to a peer if one may be had, so that links are not forgotten; 0: none does."""
    ridge: float = 10.0
    """How many observations the prices that it begins with count for."""
    knows_cost: bool = True
    """Whether the predicted cost is what it begins with; else it begins with nothing, as in the source."""
    remembers: bool = True
    """Whether it goes on from what it learned on training worlds."""


class LinUcbMemory(Struct, kw_only=True):
    """What was learned before: the inverse of the weighted features, and features times costs."""

    inverse: list[list[float]]
    moment: list[float]


class LinUcb:
    """Expect a cost that is linear in a candidate's features, and take the least of its optimistic bounds.

    Source: Autodidactic Neurosurgeon (Zhang et al. 2021, WWW): a linear model of what nobody can know beforehand, fed
    by what came of its own choices, with forced samples of the far side so that it does not settle at home. The cost of
    a request stands for the source's delay, as every rule is measured by it. A node learns from the requests that it
    decided, on top of what was learned on training worlds.
    """

    name = "linucb"
    is_steady = False

    def __init__(self, parameters: LinUcbParameters, memory: LinUcbMemory | None = None) -> None:
        self._parameters = parameters
        begun = _PRICES if parameters.knows_cost else np.zeros(len(_PRICES))
        self._inverse: Vector = np.eye(len(_PRICES)) / parameters.ridge
        self._moment: Vector = parameters.ridge * begun
        if memory is not None and parameters.remembers:
            self._inverse, self._moment = np.array(memory.inverse), np.array(memory.moment)
        self._open: dict[str, list[Vector]] = {}
        self._n_chosen = 0

    @property
    def memory(self) -> LinUcbMemory:
        """Return what it has learned, to be kept."""
        return LinUcbMemory(inverse=self._inverse.tolist(), moment=self._moment.tolist())

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return the index of the candidate with the least optimistic cost."""
        indices, candidates = next_rung(observation), observation.candidates
        self._n_chosen += 1
        every = self._parameters.forced_every
        if every and self._n_chosen % every == 0:
            indices = [index for index in indices if not candidates[index].here] or indices
        rows = np.array([_features(candidates[index], view, now) for index in indices])
        doubts = np.sqrt(np.einsum("ij,jk,ik->i", rows, self._inverse, rows))
        bounds = rows @ (self._inverse @ self._moment) - self._parameters.curiosity * doubts
        best = int(np.argmin(bounds))
        self._remember(root_of(observation.request_id), rows[best])
        return indices[best]

    def learn(self, request: str, cost: float) -> None:
        """Take in what a request has cost: the first choice meets all of it, what follows is in its features."""
        rows = self._open.pop(request, None)
        if rows is None:
            return
        row = rows[0]
        gain = self._inverse @ row
        self._inverse -= np.outer(gain, gain) / (1.0 + float(row @ gain))  # Sherman and Morrison 1950.
        self._moment += cost * row

    def _remember(self, request: str, row: Vector) -> None:
        self._open.setdefault(request, []).append(row)
        if len(self._open) > _MOST_OPEN:
            del self._open[next(iter(self._open))]


def _features(candidate: Candidate, view: MeshView, now: float) -> Sequence[float]:
    """Return what a candidate looks like; roots keep rare large values from ruling the fit."""
    prediction = candidate.prediction
    return (
        prediction.cost,
        1.0,
        float(candidate.here),
        float(candidate.is_split),
        sqrt(prediction.queue_s),
        sqrt(prediction.load_s),
        sqrt(prediction.compute_s),
        sqrt(prediction.transfer_s),
        sqrt(prediction.escalation_s),
        prediction.miss_probability,
        prediction.own_joules,
        float(not candidate.here and bool(view.radio.wakes(now))),
    )


_PRICES: Vector = np.array([1.0] + [0.0] * 11)
"""What it begins with: the predicted cost is the cost."""
