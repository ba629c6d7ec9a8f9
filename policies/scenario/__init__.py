"""Worlds as data: what there is, what will happen, and what is true, drawn by family and seed."""

from policies.scenario.arrival import Arrival, Truth
from policies.scenario.bandwidth import Bandwidth
from policies.scenario.drawing.draw import draw
from policies.scenario.families import families_asked, family, family_names
from policies.scenario.happening import Happening, Kind
from policies.scenario.link import Link
from policies.scenario.luck import Luck, salt
from policies.scenario.model import Model
from policies.scenario.node import Battery, Hosting, Node, Radio, Thermal
from policies.scenario.scenario import Scenario, Split

__all__ = [
    "Arrival",
    "Bandwidth",
    "Battery",
    "Happening",
    "Hosting",
    "Kind",
    "Link",
    "Luck",
    "Model",
    "Node",
    "Radio",
    "Scenario",
    "Split",
    "Thermal",
    "Truth",
    "draw",
    "families_asked",
    "family",
    "family_names",
    "salt",
]
