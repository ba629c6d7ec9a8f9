"""What single requests would have cost themselves, had each of them alone gone the way of the best single node.

A world that the single node serves alone is another world: other queues, other models in memory, other radios awake.
Request by request two such worlds differ by far more than by who decided better: 7 % of requests are dearer under the
rule, and as many under a policy that gains on it. So the question is asked of one request at a time. Where one is about
to go another way than the single node's rule would have it, the running world is copied. In the copy this request, with
whatever is decided of it later and elsewhere, goes by that rule; everybody else goes on by the policy, with the same
luck. Both worlds are the same up to there, so that what the request costs itself in either differs by how it was led
and by nothing else: joules of all nodes, its client's time, a miss, a hidden anomaly. What others pay for it is not in
there; that is in the reward.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from policies.evaluation.minds import Minds
from policies.simulator import Choice, Costs, Simulator
from policies.simulator.terrain import number_of


class Pair(NamedTuple):
    """What one request has cost itself, and would have by the single node's rule, joules."""

    own: float
    single: float


class Counterfactual:
    """Looks at some requests of one world while a policy plays it."""

    def __init__(self, single: Minds, requests: Collection[int]) -> None:
        """``single``: the rule that requests would go by; ``requests``: the numbers of those that are looked at."""
        self._single = single
        self._requests = frozenset(requests)
        self._single_costs: dict[int, float] = {}
        """Of requests that have gone another way."""

    def look(self, simulator: Simulator, choice: Choice, index: int, minds: Minds) -> None:
        """Take in what is about to be chosen; the simulator and the minds stay as they are."""
        singles_own = self._single.choose(choice, simulator)
        request = number_of(choice.observation.request_id)
        if request not in self._requests or request in self._single_costs or singles_own == index:
            return
        copied = simulator.copy()
        _lead(copied, request, self._single.copy(), minds.copy())
        self._single_costs[request] = _spent(copied.costs, request)

    def pairs(self, costs: Costs) -> tuple[Pair, ...]:
        """Return both costs of each request that has ended by now; those that never went another way cost the same."""
        own = costs.by_request()
        ended = (entry.request for entry in costs.ends if entry.request in self._requests)
        return tuple(Pair(own[request], self._single_costs.get(request, own[request])) for request in ended)


def _lead(copied: Simulator, request: int, single: Minds, others: Minds) -> None:
    """Let one request go by the single node's rule until all of its charges are in."""
    while (choice := copied.next_choice()) is not None and not copied.is_done_with(request):
        is_its_own = number_of(choice.observation.request_id) == request
        copied.choose((single if is_its_own else others).choose(choice, copied))


def _spent(costs: Costs, request: int) -> float:
    return sum(entry.cost for entry in costs.since() if entry.request == request)
