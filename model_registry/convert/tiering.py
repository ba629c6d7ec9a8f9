"""Which variant serves which class of devices: the recommended one first, what else it can run behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model_registry.advice.recommendation import Advice, recommend_each
from model_registry.convert.sweep import Sweep
from model_registry.tier import Tier, TierName, Variant

CLASSES: tuple[TierName, ...] = ("watch", "phone", "hub")
"""Weakest first. A tier for servers is left to whoever has one: they run what a hub runs."""


def advice_for(sweep: Sweep) -> tuple[Advice, ...]:
    """Return which variant a typical device of each class should run, weakest first."""
    variants = {made.variant.name: made.variant for made in sweep.made}
    return recommend_each(variants, reference=sweep.reference, metric=sweep.metric)


def tiers_of(sweep: Sweep, advice: Sequence[Advice]) -> tuple[Tier, ...]:
    """Return the tiers, weakest first; no artifact is in two of them.

    Where two classes are best served by the same variant, the weaker one's name carries it, for a stronger device runs
    it too. What fits nowhere is left out; if nothing fits anywhere, the reference goes to the strongest class.
    """
    variants = {made.variant.name: made.variant for made in sweep.made}
    advised = {each.device.device_class: each for each in advice if each.device.device_class in CLASSES}
    chosen: dict[TierName, list[str]] = {}
    for tier, each in advised.items():
        if each.variant and all(each.variant not in taken for taken in chosen.values()):
            chosen[tier] = [each.variant]
    if not chosen:
        chosen[CLASSES[-1]] = [sweep.reference]
    for name, tier in _left_over(variants, chosen, advised):
        chosen[tier].append(name)
    return tuple(
        Tier(name=tier, outputs=sweep.draft.outputs, variants=tuple(variants[each] for each in _ordered(names, sweep)))
        for tier, names in chosen.items()
    )


def _left_over(
    variants: Mapping[str, Variant], chosen: Mapping[TierName, Sequence[str]], advice: Mapping[TierName, Advice]
) -> list[tuple[str, TierName]]:
    """Return each other variant with the weakest tier whose class can run it."""
    taken = {name for names in chosen.values() for name in names}
    fitting = {tier: {c.name for c in advice[tier].choices if c.fits} for tier in chosen}
    places = ((name, next((tier for tier in chosen if name in fitting[tier]), None)) for name in variants)
    return [(name, tier) for name, tier in places if tier and name not in taken]


def _ordered(names: Sequence[str], sweep: Sweep) -> list[str]:
    """Keep the recommended one first; then by what is lost, unknown losses last, the smaller of equals first."""
    first, *others = names
    sizes = {made.variant.name: made.variant.size_bytes for made in sweep.made}

    def rank(name: str) -> tuple[float, int]:
        loss = sweep.loss(name)
        return float("inf") if loss is None else loss, sizes[name]

    return [first, *sorted(others, key=rank)]
