"""What every tier would say of an input.

Inputs are hard or easy for all tiers alike, and each tier errs by itself besides. A stream goes through calm and
restless spells: in restless ones there are more anomalies, and more of what is normal leaves a tier in doubt, so that
the share that escalates drifts.
"""

from __future__ import annotations

from msgspec import Struct

from meshd.core.node import DeviceClass
from policies.scenario.arrival import Truth
from policies.scenario.dice import Dice
from policies.scenario.model_catalogue import ModelFigures, TierFigures

_CALM_S = 90.0
_RESTLESS_S = 30.0
_CALM, _RESTLESS = 0.4, 2.8
"""Mean stays, and by how much the shares of anomalies and doubts are multiplied; over time by 1 in the mean."""

_LEANS_RIGHT = 0.85
"""Share of doubtful answers on the right side of the alarm's threshold. With it a watch alone misses about 5 % of
anomalies; its manifest says 4.3 % (sensitivity 0.957)."""

_ALARMS_FROM = 0.6
"""Where the clear alarms of a tier begin whose band has no upper end: only for scores to look like scores."""


class Mood(Struct, frozen=True, gc=False):
    """The spells of one stream."""

    starts_s: tuple[float, ...]
    """Calm and restless in turns, the first calm."""

    @classmethod
    def drawn(cls, until_s: float, dice: Dice, *names: str) -> Mood:
        """Draw the spells in [0, until_s), as they are after a long time."""
        rng = dice.stream(*names, "mood")
        starts_s = [0.0] if rng.random() < _CALM_S / (_CALM_S + _RESTLESS_S) else [-1.0, 0.0]
        while starts_s[-1] < until_s:
            stay_s = _CALM_S if len(starts_s) % 2 else _RESTLESS_S
            starts_s.append(starts_s[-1] + rng.exponential(stay_s))
        return cls(tuple(starts_s))

    def factor(self, at_s: float) -> float:
        """Return what the usual shares are multiplied by."""
        begun = sum(1 for start_s in self.starts_s if start_s <= at_s)
        return _CALM if begun % 2 else _RESTLESS


def draw_truth(model: ModelFigures, anomaly_share: float, mood: float, dice: Dice, *names: str) -> Truth:
    """Return the truth of one input; ``anomaly_share`` and the tiers' doubts are multiplied by the mood."""
    if model.alarm_at is None:
        return Truth(scores=(None,) * len(DeviceClass))
    is_anomaly = dice.happens(anomaly_share * mood, *names, "anomaly")
    hardness = dice.share(*names, "hardness")
    scores: list[float | None] = [None] * len(DeviceClass)
    for tier in model.tiers:
        scores[tier.tier.rank] = _score(
            tier, model.alarm_at, hardness / mood, dice, *names, tier.tier, calm=not is_anomaly
        )
    return Truth(scores=tuple(scores), is_anomaly=is_anomaly)


def _score(tier: TierFigures, alarm_at: float, hardness: float, dice: Dice, *names: str, calm: bool) -> float:
    """Return a tier's score: sure and right, sure and wrong, or in its band of doubt, where it mostly leans right."""
    low, high = _band(tier, alarm_at)
    within = dice.share(*names, "score")
    if dice.happens(tier.false_alarms if calm else tier.missed, *names, "error"):
        return _between(high, 1.0, within) if calm else _between(0.0, low, within)
    if hardness < tier.doubtful:
        leans_calm = calm is dice.happens(_LEANS_RIGHT, *names, "leaning")
        return _between(low, alarm_at, within) if leans_calm else _between(alarm_at, max(high, alarm_at), within)
    return _between(0.0, low, within) if calm else _between(high, 1.0, within)


def _band(tier: TierFigures, alarm_at: float) -> tuple[float, float]:
    """Return where doubt begins and ends.

    A tier that never escalates has none; one whose band has no upper end is never sure of an anomaly: all its alarms
    escalate.
    """
    if not tier.expected_rate:
        return alarm_at, alarm_at
    return tier.escalate_low, _ALARMS_FROM if tier.escalate_high is None else tier.escalate_high


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share
