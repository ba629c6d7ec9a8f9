"""Be as quick as possible, whatever it takes."""

from __future__ import annotations

from meshd.core.candidate import Observation
from meshd.core.mesh_view import MeshView
from policies.baselines.rungs import allowed, least


class LeastExpectedLatency:
    """Take the candidate whose final answer is expected soonest, queues, loading and escalations included.

    Source: the usual greedy rule of offloading, as in MAUI (Cuervo et al. 2010, MobiSys) with energy left out.
    """

    name = "least-expected-latency"
    is_steady = True

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:  # noqa: ARG002
        """Return the index of the quickest allowed candidate."""
        indices = allowed(observation)
        return least(indices, [observation.candidates[index].prediction.total_s for index in indices])
