"""Who hosts what among the nodes that are known: looked up once for each model until somebody hosts something else."""

from __future__ import annotations

from collections.abc import Mapping

from meshd.core.hosts import Host, Hosts
from meshd.core.ids import ArtifactHash, ModelName, NodeId
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.node_view import NodeView, short

_Variant = tuple[DeviceClass, ArtifactHash]
"""Tiers of a model may share an artifact, and differ in what their answers mean."""


class Hosting:
    """The hosts of each model."""

    def __init__(self, own: NodeView, peers: Mapping[NodeId, NodeView]) -> None:
        """``peers`` are those that are known now, also when that changes."""
        self._own = own
        self._peers = peers
        self._hosts: dict[ModelName, Hosts] = {}
        self._partners: dict[ModelName, dict[_Variant, dict[str, Host]]] = {}
        self._kept_inputs = self._found_kept()

    def of(self, model: ModelName) -> Hosts:
        """Return every (node, tier) that announces the model, in several orders."""
        known = self._hosts.get(model)
        if known is None:
            known = Hosts.of(
                (node, hosted)
                for node in (self._own, *self._peers.values())
                for hosted in node.profile.hosted
                if hosted.model == model
            )
            if known.all:  # Whoever asks for models that nobody has must not fill this node's memory.
                self._hosts[model] = known
        return known

    def partners_of(self, own: HostedTier) -> Mapping[str, Host]:
        """Return the peers that host the very same tier and artifact, cut in stages, by what telemetry calls them."""
        model = own.model
        known = self._partners.get(model)
        if known is None:
            known = {}
            for node, hosted in self.of(model).all:
                if node.link is not None and hosted.stages:
                    known.setdefault((hosted.tier, hosted.artifact), {})[short(node.profile.node_id)] = (node, hosted)
            if known:
                self._partners[model] = known
        return known.get((own.tier, own.artifact), {})

    def keeps_input(self, model: ModelName) -> bool:
        """Tell whether a manifest on this node forbids the model's input to leave it, whatever peers announce."""
        return model in self._kept_inputs

    def changed(self) -> None:
        """Look everything up anew."""
        self._hosts.clear()
        self._partners.clear()
        self._kept_inputs = self._found_kept()

    def _found_kept(self) -> frozenset[ModelName]:
        return frozenset(tier.model for tier in self._own.profile.hosted if not tier.raw_input_may_leave)
