"""Runs that nobody played, for what is computed of them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from policies.study.trial import Run


def run(arm: str, seed: int, family: str = "night", **changes: Any) -> Run:
    """A world like any other."""
    plain = Run(arm=arm, family=family, seed=seed, reward=-1.0, misses=0.1, joules=2.0, n_asked=10, fallbacks={})
    return replace(plain, **changes)
