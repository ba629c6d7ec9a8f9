"""The policies of a world's nodes: every node has one of its own, as in a mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Self

from meshd.core.ids import NodeId, RequestId
from meshd.core.policy import Policy
from meshd.policy.adaptation import Adapted
from meshd.policy.experience import Kept
from meshd.policy.guard import Guard
from meshd.policy.learned import LearnedPolicy
from policies.baselines.learner import Learner
from policies.simulator import Choice, Costs, Ended, Simulator

MakePolicy = Callable[[], Policy]


class Minds:
    """The policies of all nodes, each its own; those that learn hear of every end before the next choice."""

    def __init__(self, make: MakePolicy, kept: Mapping[NodeId, Kept] = MappingProxyType({})) -> None:
        """Make a policy for each node; ``kept`` is what those that adapt had learned before."""
        self._make = make
        self._remembered = kept
        self._policies: dict[NodeId, Policy] = {}
        self._learners: list[Learner] = []
        self._adapted: dict[NodeId, Adapted] = {}
        self._n_heard = 0
        self._spent: dict[int, float] = {}

    @property
    def kept(self) -> dict[NodeId, Kept]:
        """Return what each policy that adapts has learned."""
        return {node_id: policy.experience.kept() for node_id, policy in self._adapted.items()}

    def copy(self) -> Self:
        """Return minds that go their own way from here; networks are shared, which remember nothing.

        Not for minds that adapt: what the copy teaches these would be known here.
        """
        shared = (self._remembered, *(one for one in self._policies.values() if isinstance(one, Guard | LearnedPolicy)))
        return deepcopy(self, {id(one): one for one in shared})

    def choose(self, choice: Choice, simulator: Simulator) -> int:
        """Return what the policy of the node that is asked says."""
        if self._learners or self._adapted:
            self.hear(simulator.costs)
        policy = self._policies.get(choice.node_id)
        if policy is None:
            policy = self._policies[choice.node_id] = self._begin(choice.node_id)
        return policy.choose(choice.observation, choice.view, choice.now)

    def _begin(self, node_id: NodeId) -> Policy:
        policy = self._make()
        if isinstance(policy, Adapted):
            self._adapted[node_id] = policy
            if known := self._remembered.get(node_id):
                policy.experience.remember(known, 0.0)
        if isinstance(policy, Learner):
            self._learners.append(policy)
        return policy

    def hear(self, costs: Costs) -> None:
        """Tell learners what requests have cost that have ended since; what their radios' tails take comes later."""
        for entry in costs.since(self._n_heard):
            self._spent[entry.request] = self._spent.get(entry.request, 0.0) + entry.cost
            if isinstance(entry, Ended):
                for learner in self._learners:
                    learner.learn(str(entry.request), self._spent[entry.request])
                if adapted := self._adapted.get(entry.node_id):
                    _teach(adapted, entry)
        self._n_heard = len(costs)


def _teach(adapted: Adapted, ended: Ended) -> None:
    """Tell what a daemon tells: what it knows of a request of its own clients."""
    request_id = RequestId(str(ended.request))
    if ended.is_missed:
        adapted.failed(request_id, ended.code, ended.at_s)
    else:
        adapted.answered(request_id, ended.told_joules, ended.at_s)
