"""All baselines by their names, with what may be tuned of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, convert

from meshd.core.policy import LeastExpectedCost, Policy
from policies.baselines.autoscale import AutoScale, AutoScaleMemory, AutoScaleParameters
from policies.baselines.chance import Chance
from policies.baselines.earliest_finish import EarliestFinish
from policies.baselines.least_latency import LeastExpectedLatency
from policies.baselines.linucb import LinUcb, LinUcbMemory, LinUcbParameters
from policies.baselines.neurosurgeon import Neurosurgeon, NeurosurgeonParameters
from policies.baselines.provident import Provident, ProvidentParameters
from policies.baselines.single_node import SingleNode, SingleNodeParameters

Space = Mapping[str, tuple[object, ...]]
"""What is tried for each parameter, beside its default."""


class Baseline(Struct, frozen=True, kw_only=True):
    """One rule that a policy is held against."""

    make: Callable[..., Policy]
    """Of parameters, if there are any, and of what was learned before, if it learns."""
    parameters: type[Any] | None = None
    memory: type[Any] | None = None
    space: Space = {}

    def policy(self, given: Mapping[str, object], memory: object = None) -> Policy:
        """Return a policy for one node; ``msgspec.ValidationError`` for parameters that it does not have."""
        if self.parameters is None:
            return self.make()
        parameters = convert(dict(given), self.parameters)
        return self.make(parameters, memory) if self.memory is not None else self.make(parameters)


BASELINES: Mapping[str, Baseline] = {
    "random": Baseline(make=Chance),
    "best-single-node": Baseline(
        make=SingleNode,
        parameters=SingleNodeParameters,
        space={"where": ("here", "phone", "hub", "upstream")},
    ),
    "least-expected-latency": Baseline(make=LeastExpectedLatency),
    "heft": Baseline(make=EarliestFinish),
    "neurosurgeon": Baseline(
        make=Neurosurgeon, parameters=NeurosurgeonParameters, space={"best_for": ("latency", "energy")}
    ),
    "linucb": Baseline(
        make=LinUcb,
        parameters=LinUcbParameters,
        memory=LinUcbMemory,
        space={"curiosity": (0.0, 0.03, 0.1, 0.3), "forced_every": (0, 25)},
    ),
    "autoscale": Baseline(
        make=AutoScale,
        parameters=AutoScaleParameters,
        memory=AutoScaleMemory,
        space={"curiosity": (0.0, 0.02, 0.1), "learning_rate": (0.03, 0.1, 0.3, 0.9)},
    ),
    "least-expected-cost": Baseline(make=LeastExpectedCost),
    "provident": Baseline(
        make=Provident,
        parameters=ProvidentParameters,
        space={
            "risk_spread": (0.15, 0.3, 0.6),
            "delay_price": (0.5, 2.0, 4.0),
            "load_price": (-0.5, 1.0, 3.0),
            "risk_price": (0.7, 1.5, 2.5),
            "battery_price": (0.3, 1.0, 3.0),
            "climbs": (False,),
            "wait_gain": (0.3, 1.0, 3.0),
        },
    ),
}
SINGLE = "best-single-node"
DEFAULT = "least-expected-cost"
