"""What the page and the table say, in words and figures: one place for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from model_registry.advice.choice import Choice
from model_registry.advice.recommendation import Advice
from model_registry.convert.sweep import Made, Sweep
from model_registry.figures import NOTHING, duration, energy, percent, points, size
from model_registry.measured import Cost


class Row(Struct, frozen=True, kw_only=True):
    """One variant as it was made and measured here."""

    name: str
    size: str
    of_reference: str
    """Its size in percent of the reference's."""
    accuracy: str
    """By the metric of the sweep."""
    change: str
    """Of the metric against the reference, in points."""
    p50: str
    p99: str
    memory: str
    energy: str
    made: str
    """How, and what a person should know of it."""
    advised: tuple[str, ...]
    """The classes that it is recommended for."""


class There(Struct, frozen=True, kw_only=True):
    """One variant as it would be on one device."""

    name: str
    time: str
    range: str
    energy: str
    memory: str
    verdict: str
    """Whether it fits, or what keeps it from fitting."""
    source: str
    advised: bool


def rows(sweep: Sweep, advice: Sequence[Advice]) -> list[Row]:
    """Return what is known of every variant that was made, the reference first."""
    advised = {
        made.variant.name: tuple(each.device.name for each in advice if each.variant == made.variant.name)
        for made in sweep.made
    }
    return [_row(made, sweep, advised[made.variant.name]) for made in sweep.made]


def there(advice: Advice) -> list[There]:
    """Return what every variant would take on the device of the advice."""
    return [_there(choice, advised=choice.name == advice.variant) for choice in advice.choices]


def energies(sweep: Sweep) -> bool:
    """Tell whether there is an energy for any variant: of a processor whose power nobody knows there is none."""
    return any(cost.joules is not None for made in sweep.made if (cost := measured_here(made, sweep)))


def metric_name(sweep: Sweep) -> str:
    """Return the metric as a person writes it."""
    return sweep.metric.replace("_", " ") or "accuracy"


def judged_on(sweep: Sweep) -> str:
    """Say what accuracy was measured on, or that it was not."""
    known = (made.variant.evaluation for made in sweep.made)
    evaluation = next((found for found in known if found), None)
    if evaluation is None:
        return "Accuracy was not measured, for no data was given: import again with --calibration and --labels."
    against = "the true labels" if evaluation.reference == "labels" else f"what {sweep.reference} answers"
    items = f"{evaluation.items:,} item{'' if evaluation.items == 1 else 's'}"
    return f"{metric_name(sweep).capitalize()} is held against {against}, on {items} of {evaluation.dataset}."


def reasons(sweep: Sweep) -> dict[str, str]:
    """Return the names of what was not made, by commas where several share a reason, and the reason once."""
    names: dict[str, list[str]] = {}
    for missing in sweep.not_made:
        names.setdefault(missing.reason, []).append(missing.name)
    return {", ".join(those): reason for reason, those in names.items()}


def sources(sweep: Sweep) -> list[str]:
    """Return the different ways in which the costs were measured."""
    return list(
        dict.fromkeys(cost.source for made in sweep.made for cost in made.variant.costs if cost.how == "measured")
    )


def measured_here(made: Made, sweep: Sweep) -> Cost | None:
    """Return what was measured of a variant on the machine that imported it."""
    return next((c for c in made.variant.costs if c.how == "measured" and c.device == sweep.processor), None)


def _row(made: Made, sweep: Sweep, advised: tuple[str, ...]) -> Row:
    variant, cost = made.variant, measured_here(made, sweep)
    reference = sweep.variant(sweep.reference)
    return Row(
        name=variant.name,
        size=size(variant.size_bytes),
        of_reference=f"{variant.size_bytes / reference.size_bytes:.0%}" if reference else NOTHING,
        accuracy=NOTHING if _against_itself(made, sweep) else percent(variant.accuracy.get(sweep.metric)),
        change=_change(sweep.loss(variant.name), reference=variant.name == sweep.reference),
        p50=_milliseconds(cost.p50_ms if cost else None),
        p99=_milliseconds(cost.p99_ms if cost else None),
        memory=size(cost.peak_memory_bytes if cost else None),
        energy=energy(cost.joules if cost else None, estimated=True),
        made=" ".join(_made(made)),
        advised=advised,
    )


def _against_itself(made: Made, sweep: Sweep) -> bool:
    """Tell whether a figure is only of the reference held against its own answers, which says nothing."""
    found = made.variant.evaluation
    return made.variant.name == sweep.reference and found is not None and found.reference == "parent"


def _change(loss: float | None, *, reference: bool) -> str:
    if reference:
        return "reference"
    if loss is None:
        return NOTHING
    return "no change" if round(loss, 4) == 0 else f"{'+' if loss < 0 else '−'}{points(abs(loss))}"  # noqa: RUF001 - a minus


def _made(made: Made) -> Iterator[str]:
    if made.variant.compression:
        yield f"{made.variant.compression.rstrip('.')}."
    if made.note:
        yield made.note


def _there(choice: Choice, *, advised: bool) -> There:
    predicted = choice.prediction
    return There(
        name=choice.name,
        time=_milliseconds(choice.p50_ms),
        range=f"{_milliseconds(predicted.low_ms)} to {_milliseconds(predicted.high_ms)}" if predicted else NOTHING,
        energy=energy(predicted.cost.joules if predicted else None, estimated=True),
        memory=size(choice.peak_memory_bytes),
        verdict=f"Does not fit: {'; '.join(choice.breaks)}." if choice.breaks else " ".join(("Fits.", *choice.doubts)),
        source=f"{predicted.cost.source}." if predicted else "Nothing tells how long it takes.",
        advised=advised,
    )


def _milliseconds(figure: float | None) -> str:
    return duration(None if figure is None else figure / 1e3)
