"""``meshd models show`` for a person: one model in full."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from meshd.cli.view.columns import columns
from meshd.cli.view.models_view import vouched as words_for
from meshd.cli.view.words import NOTHING, OPEN_CUT, duration, energy, percent, short, size, travels_as
from model_registry.manifest import Lifecycle, Manifest
from model_registry.measured import Cost, Evaluation
from model_registry.split import Cut
from model_registry.tensor import Axis, Tensor
from model_registry.tier import Alarm, Escalation, Tier, Variant


class Vouched(Struct, frozen=True, kw_only=True):
    """Who stands behind a model, and whether that is enough for this node."""

    by: str
    """``bundled``, ``unsigned``, or the publisher."""
    accepted: bool
    why: str = ""
    """Why it is not accepted."""
    hint: str = ""


def model_view(manifest: Manifest, source: str, vouched: Vouched, *, pinned: bool = False) -> RenderableType:
    """Return everything that a manifest says."""
    return Group(
        Text.assemble((f"{manifest.name} {manifest.version}", "bold"), f"\n{manifest.summary}\n"),
        _facts(_head(manifest, source, vouched, pinned=pinned)),
        *_section("Takes", _tensors(manifest.inputs, manifest.axes)),
        *(part for tier in manifest.tiers for part in _section(f"Tier {tier.name}", _tier(tier, manifest))),
    )


def _section(title: str, content: RenderableType) -> tuple[RenderableType, ...]:
    return Text(f"\n{title}", "bold"), Padding(content, (0, 0, 0, 2))


def _head(manifest: Manifest, source: str, vouched: Vouched, *, pinned: bool) -> Iterator[tuple[str, str]]:
    yield "task", manifest.task
    yield "inputs may go", _REACH[manifest.privacy]
    yield "licence", manifest.license
    yield "vouched for", words_for(vouched.by)
    if not vouched.accepted:
        yield "not accepted", vouched.why
        yield "", vouched.hint
    yield "found in", source
    if pinned:
        yield "pinned", "it never goes from this node to make room"
    if manifest.lifecycle:
        yield from _lifecycle(manifest.lifecycle)


_REACH = {
    "device": "nowhere: they stay on the device",
    "household": "to the household's own devices",
    "public": "anywhere that the mesh reaches",
}


def _lifecycle(life: Lifecycle) -> Iterator[tuple[str, str]]:
    said = (
        ("trained", life.trained.isoformat() if life.trained else ""),
        ("trained on", life.dataset),
        ("made from", life.parent),
        ("compression", life.compression),
        ("imported", life.imported.isoformat() if life.imported else ""),
        ("origin", life.origin),
    )
    yield from ((key, words) for key, words in said if words)


def _tensors(tensors: tuple[Tensor, ...], axes: dict[str, Axis]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for tensor in tensors:
        shape = ", ".join(_extent(extent, axes) for extent in tensor.shape)
        unit = f", in {tensor.unit}" if tensor.unit else ""
        table.add_row(Text(tensor.name), Text(f"{tensor.dtype}[{shape}]{unit}"))
        if tensor.description:
            table.add_row("", Text(tensor.description, "dim"))
        if tensor.encodings:
            table.add_row("", Text(f"May travel as {', '.join(map(travels_as, tensor.encodings))}.", "dim"))
    return table


def _extent(extent: int | str, axes: dict[str, Axis]) -> str:
    """Write a number as it is, and a dynamic axis with its bounds."""
    return str(extent) if isinstance(extent, int) else f"{extent} {axes[extent].min}..{axes[extent].max}"


def _tier(tier: Tier, manifest: Manifest) -> RenderableType:
    return Group(
        _tensors(tier.outputs, manifest.axes),
        Text(),
        _variants(tier),
        *_costs(tier),
        *_cuts(tier),
        *(Text(sentence) for sentence in _sentences(tier)),
    )


def _variants(tier: Tier) -> Table:
    table = columns(
        *("variant", "weights", "size", "MACs", "runs on", "artifact"), right=("size", "MACs"), wrapping=("runs on",)
    )
    for variant in tier.variants:
        runs_on = f"{variant.format} on {', '.join(variant.hardware)}"
        figures = size(variant.size_bytes), f"{variant.macs / 1e6:.1f} M"
        table.add_row(variant.name, variant.precision, *figures, runs_on, short(variant.artifact))
    return table


def _costs(tier: Tier) -> Iterator[RenderableType]:
    rows = [(variant, cost) for variant in tier.variants for cost in variant.costs]
    if not rows:
        return
    table = columns(
        *("variant", "median", "99 %", "memory", "energy", "where and how"),
        right=("median", "99 %", "memory", "energy"),
        wrapping=("where and how",),
    )
    for variant, cost in rows:
        table.add_row(variant.name, *_cost(cost))
    yield Text()
    yield table


def _cost(cost: Cost) -> tuple[str, ...]:
    slowest_s = cost.p99_ms / 1e3 if cost.p99_ms is not None else None
    when = f", {cost.measured.isoformat()}" if cost.measured else ""
    return (
        duration(cost.p50_ms / 1e3),
        duration(slowest_s),
        size(cost.peak_memory_bytes),
        energy(cost.joules, estimated=True),
        f"{cost.how} on {cost.device}: {cost.source}{when}",
    )


def _cuts(tier: Tier) -> Iterator[RenderableType]:
    rows = [(variant, cut) for variant in tier.variants if variant.split for cut in variant.split.cuts]
    if not rows:
        return
    table = columns(
        *("cut", "work before", "crosses", "tensors", "layers", "against the whole", "codecs"),
        right=("work before", "crosses", "tensors", "layers"),
        wrapping=("codecs",),
    )
    for variant, cut in rows:
        table.add_row(variant.name, *_cut(cut))
    yield Text()
    yield table
    if any(not cut.depth for _, cut in rows):
        yield Text(OPEN_CUT, "dim")


def _cut(cut: Cut) -> tuple[str, ...]:
    return (
        percent(cut.work),
        size(cut.item_bytes),
        str(len(cut.tensors)),
        str(cut.depth),
        "the same bits" if not cut.error else f"{cut.error:.0e}, {percent(cut.agreement)} alike",
        ", ".join(map(travels_as, cut.encodings)) or NOTHING,
    )


def _sentences(tier: Tier) -> Iterator[str]:
    """Yield what the tier's figures mean, each a paragraph of its own."""
    for variant in tier.variants:
        yield from (f"\n{sentence}" for sentence in _quality(variant))
    if tier.escalation:
        yield f"\n{_escalation(tier.escalation)}"
        void = [variant.name for variant in tier.variants if not tier.calibrated_for(variant)]
        if void:
            yield f"\nNot shown for {', '.join(void)}: the rule was calibrated with another file."
    if tier.alarm:
        yield f"\n{_alarm(tier.alarm)}"


def _quality(variant: Variant) -> Iterator[str]:
    if variant.accuracy:
        figures = ", ".join(f"{metric} {value:.4g}" for metric, value in variant.accuracy.items())
        yield f"Accuracy of {variant.name}: {figures}; {_measured_on(variant.evaluation)}."
    if variant.compression:
        parent = f" of {short(variant.parent)}" if variant.parent else ""
        yield f"Made {variant.name}{parent}: {variant.compression}."


def _measured_on(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return "the manifest does not say on what"
    against = "true labels" if evaluation.reference == "labels" else "what its parent answers: agreement, not accuracy"
    return f"{evaluation.items} items of {evaluation.dataset}, against {against}"


def _escalation(rule: Escalation) -> str:
    above = f" and below {rule.high:.4g}" if rule.high is not None else ""
    bound = rule.bound
    rate, missed = percent(rule.expected_rate), percent(bound.missed)
    seen = f"{percent(bound.measured_missed)} of {bound.positives} in {len(bound.records)} recordings"
    return (
        f"Passes on what has {rule.score} at or above {rule.low:.4g}{above}: about {rate} of usual inputs. Then at "
        f"most {missed} of anomalies is missed, with {bound.confidence:.0%} confidence ({bound.method}; {seen})."
    )


def _alarm(alarm: Alarm) -> str:
    return f"Raises the alarm when {alarm.output} is at or above {alarm.at_least:.4g}."


def _facts(facts: Iterator[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, words in facts:
        table.add_row(key, Text(words))
    return table
