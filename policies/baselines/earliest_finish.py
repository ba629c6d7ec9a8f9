"""List scheduling by the earliest finish time, made to decide request by request."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from msgspec import Struct

from meshd.core.candidate import Candidate, Observation
from meshd.core.ids import NodeId
from meshd.core.mesh_view import MeshView
from policies.baselines.rungs import allowed, least


class EarliestFinish:
    """Give each request to the nodes that finish it first by a book of what this node has given to whom.

    Source: HEFT (Topcuoglu, Hariri and Wu 2002, IEEE TPDS): a task goes to the processor with the earliest finish
    time max(when the processor is free, when its input is there) + its computation. HEFT knows a graph of tasks before
    it begins and orders it by upward rank; requests come one at a time and their stages are a chain, whose upward
    rank is its own order. A node is free when the book says so, or as late as it tells itself. Neither energy nor
    what may follow an answer has a place in it.
    """

    name = "heft"
    is_steady = False

    def __init__(self) -> None:
        self._free_s: dict[NodeId, float] = {}

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:
        """Return the index of the allowed candidate that finishes first, and book it."""
        indices = allowed(observation)
        schedules = [list(self._schedule(observation.candidates[index], now)) for index in indices]
        best = least(indices, [max(slot.until_s for slot in schedule) for schedule in schedules])
        for slot in schedules[indices.index(best)]:
            self._book(slot, view)
        return best

    def _schedule(self, candidate: Candidate, now: float) -> Iterator[_Slot]:
        """Yield when each node works on it; shares at the same time, legs one after the other."""
        prediction = candidate.prediction
        if candidate.shares:
            for share in candidate.shares:
                free_s = max(now + share.transfer_s, self._free_s.get(share.node_id, 0.0))
                yield _Slot(node_id=share.node_id, until_s=free_s + share.seconds - share.transfer_s)
            return
        if not candidate.legs:
            ready_s = now + max(prediction.queue_s, prediction.transfer_s)
            free_s = max(ready_s, self._free_s.get(candidate.node_id, -inf))
            yield _Slot(node_id=candidate.node_id, until_s=free_s + prediction.load_s + prediction.compute_s)
            return
        ready_s = now + prediction.queue_s + prediction.load_s
        for leg in candidate.legs:
            ready_s = max(ready_s + leg.transfer_s, self._free_s.get(leg.node_id, -inf)) + leg.compute_s
            yield _Slot(node_id=leg.node_id, until_s=ready_s)

    def _book(self, slot: _Slot, view: MeshView) -> None:
        """Note until when a node works; one with several slots is free before."""
        node = view.own if slot.node_id == view.own.profile.node_id else view.peer(slot.node_id)
        if node is None or node.profile.slots == 1:
            self._free_s[slot.node_id] = max(slot.until_s, self._free_s.get(slot.node_id, 0.0))


class _Slot(Struct, frozen=True, kw_only=True, gc=False):
    node_id: NodeId
    until_s: float
