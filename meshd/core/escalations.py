"""How often the answers of each tier have to be looked at again by a larger one."""

from __future__ import annotations

from meshd.core.drifts import Drifts
from meshd.core.ids import ModelName
from meshd.core.node import DeviceClass, HostedTier
from meshd.core.noticed import Noticed
from meshd.core.rate import Rate

_LEAST_RATE = 0.01
"""A share that moved by less changes no plan."""


class Escalations:
    """Observed here and at peers; from a tier's manifest until then."""

    def __init__(self, noticed: Noticed, drifts: Drifts) -> None:
        self._noticed = noticed
        self._drifts = drifts
        self._rates: dict[tuple[ModelName, DeviceClass], Rate] = {}

    def rate(self, hosted: HostedTier, now: float) -> float:
        """Return the share of this tier's answers that escalate: observed, or from its manifest."""
        known = self._rates.get((hosted.model, hosted.tier))
        return known.at(now) if known is not None else hosted.escalation_rate

    def trend(self, hosted: HostedTier) -> float:
        """Return by how much more of this tier's last few answers escalated than of the many before."""
        known = self._rates.get((hosted.model, hosted.tier))
        return known.trend if known is not None else 0.0

    def learn(self, hosted: HostedTier, *, escalated: bool, now: float) -> None:
        """Take in whether one answer of the tier had to be looked at again."""
        key = (hosted.model, hosted.tier)
        known = self._rates.get(key) or Rate.believed(hosted.escalation_rate, now)
        learned = self._rates[key] = known.updated(happened=escalated, now=now)
        self._drifts.escalations += learned.has_drifted
        self._noticed.saw(key, learned.learned, least=_LEAST_RATE)
