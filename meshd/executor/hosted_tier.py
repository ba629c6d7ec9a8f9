"""What the mesh must know of a model that one node can run."""

from __future__ import annotations

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass, HostedTier
from model_registry.manifest import Manifest
from model_registry.tier import Tier, Variant

RANKING_METRICS = ("balanced_accuracy", "r2", "cosine")
"""Figures in a manifest, each at most 1, that tell which of two variants is better: the first that a variant has.

Variants of one model were judged alike, so no two different ones are compared; one without any ranks last.
"""


def to_hosted_tier(manifest: Manifest, tier: Tier, variant: Variant, *, compute_s: float, load_s: float) -> HostedTier:
    """Join what a manifest says with what was measured here.

    An escalation rule that was not calibrated for exactly this artifact is void: then every answer escalates.
    """
    rule = tier.escalation
    calibrated = rule is None or tier.calibrated_for(variant)
    return HostedTier(
        model=ModelName(manifest.name),
        version=manifest.version,
        tier=DeviceClass(tier.name),
        variant=variant.name,
        artifact=ArtifactHash(variant.artifact),
        accuracy=_rank(variant),
        macs=variant.macs,
        compute_s=compute_s,
        load_s=load_s,
        score_output=rule.score if rule else None,
        escalate_low=rule.low if rule else 0.0,
        escalate_high=rule.high if rule else None,
        calibrated=calibrated,
        escalation_rate=1.0 if not calibrated else rule.expected_rate if rule else 0.0,
        raw_input_may_leave=manifest.privacy != "device",
    )


def _rank(variant: Variant) -> float:
    figure = next((variant.accuracy[metric] for metric in RANKING_METRICS if metric in variant.accuracy), 0.0)
    return min(max(figure, 0.0), 1.0)  # A model may fit worse than a constant: its R2 is then negative.
