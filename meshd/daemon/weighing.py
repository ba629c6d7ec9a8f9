"""Candidates as documents tell of them."""

from __future__ import annotations

from typing import Any

from meshd.core.candidate import Candidate

_SECONDS = ("queue_s", "load_s", "compute_s", "transfer_s", "delay_s", "handling_s")
_PRICES = (*_SECONDS, "weighted_joules", "miss_probability", "forgone_joules", "cost")


def weighed(candidate: Candidate) -> dict[str, Any]:
    """Return the fields of :class:`meshd.weighed.Weighed`."""
    reason, price = candidate.reason, candidate.price
    told: dict[str, Any] = {
        "tier": candidate.tier.tier,
        "mask": reason.mask.value if reason else None,
        "reason": reason.sentence if reason else None,
        "load_assumed": candidate.is_load_assumed,
    }
    return told | {name: getattr(price, name) for name in _PRICES} if price else told
