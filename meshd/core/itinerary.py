"""What a request has been through so far; becomes the route, timings and energy of its answer."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from meshd.core.answer import MOST_JOULES, Answer, Energy, Hop, Timings
from meshd.core.cascade import confidence, most_doubtful
from meshd.core.node import MOST_S, HostedTier
from meshd.core.plan import RAW

MOST_HOPS = 32
"""The last ones are told: what a peer puts before another's route has to leave the whole short enough for a message."""


class Itinerary(Struct, kw_only=True):
    """Accumulates over the attempts of one request that led to an answer or some stages nearer to it."""

    hops: list[Hop] = []
    queue_s: float = 0.0
    compute_s: float = 0.0
    transfer_s: float = 0.0
    joules: float = 0.0

    @property
    def energy(self) -> Energy:
        """Return what it took so far. Peers may have said the most that may be said, and a message holds no more."""
        return Energy(joules=min(self.joules, MOST_JOULES))

    def ran_here(self, hop: Hop, *, joules: float) -> None:
        """Add what this node ran."""
        self.hops.append(hop)
        self.compute_s += hop.compute_s
        self.joules += joules

    def answered_there(self, answer: Answer, *, elapsed_s: float, codec: str = RAW) -> float:
        """Add what a peer answered to what it was sent; return the seconds that the link took of what elapsed."""
        transfer_s = max(0.0, elapsed_s - answer.timings.total_s)
        first, *others = answer.route
        self.hops.append(replace(first, codec=codec, transfer_s=transfer_s))
        self.hops.extend(others)
        self._waited(answer.timings)
        self.transfer_s += transfer_s
        self.joules += answer.energy.joules
        return transfer_s

    def came_together(self, answers: tuple[Answer, ...], *, wasted_joules: float) -> None:
        """Add what children answered side by side: all that they spent, and the time of the slowest."""
        for answer in answers:
            self.hops.extend(answer.route)
            self.joules += answer.energy.joules
        self._waited(max((answer.timings for answer in answers), key=lambda timings: timings.total_s))
        self.joules += wasted_joules

    def compose(self, tier: HostedTier, *, total_s: float, degraded: bool) -> Answer:
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
            degraded=degraded,
            escalations=self._escalations(),
            route=self._route(),
            timings=self._timings(total_s),
            energy=self.energy,
        )

    def compose_from(self, answer: Answer, *, total_s: float) -> Answer:
        """Return an answer from elsewhere with this request's part of the story in front."""
        return replace(
            answer,
            escalations=self._escalations(),
            route=self._route(),
            timings=self._timings(total_s),
            energy=self.energy,
        )

    def _waited(self, timings: Timings) -> None:
        self.queue_s += timings.queue_s
        self.compute_s += timings.compute_s
        self.transfer_s += timings.transfer_s

    def _escalations(self) -> int:
        """Return how many tiers looked again: several nodes may have run one of them between them."""
        return len({hop.tier for hop in self.hops}) - 1 if len(self.hops) > 1 else 0

    def _route(self) -> tuple[Hop, ...]:
        return tuple(self.hops[-MOST_HOPS:])

    def _timings(self, total_s: float) -> Timings:
        return Timings(
            queue_s=min(self.queue_s, MOST_S),
            compute_s=min(self.compute_s, MOST_S),
            transfer_s=min(self.transfer_s, MOST_S),
            total_s=total_s,
        )


def joined(tier: HostedTier, answers: tuple[Answer, ...]) -> Answer:
    """Return what the answers to the parts of one batch say together: an alarm or a doubt of one is one of all."""
    score = most_doubtful(tier, [answer.score for answer in answers])
    alarms = [answer.anomalous for answer in answers if answer.anomalous is not None]
    return replace(
        answers[0],
        score=score,
        anomalous=any(alarms) if alarms else None,
        confidence=confidence(score),
        degraded=any(answer.degraded for answer in answers),
    )
