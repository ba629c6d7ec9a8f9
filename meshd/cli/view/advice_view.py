"""``meshd models recommend`` for a person: all devices in a table, or one device in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from meshd.cli.view.columns import columns
from meshd.cli.view.words import NOTHING, duration, energy, percent, size
from model_registry.advice.choice import Choice
from model_registry.advice.remarks import remarks
from model_registry.advice.tier_advice import TierAdvice
from model_registry.manifest import Manifest


def devices_view(manifest: Manifest, advice: Sequence[TierAdvice]) -> RenderableType:
    """Return one row for each device, and below the table why some cannot run the model."""
    table = columns(
        *("device", "class", "tier", "variant", "time", "likely range", "energy", "memory"),
        right=("time", "likely range", "energy", "memory"),
    )
    for each in advice:
        table.add_row(*_row(each))
    troubles = [_trouble(each) for each in advice if each.advice.variant is None]
    noted = [Text(remark) for remark in remarks([each.advice for each in advice], manifest.axes)]
    told = "\nTimes and joules are predictions where no node measured them. `--device` tells all about one."
    return Group(_title(manifest), table, *troubles, *noted, Text(told, "dim"))


def advice_view(manifest: Manifest, asked: TierAdvice) -> RenderableType:
    """Return what one device should run and why, every variant as it stands there, and where the figures come from."""
    advice = asked.advice
    chosen = (advice.variant, "bold green") if advice.variant else ("nothing", "bold red")
    title = Text.assemble((advice.device.name, "bold"), f"  {manifest.name} · tier {asked.tier} · ", chosen)
    table = columns(
        "variant",
        "time",
        "likely range",
        "energy",
        "memory",
        "size",
        "accuracy",
        "fits",
        right=("time", "likely range", "energy", "memory", "size", "accuracy"),
        wrapping=("fits",),
    )
    for choice in advice.choices:
        table.add_row(*_figures(choice), size(choice.size_bytes), percent(choice.accuracy), _fits(choice))
    return Group(
        title, *(Text(f"  {reason}") for reason in advice.reasons), Text(), table, Text(), *map(_source, advice.choices)
    )


def _title(manifest: Manifest) -> Text:
    return Text.assemble((manifest.name, "bold"), f" {manifest.version}  {manifest.summary}")


def _row(each: TierAdvice) -> tuple[str | Text, ...]:
    device, choice = each.advice.device, each.advice.choice
    name = Text(device.name, style="bold" if device.name != device.device_class else "")
    if choice is None:
        return (name, device.device_class, each.tier, Text("none", style="red"), *[NOTHING] * 4)
    return (name, device.device_class, each.tier, *_figures(choice))


def _figures(choice: Choice) -> tuple[str, str, str, str, str]:
    """Return a variant's name, time, the range of it, energy and memory."""
    predicted = choice.prediction
    if predicted is None:
        return choice.name, NOTHING, NOTHING, NOTHING, size(choice.peak_memory_bytes)
    measured = predicted.cost.how == "measured"
    span = "measured" if measured else f"{duration(predicted.low_ms / 1e3)} to {duration(predicted.high_ms / 1e3)}"
    spent = energy(predicted.cost.joules, estimated=True)
    return choice.name, duration(predicted.cost.p50_ms / 1e3), span, spent, size(choice.peak_memory_bytes)


def _fits(choice: Choice) -> Text:
    return Text("yes", "green") if choice.fits else Text("; ".join(choice.breaks), "red")


def _trouble(each: TierAdvice) -> Text:
    """Say which limits the variant breaks that comes nearest; asking for the one device tells all."""
    nearest = min(each.advice.choices, key=lambda choice: (len(choice.breaks), choice.p50_ms or 0.0))
    sentence = f"of the {each.tier} tier nothing fits; {nearest.name} {'; '.join(nearest.breaks)}."
    return Text.assemble((f"! {each.advice.device.name}: ", "yellow"), sentence)


def _source(choice: Choice) -> Text:
    if choice.prediction is None:
        return Text(f"{choice.name}: nothing tells how long it takes.", "dim")
    return Text(f"{choice.name}: {choice.prediction.cost.source}.", "dim")
