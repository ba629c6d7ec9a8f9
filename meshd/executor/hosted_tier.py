"""What the mesh must know of a model that one node can run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshd.core.ids import ArtifactHash, ModelName
from meshd.core.node import DeviceClass, HostedStage, HostedTier, Way
from meshd.executor.input_contract import BATCH
from meshd.executor.stage_times import Timing
from model_registry.codec import seconds
from model_registry.encoding import Encoding
from model_registry.manifest import Manifest
from model_registry.split import Cut
from model_registry.tier import Tier, Variant

RANKING_METRICS = ("balanced_accuracy", "r2", "cosine")
"""Figures in a manifest, each at most 1, that tell which of two variants is better: the first that a variant has.

Variants of one model were judged alike, so no two different ones are compared; one without any ranks last.
"""


def to_hosted_tier(
    manifest: Manifest,
    tier: Tier,
    variant: Variant,
    *,
    compute_s: float,
    load_s: float,
    stages: Sequence[Timing] = (),
    sizes: tuple[int, ...] = (),
    growth: tuple[float, ...] = (),
) -> HostedTier:
    """Join what a manifest says with what was measured; ``stages`` are the times of all, or of none that can be run.

    ``growth`` says how many times as long as the smallest input those of ``sizes`` bytes take.

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
        raw_input_may_leave=raw_input_may_leave(manifest),
        input_bytes=sum(_smallest(manifest).values()),
        ways=tuple(_ways_of_input(manifest)),
        stages=_stages(manifest, variant, stages),
        max_items=max_items(manifest, tier),
        sizes=sizes,
        growth=growth,
    )


def raw_input_may_leave(manifest: Manifest) -> bool:
    """Tell whether a model's input may be sent to any other node."""
    return manifest.privacy != "device"


def _stages(manifest: Manifest, variant: Variant, timings: Sequence[Timing]) -> tuple[HostedStage, ...]:
    if variant.split is None or len(timings) != len(variant.split.stages):
        return ()
    before_last = [_stage(manifest, timing, cut) for timing, cut in zip(timings, variant.split.cuts, strict=False)]
    last = timings[-1]
    return *before_last, HostedStage(compute_s=last.seconds, measured=last.measured, growth=last.growth)


def _stage(manifest: Manifest, timing: Timing, cut: Cut) -> HostedStage:
    return HostedStage(
        compute_s=timing.seconds,
        measured=timing.measured,
        out_bytes=cut.item_bytes,
        may_travel=may_travel(manifest, cut),
        ways=tuple(_way(encoding, cut.item_bytes) for encoding in cut.encodings),
        growth=timing.growth,
    )


def may_travel(manifest: Manifest, cut: Cut) -> bool:
    """Tell whether what crosses at a cut may leave the node where the input may not."""
    if manifest.privacy != "device":
        return True
    return manifest.private_depth is not None and cut.depth >= manifest.private_depth


def _way(encoding: Encoding, n_bytes: int) -> Way:
    return Way(
        codec=encoding.codec,
        ratio=encoding.ratio,
        seconds=seconds(encoding.codec, n_bytes),
        exact=encoding.is_exact,
    )


def max_items(manifest: Manifest, tier: Tier) -> int:
    """Return how many items one run may hold: several where all tensors count them along their first axis."""
    counts = all(tensor.shape[:1] == (BATCH,) for tensor in (*manifest.inputs, *tier.outputs))
    return manifest.axes[BATCH].max if counts else 1


def _ways_of_input(manifest: Manifest) -> Iterator[Way]:
    """Yield every codec that some input bears; inputs that do not bear it travel raw beside it."""
    sizes = _smallest(manifest)
    codecs = dict.fromkeys(encoding.codec for tensor in manifest.inputs for encoding in tensor.encodings)
    for codec in codecs:
        listed = {tensor.name: e for tensor in manifest.inputs for e in tensor.encodings if e.codec == codec}
        ratios = {name: encoding.ratio for name, encoding in listed.items()}
        link_bytes = sum(n_bytes * ratios.get(name, 1.0) for name, n_bytes in sizes.items())
        yield Way(
            codec=codec,
            ratio=link_bytes / sum(sizes.values()),
            seconds=sum(seconds(codec, sizes[name]) for name in ratios),
            exact=all(encoding.is_exact for encoding in listed.values()),
        )


def _smallest(manifest: Manifest) -> dict[str, int]:
    """Return the bytes of the inputs of one item, each as short as it may be."""
    one = {name: axis.min for name, axis in manifest.axes.items()} | {BATCH: 1}
    return {tensor.name: tensor.bytes_of(one) for tensor in manifest.inputs}


def _rank(variant: Variant) -> float:
    figure = next((variant.accuracy[metric] for metric in RANKING_METRICS if metric in variant.accuracy), 0.0)
    return min(max(figure, 0.0), 1.0)  # A model may fit worse than a constant: its R2 is then negative.
