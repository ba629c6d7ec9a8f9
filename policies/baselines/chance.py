"""Choose at random: what a policy is worth that knows nothing."""

from __future__ import annotations

from hashlib import blake2b

from meshd.core.candidate import Observation
from meshd.core.mesh_view import MeshView
from policies.baselines.rungs import allowed


class Chance:
    """Take any allowed candidate, each as likely as the others; the same request meets the same luck."""

    name = "random"
    is_steady = False

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:  # noqa: ARG002
        """Return the index of an allowed candidate."""
        indices = allowed(observation)
        asked = f"{view.own.profile.node_id} {observation.request_id} {observation.decision}"
        drawn = int.from_bytes(blake2b(asked.encode(), digest_size=8).digest(), "big")
        return indices[drawn % len(indices)]
