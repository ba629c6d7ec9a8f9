"""A decision that a world waits for."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.candidate import Observation
from meshd.core.ids import NodeId
from meshd.core.mesh_view import MeshView


class Choice(Struct, frozen=True):
    """What a policy is asked on one node: the arguments of :meth:`meshd.core.policy.Policy.choose`, and by whom."""

    node_id: NodeId
    observation: Observation
    view: MeshView
    """The very view that the decision was made from; it lives on once the simulator goes on. To look at only."""
    now: float
    """Seconds since the scenario began; every scheduler's clock shows the same."""
