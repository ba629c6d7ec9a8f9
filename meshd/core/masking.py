"""The rules that compare candidates with each other: what is late, less accurate, not asked for, or not worth it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from meshd.core.candidate import Candidate, Mask, Reason
from meshd.core.gain import Bar, Bars
from meshd.core.node import DeviceClass


def mask_other_plans(candidates: list[Candidate], place: str) -> list[Candidate]:
    """Leave only what runs at the place that the asker named."""
    other = Reason(mask=Mask.NOT_THE_PLAN, sentence=f"the asker wants it run as '{place}'")
    return _masked(candidates, lambda candidate: None if candidate.place == place else other)


def mask_other_tiers(candidates: list[Candidate], tier: DeviceClass) -> list[Candidate]:
    """Leave only one tier: outputs of a share are joined with those of others."""
    other = Reason(mask=Mask.NOT_THE_PLAN, sentence=f"the batch that it is a share of is run by tier {tier}")
    return _masked(candidates, lambda candidate: None if candidate.tier.tier is tier else other)


def mask_late(candidates: list[Candidate], remaining_s: float) -> list[Candidate]:
    """Mask what would be late even if all went well; if that is everything, the soonest stays allowed.

    To go well is also not to escalate: what a smaller tier says in time is better than nothing. Predictions can be
    wrong, and a node that refuses all work for being slow would never learn that it is fast again.
    """
    for candidate in candidates:
        if candidate.reason is None and _best_s(candidate) > remaining_s:
            break
    else:
        return candidates
    allowed = (candidate for candidate in candidates if candidate.allowed)
    soonest = min(allowed, key=lambda candidate: candidate.prediction.first_s)
    return _masked(candidates, lambda candidate: None if candidate is soonest else _why_late(candidate, remaining_s))


def mask_less_accurate(candidates: list[Candidate]) -> list[Candidate]:
    """Leave an emergency only the most accurate of what is feasible, by the accuracy in the manifests."""
    best = max((c.tier.accuracy for c in candidates if c.allowed), default=0.0)
    sentence = "an emergency takes the most accurate feasible variant"
    worse = Reason(mask=Mask.LESS_ACCURATE, sentence=sentence)
    return _masked(candidates, lambda candidate: worse if candidate.tier.accuracy < best else None)


def mask_no_gain(candidates: list[Candidate], bars: Bars | None = None) -> list[Candidate]:
    """Mask splits that gain too little over what is not split and may be chosen; the rule is in gain.py.

    ``bars`` are those of the same candidates, where they are known.
    """
    splits = [candidate for candidate in candidates if (candidate.legs or candidate.shares) and candidate.is_split]
    if not splits:
        return candidates
    bars = bars or Bars(candidate for candidate in candidates if not (candidate.legs or candidate.shares))
    by_tier = {tier: bars.of(tier) for tier in {split.tier.tier for split in splits}}
    return _masked(candidates, lambda candidate: _why_no_gain(candidate, by_tier))


def _best_s(candidate: Candidate) -> float:
    expected = candidate.prediction
    return expected.first_s - 2.0 * expected.deviation_s


def _why_late(candidate: Candidate, remaining_s: float) -> Reason | None:
    best_s = _best_s(candidate)
    if best_s <= remaining_s:
        return None
    sentence = f"it would take {best_s * 1e3:.0f} ms at best, and {remaining_s * 1e3:.0f} ms are left"
    return Reason(mask=Mask.DEADLINE, sentence=sentence)


def _why_no_gain(candidate: Candidate, bars: Mapping[DeviceClass, Bar | None]) -> Reason | None:
    if not candidate.legs and not candidate.shares:
        return None
    bar = bars[candidate.tier.tier] if candidate.is_split else None
    if bar is None or (candidate.legs and bar.is_open_to_legs) or bar.is_met_by(candidate.prediction):
        return None
    return Reason(mask=Mask.NO_GAIN, sentence=bar.why_not_met(candidate.prediction))


def _masked(candidates: list[Candidate], why_not: Callable[[Candidate], Reason | None]) -> list[Candidate]:
    """Ask of each that is still allowed."""
    return [
        replace(candidate, reason=reason) if candidate.reason is None and (reason := why_not(candidate)) else candidate
        for candidate in candidates
    ]
