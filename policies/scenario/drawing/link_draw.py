"""Links of a world: one rate over time for each radio, direction and kind of peer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from policies.scenario.bandwidth import Bandwidth
from policies.scenario.dice import Dice
from policies.scenario.drawing.node_draw import Member
from policies.scenario.family import Family, LinkForm, LossForm
from policies.scenario.link import Link
from policies.scenario.scenario import Split
from policies.scenario.sources import synthetic
from policies.scenario.sources.bandwidth_traces import variations
from policies.scenario.sources.variation import Variation

_DRAWN_FOR = 2.0
"""Rates vary for so many horizons: some requests end behind the first. Afterwards they stay at their mean."""


class LinkDraw:
    """Draws the links of one world."""

    def __init__(self, family: Family, split: Split, traces: Path | None, dice: Dice) -> None:
        self._forms = family.links
        self._until_s = family.horizon_s * _DRAWN_FOR
        self._split = split
        self._traces = traces
        self._dice = dice

    def links(self, members: list[Member]) -> Iterator[Link]:
        """Yield both directions of every pair that a form names; of a pair named twice, the first form's."""
        linked: set[frozenset[str]] = set()
        for form in self._forms:
            first, second = ([one for one in members if one.form.name == kind] for kind in form.between)
            for limiting in first:
                there, back = self._bandwidths(form, limiting)
                for other in second:
                    pair = frozenset((limiting.node.node_id, other.node.node_id))
                    if len(pair) == 2 and pair not in linked:
                        linked.add(pair)
                        yield from self._both(form, limiting, other, there, back)

    def _both(
        self, form: LinkForm, limiting: Member, other: Member, there: Bandwidth, back: Bandwidth
    ) -> Iterator[Link]:
        a, b = limiting.node.profile, other.node.profile
        delay_s = self._dice.between(form.delay_s, a.name, b.name, "delay_s")
        jitter = self._dice.between(form.jitter, a.name, b.name, "jitter")
        yield Link(sender=a.node_id, receiver=b.node_id, delay_s=delay_s, bandwidth=there, jitter=jitter)
        yield Link(sender=b.node_id, receiver=a.node_id, delay_s=delay_s, bandwidth=back, jitter=jitter)

    def _bandwidths(self, form: LinkForm, limiting: Member) -> tuple[Bandwidth, Bandwidth]:
        """Return the rates from and to the node whose radio limits; what loses one direction loses both."""
        names = (limiting.node.profile.name, *form.between)
        rate_bps = self._dice.between(form.rate_bps, *names, "rate")
        back_bps = rate_bps * self._dice.between(form.back, *names, "back rate")
        lost = self._lost(form.losses, *names) if form.losses else []
        there = self._bandwidth(form, rate_bps, lost, *names, "there")
        return there, self._bandwidth(form, back_bps, lost, *names, "back")

    def _bandwidth(self, form: LinkForm, mean_bps: float, lost: list[tuple[float, float]], *names: str) -> Bandwidth:
        if form.kind == "constant":
            starts_s, rates_bps = [0.0], [mean_bps]
        else:
            variation = self._variation(form, *names)
            offset_s = self._dice.share(*names, "offset") * variation.length_s
            starts_s, shares = variation.pieces(offset_s, self._until_s)
            rates_bps = [mean_bps * share for share in shares]
        if lost:
            starts_s, rates_bps = _without(lost, starts_s, rates_bps)
        return Bandwidth.of([*starts_s, self._until_s], [*rates_bps, mean_bps])

    def _variation(self, form: LinkForm, *names: str) -> Variation:
        if self._traces is None:
            return synthetic.variation(form.kind, self._until_s, self._dice.stream(*names, "bandwidth"))
        return self._dice.pick(variations(self._traces, self._split, form.kind), *names, "trace")

    def _lost(self, form: LossForm, *names: str) -> list[tuple[float, float]]:
        """Return the half-open spells, ascending, in which nothing passes; they end before the rates do."""
        rng, spells = self._dice.stream(*names, "losses"), list[tuple[float, float]]()
        every_s = self._dice.between(form.every_s, *names, "every_s")
        at_s = rng.exponential(every_s)
        while (until_s := at_s + rng.uniform(*form.lasts_s)) < self._until_s:
            spells.append((at_s, until_s))
            at_s = until_s + rng.exponential(every_s)
        return spells


def _without(
    lost: list[tuple[float, float]], starts_s: list[float], rates_bps: list[float]
) -> tuple[list[float], list[float]]:
    """Return the pieces with a rate of 0 in every lost spell."""
    edges_s = sorted({*starts_s, *(edge_s for spell in lost for edge_s in spell)})
    cut_bps = list[float]()
    for edge_s in edges_s:
        is_lost = any(since_s <= edge_s < until_s for since_s, until_s in lost)
        cut_bps.append(0.0 if is_lost else rates_bps[bisect_right(starts_s, edge_s) - 1])
    return edges_s, cut_bps
