"""Run everything of one model on one node: what people do who have no scheduler."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from meshd.core.candidate import Candidate, Observation
from meshd.core.ids import NodeId
from meshd.core.mesh_view import MeshView
from meshd.core.node import DeviceClass
from policies.baselines.rungs import is_whole, least, next_rung


class SingleNodeParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where, for all requests of a family of worlds."""

    where: Literal["here", "watch", "phone", "hub", "upstream"] = "hub"
    """``here``: on the node that was asked; a class: on the node of that class that looks best at first."""


class SingleNode:
    """Send each model's requests to one node, and never ask whether it is still the best.

    Where that node may not be used, they run here; where that may not be either, where it is cheapest. On the node
    it takes the cheapest tier, and a cascade climbs as under the daemon's own rule.
    """

    name = "best-single-node"
    is_steady = False

    def __init__(self, parameters: SingleNodeParameters) -> None:
        self._where = parameters.where
        self._homes: dict[str, NodeId] = {}

    def choose(self, observation: Observation, view: MeshView, now: float) -> int:  # noqa: ARG002
        """Return the index of the cheapest allowed candidate on the one node."""
        candidates = observation.candidates
        indices = [index for index in next_rung(observation) if is_whole(candidates[index])] or next_rung(observation)
        home = self._home(observation, indices, view)
        there = [index for index in indices if candidates[index].node_id == home]
        here = [index for index in indices if candidates[index].here]
        return _cheapest(there or here or indices, candidates)

    def _home(self, observation: Observation, indices: list[int], view: MeshView) -> NodeId:
        """Return where a model's requests go: the best place of the class when one of it is first to be had."""
        own = view.own.profile.node_id
        model = observation.candidates[indices[0]].tier.model
        if self._where == "here" or model in self._homes:
            return self._homes.get(model, own)
        there = [index for index in indices if self._is_of_class(observation.candidates[index], view)]
        if not there:
            return own
        home = observation.candidates[_cheapest(there, observation.candidates)].node_id
        self._homes[model] = home
        return home

    def _is_of_class(self, candidate: Candidate, view: MeshView) -> bool:
        node = view.own if candidate.here else view.peer(candidate.node_id)
        return node is not None and node.profile.device_class is DeviceClass(self._where)


def _cheapest(indices: list[int], candidates: tuple[Candidate, ...]) -> int:
    return least(indices, [candidates[index].prediction.cost for index in indices])
