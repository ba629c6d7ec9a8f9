"""What a request has been through so far; becomes the route, timings and energy of its answer."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.answer import Answer, Energy, Hop, Timings
from meshd.core.cascade import confidence
from meshd.core.node import HostedTier


class Itinerary(Struct, kw_only=True):
    """Accumulates over the attempts of one request that led to an answer, degraded ones included."""

    hops: list[Hop] = []
    queue_s: float = 0.0
    transfer_s: float = 0.0
    joules: float = 0.0

    def ran_here(self, hop: Hop, *, joules: float) -> None:
        """Add a stage that this node ran."""
        self.hops.append(hop)
        self.joules += joules

    def answered_there(self, answer: Answer, *, elapsed_s: float) -> float:
        """Add what a peer answered; return the seconds that the link took of what elapsed."""
        transfer_s = max(0.0, elapsed_s - answer.timings.total_s)
        self.hops.extend(answer.route)
        self.queue_s += answer.timings.queue_s
        self.transfer_s += transfer_s + answer.timings.transfer_s
        self.joules += answer.energy.joules
        return transfer_s

    def compose(self, tier: HostedTier, *, total_s: float) -> Answer:
        """Return the answer of the tier that ran here last as it would be given now."""
        last = self.hops[-1]
        return Answer(
            model=tier.model,
            version=tier.version,
            tier=tier.tier,
            variant=tier.variant,
            score=last.score,
            anomalous=last.anomalous,
            confidence=confidence(last.score),
            degraded=False,
            escalations=len(self.hops) - 1,
            route=tuple(self.hops),
            timings=self._timings(total_s),
            energy=Energy(joules=self.joules),
        )

    def compose_from(self, answer: Answer, *, total_s: float) -> Answer:
        """Return a peer's answer with this node's part of the story in front."""
        return replace(
            answer,
            escalations=len(self.hops) - 1,
            route=tuple(self.hops),
            timings=self._timings(total_s),
            energy=Energy(joules=self.joules),
        )

    def _timings(self, total_s: float) -> Timings:
        compute_s = sum(hop.compute_s for hop in self.hops)
        return Timings(queue_s=self.queue_s, compute_s=compute_s, transfer_s=self.transfer_s, total_s=total_s)
