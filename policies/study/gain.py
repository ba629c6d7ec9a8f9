"""What one arm gains over another on the same worlds."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from policies.study.runs import JOULES, MISSES, REWARD, Estimate, Runs, known
from policies.study.written import bounds, value

GAIN_HEADS = ("J gained", "of its cost", "95 %", "fewer missed", "95 %", "fewer mJ", "95 %")


class Gain(Struct, frozen=True, kw_only=True):
    """One arm beside another; all of it paired, and below 0 where it does worse."""

    reward: Estimate
    """Of a request, joules."""
    share: Estimate
    """The same as a share of what a request costs under the other."""
    fewer_misses: Estimate
    """Shares of requests."""
    fewer_joules: Estimate
    """For a request, of nodes with a battery."""


def gain(runs: Runs, arm: str, other: str, families: Sequence[str]) -> Gain:
    """Return what an arm gains over another; both were played by the same prices."""
    mine, theirs = ([runs.sample(one, of, families) for of in (REWARD, MISSES, JOULES)] for one in (arm, other))
    reward, misses, joules = (ours - others for ours, others in zip(mine, theirs, strict=True))
    return Gain(
        reward=known(reward),
        share=known(reward / -theirs[0]),
        fewer_misses=known(-misses),
        fewer_joules=known(-joules),
    )


def gain_cells(one: Gain) -> list[str]:
    """Return a gain under its heads."""
    figures = ((one.share, "+z.1%", 1.0), (one.fewer_misses, "+z.2%", 1.0), (one.fewer_joules, "+z.2f", 1e3))
    cells = [cell(estimate, form, scale) for estimate, form, scale in figures for cell in (value, bounds)]
    return [value(one.reward, "+z.4f"), *cells]
