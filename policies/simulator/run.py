"""What runs on a node, and how long that truly takes."""

from __future__ import annotations

from msgspec import Struct

from meshd.core.node import HostedTier
from meshd.core.run_queue import Token
from policies.scenario import Hosting


class Run(Struct, frozen=True, kw_only=True, gc=False):
    """One use of a slot: some stages for one request, or the whole for several."""

    members: tuple[Token, ...]
    tier: HostedTier
    first: int
    last: int | None
    """Stages [first, last); none: the whole."""
    items: int
    began_s: float
    load_s: float
    compute_s: float

    @property
    def is_last(self) -> bool:
        """Tell whether it gives an answer, and not what crosses behind a head."""
        return self.last is None or self.last == len(self.tier.stages)

    def seconds_by(self, now: float) -> tuple[float, float]:
        """Return the seconds of loading and of computing that it has had by now."""
        elapsed_s = now - self.began_s
        load_s = min(self.load_s, elapsed_s)
        return load_s, min(self.compute_s, elapsed_s - load_s)


def median_s(hosting: Hosting, first: int, last: int | None, *, item_bytes: float) -> float:
    """Return the true median seconds of stages [first, last), or of the whole, for one item of that length."""
    tier = hosting.announced
    if last is None:
        return hosting.compute_s * tier.growth_at(item_bytes)
    stages = range(first, last)
    return sum([hosting.stages_s[stage] * tier.stage_growth_at(stage, item_bytes) for stage in stages])
