"""The rules that compare candidates with each other: what is late, less accurate, not asked for, or not worth it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from meshd.core.candidate import Candidate, Mask, Reason
from meshd.core.node import DeviceClass

LEAST_GAIN = 1.1
"""A split is offered where everybody together waits so many times less for it than for the best that is not split.

Measured predictions of stages err by 1 to 6 %, 12 % at worst: a smaller gain may be none.
"""


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
    if not any(candidate.reason is None and _best_s(candidate) > remaining_s for candidate in candidates):
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


def mask_no_gain(candidates: list[Candidate]) -> list[Candidate]:
    """Mask splits that gain too little over the best whole run of at least their tier that may be chosen.

    The gain is in the seconds that everybody waits: the asker, and those whom the run delays. What both cost decides
    among all that is left. A split of a model whose input has to stay needs no gain: nothing else can be sent away.
    """
    splits = [candidate for candidate in candidates if candidate.is_split]
    if not splits:
        return candidates
    wholes = [candidate for candidate in candidates if not candidate.is_split]
    only_offload = _is_only_offload(wholes)

    def why_not(candidate: Candidate) -> Reason | None:
        if not candidate.is_split or (only_offload and candidate.legs):
            return None
        return _why_no_gain(candidate, _best_whole(wholes, candidate.tier.tier))

    return _masked(candidates, why_not)


def worth_s(wholes: Iterable[Candidate], tier: DeviceClass) -> float:
    """Return the most seconds that everybody may wait for a split of a tier; infinity if that is no rule here."""
    wholes = list(wholes)
    best = _best_whole(wholes, tier)
    if best is None or _is_only_offload(wholes):
        return float("inf")
    return best.prediction.burden_s / LEAST_GAIN


def _best_whole(wholes: Iterable[Candidate], tier: DeviceClass) -> Candidate | None:
    rank = tier.rank
    strong = (whole for whole in wholes if whole.reason is None and whole.tier.tier.rank >= rank)
    return min(strong, key=lambda whole: whole.prediction.burden_s, default=None)


def _is_only_offload(wholes: Iterable[Candidate]) -> bool:
    """Tell whether privacy forbids every whole run elsewhere that nothing else forbids."""
    elsewhere = [candidate for candidate in wholes if not candidate.here]
    kept = any(candidate.reason is not None and candidate.reason.mask is Mask.PRIVACY for candidate in elsewhere)
    return kept and not any(candidate.allowed for candidate in elsewhere)


def _why_no_gain(split: Candidate, best: Candidate | None) -> Reason | None:
    if best is None:
        return None
    whole_s, split_s = best.prediction.burden_s, split.prediction.burden_s
    if whole_s >= LEAST_GAIN * split_s:
        return None
    told = f"it would take {split_s * 1e3:.4g} ms, and {best.label} whole takes {whole_s * 1e3:.4g} ms"
    return Reason(mask=Mask.NO_GAIN, sentence=f"{told}; a split has to be {LEAST_GAIN:g} times better")


def _best_s(candidate: Candidate) -> float:
    return candidate.prediction.first_s - 2.0 * candidate.prediction.deviation_s


def _why_late(candidate: Candidate, remaining_s: float) -> Reason | None:
    best_s = _best_s(candidate)
    if best_s <= remaining_s:
        return None
    sentence = f"it would take {best_s * 1e3:.0f} ms at best, and {remaining_s * 1e3:.0f} ms are left"
    return Reason(mask=Mask.DEADLINE, sentence=sentence)


def _masked(candidates: list[Candidate], why_not: Callable[[Candidate], Reason | None]) -> list[Candidate]:
    """Ask of each that is still allowed."""
    return [
        replace(candidate, reason=reason) if candidate.allowed and (reason := why_not(candidate)) else candidate
        for candidate in candidates
    ]
