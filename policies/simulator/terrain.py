"""A scenario as a simulator looks things up in it: found once, and shared by a simulator and all its copies."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.ids import ArtifactHash, NodeId, RequestId
from meshd.core.node import DeviceClass, HostedTier
from policies.scenario import Bandwidth, Hosting, Link, Luck, Model, Node, Scenario, Truth, salt

_PHASES = 1024
"""Nodes beat at different moments of a second, each a power of two of it, so that sums of them have no error."""


class Way(Struct, frozen=True, kw_only=True, gc=False):
    """One direction between two nodes."""

    delay_s: float
    rtt_s: float
    """Of both directions together, idle."""
    bandwidth: Bandwidth
    jitter: float
    salt: int
    may_be_lost: bool


class Terrain:
    """Nodes by their place in the scenario, ways between them, and what is true of every tier and arrival."""

    def __init__(self, scenario: Scenario) -> None:
        """Look a scenario through.

        Raises:
            ValueError: a model takes more memory than its node has.
        """
        self.scenario = scenario
        self.settings = replace(
            scenario.settings,
            max_explained=1,
            max_nodes=max(scenario.settings.max_nodes, len(scenario.nodes)),
            probe_links=False,
        )
        self.links_are_probed = scenario.settings.probe_links
        self.luck: Luck = scenario.luck
        self.nodes: tuple[Node, ...] = scenario.nodes
        self.places: dict[NodeId, int] = {node.node_id: place for place, node in enumerate(scenario.nodes)}
        self.salts = tuple(salt(node.node_id) for node in scenario.nodes)
        self.ways: dict[tuple[int, int], Way] = self._ways()
        self.neighbours = tuple(
            tuple(other for other in range(len(self.nodes)) if (place, other) in self.ways)
            for place in range(len(self.nodes))
        )
        self._models: dict[str, Model] = {model.name: model for model in scenario.models}
        self._hostings = tuple(_hostings(node) for node in scenario.nodes)

    def model(self, name: str) -> Model:
        """Return what a model's answers mean."""
        return self._models[name]

    def hosting(self, place: int, tier: HostedTier) -> Hosting:
        """Return what is true of a tier on a node."""
        return self._hostings[place][tier.artifact, tier.tier]

    def truth(self, number: int) -> Truth:
        """Return what every tier would say of an arrival."""
        return self.scenario.arrivals[number].truth

    def phase_s(self, place: int) -> float:
        """Return how long after its start a node beats first."""
        phase = int(self.luck.uniform(self.salts[place], salt("phase")) * _PHASES)
        return self.settings.heartbeat_interval_s * phase / _PHASES

    def _ways(self) -> dict[tuple[int, int], Way]:
        links = {(link.sender, link.receiver): link for link in self.scenario.links}
        return {
            (self.places[sender], self.places[receiver]): _way(link, links[receiver, sender])
            for (sender, receiver), link in links.items()
        }


def number_of(request_id: RequestId) -> int:
    """Return which arrival a request is, or is a part of."""
    return int(request_id.partition("/")[0])


def _way(link: Link, back: Link) -> Way:
    return Way(
        delay_s=link.delay_s,
        rtt_s=link.delay_s + back.delay_s,
        bandwidth=link.bandwidth,
        jitter=link.jitter,
        salt=salt(f"{link.sender} {link.receiver}"),
        may_be_lost=min(link.bandwidth.rates_bps) <= 0.0,
    )


def _hostings(node: Node) -> dict[tuple[ArtifactHash, DeviceClass], Hosting]:
    for hosting in node.hosted:
        if hosting.memory_bytes > node.memory_bytes:
            raise ValueError(f"{hosting.announced.variant} does not fit into the memory of {node.profile.name}")
    return {(hosting.announced.artifact, hosting.announced.tier): hosting for hosting in node.hosted}
