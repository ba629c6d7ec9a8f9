"""Exhaustive search for the best place to cut a model between a device and a server."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from meshd.core.candidate import Candidate, Observation
from meshd.core.mesh_view import MeshView
from policies.baselines.rungs import least, next_rung


class NeurosurgeonParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the cut is best for."""

    best_for: Literal["latency", "energy"] = "latency"
    """``energy``: of the device that was asked, as in the source."""


class Neurosurgeon:
    """Take the best cut between this node and one other among those that core offers, all here and all there included.

    Source: Neurosurgeon (Kang et al. 2017, ASPLOS), algorithm 1: time is the head here by its prediction, what crosses
    by the bandwidth now, and the tail on the server, its load included; energy is the device's own. There every cut is
    weighed. Here core looks at every cut and offers for each of a few peers the soonest and the one that costs least,
    which need not be the one of the least energy, and only those that gain enough over whole runs
    (:mod:`meshd.core.splitting`, :mod:`meshd.core.gain`). It knows neither items of a batch apart nor cascades: a
    request begins and climbs as under the daemon's rule.
    """

    name = "neurosurgeon"
    is_steady = True

    def __init__(self, parameters: NeurosurgeonParameters) -> None:
        self._best_for = parameters.best_for

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:  # noqa: ARG002
        """Return the index of the best cut."""
        candidates, rung = observation.candidates, next_rung(observation)
        indices = [index for index in rung if _is_cut(candidates[index])] or rung
        return least(indices, [self._objective(candidates[index]) for index in indices])

    def _objective(self, candidate: Candidate) -> float:
        return candidate.prediction.first_s if self._best_for == "latency" else candidate.prediction.own_joules


def _is_cut(candidate: Candidate) -> bool:
    """Tell whether it is a head here and a tail there, or all on one node."""
    return not candidate.shares and len(candidate.legs) <= 2
