"""Which policy a daemon serves: the one that is configured, or the rule that needs no file."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from meshd.core.policy import LeastExpectedCost, Policy
from meshd.errors import PolicyUnusable
from meshd.policy.guard import Guard
from meshd.policy.learned import LearnedPolicy

SHIPPED = "shipped"
SHIPPED_PATH = Path(__file__).parent / "shipped" / "policy.onnx"

_INSTALL_AGAIN = 'Install meshd again, or set scheduler.policy = "least-expected-cost", which needs no file.'


class Served(Struct, frozen=True, kw_only=True):
    """What serves, and why it is not what was asked for, if it is not."""

    policy: Policy
    note: str = ""
    """Why it is not the policy that was asked for."""
    problem: PolicyUnusable | None = None
    """What somebody should mend."""


def served(asked: str, *, shipped: Path = SHIPPED_PATH) -> Served:
    """Return what is to be served for a setting: ``shipped``, ``least-expected-cost``, or the path of a file."""
    if asked == LeastExpectedCost.name:
        return Served(policy=LeastExpectedCost())
    is_shipped = asked == SHIPPED
    try:
        return Served(policy=Guard(LearnedPolicy(shipped if is_shipped else Path(asked))))
    except PolicyUnusable as error:
        problem = PolicyUnusable(error.message, hint=_INSTALL_AGAIN) if is_shipped else error
        return Served(policy=LeastExpectedCost(), note=error.message.rstrip("."), problem=problem)
