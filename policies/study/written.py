"""How estimates are written in tables and on pages."""

from __future__ import annotations

from policies.evaluation.table import UNKNOWN
from policies.study.runs import Estimate

NOTHING = "none"


def value(estimate: Estimate | None, form: str, scale: float = 1.0) -> str:
    """Return an estimate's figure."""
    return NOTHING if estimate is None else f"{estimate.value * scale:{form}}"


def bounds(estimate: Estimate | None, form: str, scale: float = 1.0) -> str:
    """Return its interval; where some redraws have no such figure, of how many it is."""
    if estimate is None:
        return NOTHING
    if estimate.low is None or estimate.high is None:
        return UNKNOWN
    partly = "" if estimate.told_by == 1.0 else f" (of {estimate.told_by:.0%})"
    return f"{estimate.low * scale:{form}} … {estimate.high * scale:{form}}{partly}"
