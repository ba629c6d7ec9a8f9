"""A request as it will be made, and what its input truly holds."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.ids import NodeId
from meshd.core.node import DeviceClass
from meshd.core.request import Request


class Truth(Struct, frozen=True, kw_only=True, gc=False):
    """What every tier would say of an input, whether or not it is ever asked."""

    scores: tuple[float | None, ...]
    """By the tier's rank (watch 0, phone 1, hub 2, upstream 3); none where the model has no such tier or its tier
    gives no score. Of a batch, the item's that most wants escalation."""
    is_anomaly: bool = False
    """What an expert would say. Tiers err: see :meth:`called_by`."""

    def score(self, tier: DeviceClass) -> float | None:
        """Return the score that a tier gives."""
        return self.scores[tier.rank]

    def called_by(self, tier: DeviceClass, alarm_at: float | None) -> bool:
        """Tell whether a tier calls it anomalous: its score is at least ``alarm_at``."""
        score = self.scores[tier.rank]
        return alarm_at is not None and score is not None and score >= alarm_at

    def is_missed_by(self, tier: DeviceClass, alarm_at: float | None) -> bool:
        """Tell whether this tier's answer hides an anomaly that a larger tier, had it looked, would have called."""
        if not self.is_anomaly or self.called_by(tier, alarm_at):
            return False
        return any(self.called_by(larger, alarm_at) for larger in DeviceClass if larger.rank > tier.rank)


class Arrival(Struct, frozen=True, kw_only=True, gc=False):
    """One request of a client of one node. Its ``request_id`` is the arrival's number in the scenario, in digits."""

    at_s: float
    """Seconds since the scenario began."""
    node_id: NodeId
    """Whose client asks. A node that is absent, dead or stalled then has no clients: the arrival is skipped, for
    every policy alike."""
    request: Request
    truth: Truth
