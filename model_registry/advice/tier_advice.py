"""Which tier of a model a device should host, and in which variant."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from model_registry.advice.device import Device
from model_registry.advice.recommendation import Advice, Wish, recommend
from model_registry.manifest import TIERS, Manifest
from model_registry.tier import Tier


class TierAdvice(Struct, frozen=True, kw_only=True):
    """The strongest tier made for a device of its class, or weaker, of which a variant fits."""

    tier: str
    """Where nothing fits: the tier that the device would have hosted."""
    advice: Advice


def recommend_tier(manifest: Manifest, device: Device, wish: Wish | None = None) -> TierAdvice:
    """Return what a device should host of a model, as the daemon goes about it: the strongest tier up to its class.

    Weaker tiers are tried when no variant of that one fits. Of a model whose tiers are all made for stronger devices
    the weakest is weighed, and the advice says so.
    """
    suitable = [tier for tier in manifest.tiers if TIERS.index(tier.name) <= TIERS.index(device.device_class)]
    if not suitable:
        return _beyond(manifest.tiers[0], device, wish)
    strongest_first = [_of_tier(tier, device, wish) for tier in reversed(suitable)]
    fitting = next((each for each in strongest_first if each.advice.variant), None)
    return fitting or strongest_first[0]


def _of_tier(tier: Tier, device: Device, wish: Wish | None) -> TierAdvice:
    variants = {variant.name: variant for variant in tier.variants}
    return TierAdvice(tier=tier.name, advice=recommend(variants, device, wish))


def _beyond(tier: Tier, device: Device, wish: Wish | None) -> TierAdvice:
    weighed = _of_tier(tier, device, wish)
    caution = f"The model has no tier for {device.called}: it hosts the {tier.name} tier only if models.host names it."
    return replace(weighed, advice=replace(weighed.advice, reasons=(*weighed.advice.reasons, caution)))
