"""What this node has lately done, and what came of it: a policy is to tell a way that has just failed from others.

Predictions hold what can be measured of a way. That it came to nothing a moment ago, that a model was loaded for one
request and pushed out for the next, or that a model is asked for in bursts, is in none of them.

Rule of this file: only what this node decides, and what it hears of that, is counted, and never a heartbeat. So it is
the same in a daemon and in a simulated world, which computes what heartbeats say only once somebody asks.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct, field

from meshd.core.ids import ModelName, NodeId
from meshd.core.recent import Recent

_MOST = 256
"""Nodes and models that are kept: more than a home has. Clients may name any model, and must not fill memory."""

_BURST_S = 10.0
"""A burst lasts for seconds; a tenth of it counts after half a minute."""

_TROUBLE_S = 30.0
"""What keeps requests here from being answered, a crowd or a link that is gone, is over or known after that."""

_USE_S = 60.0
"""What is asked for once a minute is worth its place in memory; what was not for some minutes is not."""

_DISTRUST_S = 120.0
"""Who failed is tried again within minutes, as a link in doubt is."""

_Name = TypeVar("_Name")
_Counted = TypeVar("_Counted")


def _recent(fades_in_s: float) -> Recent:
    return field(default_factory=lambda: Recent(fades_in_s=fades_in_s))


class Dealings(Struct, kw_only=True, gc=False):
    """What this node had to do with one node, or did itself."""

    sent: Recent = _recent(_BURST_S)
    """Requests, or parts of one, that were begun there."""
    loads: Recent = _recent(_USE_S)
    """Whole models that were cold when they were chosen there, or were loaded in the background."""
    failed: Recent = _recent(_DISTRUST_S)
    """What was begun there and came to nothing: it failed or was refused, the node was lost or pushed it out of its
    queue, patience with it ended, or the time of its request."""

    def lately(self, now: float) -> tuple[float, float, float]:
        """Return the counts as they are now, in this order."""
        return self.sent.at(now), self.loads.at(now), self.failed.at(now)


class History(Struct, kw_only=True):
    """Counts that fade, of one node."""

    arrivals: Recent = _recent(_BURST_S)
    """Requests that were let in here."""
    missed: Recent = _recent(_TROUBLE_S)
    """Those that ended unanswered: too late, or because no way was left. What the asker withdrew is not among them."""
    models: dict[ModelName, Recent] = {}
    """Those that were let in, by model."""
    nodes: dict[NodeId, Dealings] = {}
    """This one included."""

    def arrived(self, model: ModelName, now: float) -> None:
        """Take in that a request was let in."""
        self.arrivals.happened(now)
        known = self.models.get(model)
        if known is None:
            known = _begun(self.models, model, Recent(fades_in_s=_USE_S))
        known.happened(now)

    def of_model(self, model: ModelName, now: float) -> float:
        """Return how often a model was asked for lately."""
        known = self.models.get(model)
        return known.at(now) if known is not None else 0.0

    def with_node(self, node_id: NodeId) -> Dealings:
        """Return what is counted of a node, to count more."""
        known = self.nodes.get(node_id)
        return known if known is not None else _begun(self.nodes, node_id, Dealings())

    def of_node(self, node_id: NodeId, now: float) -> tuple[float, float, float]:
        """Return :meth:`Dealings.lately` of a node."""
        known = self.nodes.get(node_id)
        return known.lately(now) if known is not None else (0.0, 0.0, 0.0)


def _begun(table: dict[_Name, _Counted], name: _Name, nothing: _Counted) -> _Counted:
    """Begin to count for one; of too many, what was begun first is let go."""
    if len(table) >= _MOST:
        del table[next(iter(table))]
    table[name] = nothing
    return nothing
