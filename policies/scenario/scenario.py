"""One world for one episode: everything that chance decides, drawn before anybody decides anything.

Whoever holds a scenario knows the future of it; a policy is shown none of it, a planner that sees the future all. Times
are seconds since the scenario began.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from meshd.core.ids import ModelName, NodeId
from meshd.core.settings import Settings
from policies.scenario.arrival import Arrival
from policies.scenario.happening import Happening
from policies.scenario.link import Link
from policies.scenario.luck import Luck
from policies.scenario.model import Model
from policies.scenario.node import Node


class Split(StrEnum):
    """What a world may be used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    """To choose among what was trained, and to tune baselines."""
    TEST = "test"


class Scenario(Struct, frozen=True, kw_only=True):
    """One world."""

    name: str
    """The family's and the seed, for people."""
    family: str
    split: Split
    seed: int
    horizon_s: float
    """Nothing arrives in [horizon_s, inf); what is alive then runs to its end."""
    models: tuple[Model, ...]
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    """Each direction of each pair that may meet."""
    arrivals: tuple[Arrival, ...]
    """The earliest first."""
    happenings: tuple[Happening, ...]
    """The earliest first."""
    settings: Settings
    """Of every node's scheduler: the prices that costs, and the reward, are computed with."""
    missed_anomaly_joules: float
    """What an anomaly costs that was answered as normal by a tier while a larger one would have called it."""
    radio_joules_per_byte: float
    """Drawn for this world from the published range; it stands in every node's power model already."""
    luck: Luck
    """For what chance decides during the episode: a run's seconds, a message's delay."""

    def node(self, node_id: NodeId) -> Node:
        """Return the node of this id; KeyError if there is none."""
        return {node.node_id: node for node in self.nodes}[node_id]

    def model(self, name: ModelName) -> Model:
        """Return the model of this name; KeyError if there is none."""
        return {model.name: model for model in self.models}[name]
