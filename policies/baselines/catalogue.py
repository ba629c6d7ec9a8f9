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

    about: str
    """What it does, for who reads results."""
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
    "random": Baseline(
        about="Any of what is allowed, by chance.",
        make=Chance,
    ),
    "best-single-node": Baseline(
        about="Always one and the same node, the best one for the family.",
        make=SingleNode,
        parameters=SingleNodeParameters,
        space={"where": ("here", "phone", "hub", "upstream")},
    ),
    "least-expected-latency": Baseline(
        about="The soonest by the predictions; joules do not count.", make=LeastExpectedLatency
    ),
    "heft": Baseline(
        about="To whom is done first by a book of what was given to whom (after HEFT, Topcuoglu et al. 2002).",
        make=EarliestFinish,
    ),
    "neurosurgeon": Baseline(
        about="The best place to cut a model between two devices, by time or by joules (Kang et al. 2017).",
        make=Neurosurgeon,
        parameters=NeurosurgeonParameters,
        space={"best_for": ("latency", "energy")},
    ),
    "linucb": Baseline(
        about="A linear bandit that learns costs while it serves (Autodidactic Neurosurgeon, Zhang et al. 2021).",
        make=LinUcb,
        parameters=LinUcbParameters,
        memory=LinUcbMemory,
        space={
            "remembers": (False,),
            "ridge": (1.0, 100.0, 1000.0),
            "curiosity": (0.0, 0.3, 1.0, 3.0, 10.0),
            "forced_every": (25,),
        },
    ),
    "autoscale": Baseline(
        about="A table of Q-values over the states of device and network (AutoScale, Kim and Wu 2020).",
        make=AutoScale,
        parameters=AutoScaleParameters,
        memory=AutoScaleMemory,
        space={
            "remembers": (False,),
            "trusts_predictions": (True,),
            "curiosity": (0.0, 0.02, 0.1),
            "learning_rate": (0.01, 0.03, 0.3, 0.9),
        },
    ),
    "least-expected-cost": Baseline(
        about="The rule of the daemon: the cheapest by the predictions, one tier at a time.", make=LeastExpectedCost
    ),
    "provident": Baseline(
        about="The same with patience, soft risks of a miss, and a price on charge: the strongest rule known here.",
        make=Provident,
        parameters=ProvidentParameters,
        space={
            "wait_above_joules": (0.03, 0.1, 0.3, 1.0),
            "wait_gain": (1.0, 10.0, 30.0, 100.0),
            "battery_price": (0.3, 1.0, 3.0, 10.0),
            "risk_spread": (0.15, 0.3, 0.6, 1.2),
            "risk_price": (0.4, 0.7, 1.5, 2.5, 4.0),
            "delay_price": (0.5, 2.0, 4.0, 8.0),
            "load_price": (-0.5, 1.0, 3.0, 6.0),
            "climbs": (False,),
        },
    ),
}
SINGLE = "best-single-node"
DEFAULT = "least-expected-cost"
