"""Which variant a device should run, and why.

The rule: of the variants that fit the device's executors, memory and the deadline, and lose at most the tolerated
accuracy against the reference, the one that takes the least energy. A device on the mains has joules to spare: there a
tenth of the loss is tolerated. Where none is accurate enough, the most accurate one that fits; where none fits, none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from model_registry.advice.choice import Choice, weighed
from model_registry.advice.device import Device
from model_registry.device_class import device_classes
from model_registry.figures import duration, points, size
from model_registry.tier import Variant

TOLERATED_LOSS = 0.01
"""One point of the metric."""
_TOLERATED_ON_MAINS = 0.1
"""Share of the tolerated loss that a device on the mains may give up."""
_METRICS = ("balanced_accuracy", "accuracy", "agreement")
"""Which figure of `Variant.accuracy` to judge by when nobody says; the first that the variants have."""
_ROUNDING = 1e-9
"""0.96 - 0.95 is a little more than 0.01 in floating point."""

_TOO_CLOSE = 1.5
"""Ratio of two predicted energies on one device that a prediction cannot tell apart.

Source: scaled from fp32 to int8, half of all networks are off by a factor of 1.45 to 1.48 or more
(docs/decisions/0010-prediction.md).
"""
_SAME_SPEED = 1.05
"""Ratio of two latencies that is not worth a sentence: they vary by as much from run to run."""


class Wish(Struct, frozen=True, kw_only=True):
    """What is asked of a model."""

    deadline_s: float | None = None
    """Half of all runs must be done in this time; None: any time will do."""
    tolerated_loss: float = TOLERATED_LOSS
    """How much of the metric may be lost against the reference, 0..1; on the mains a tenth of it."""

    def tolerated_on(self, device: Device) -> float:
        """Return how much of the metric may be lost on this device."""
        return self.tolerated_loss if device.on_battery else self.tolerated_loss * _TOLERATED_ON_MAINS


class Advice(Struct, frozen=True, kw_only=True):
    """What to run on one device, and why."""

    device: Device
    variant: str | None
    """None: nothing fits."""
    reasons: tuple[str, ...]
    """Sentences for a person, the deciding one first."""
    choices: tuple[Choice, ...]
    """Every variant that was weighed, in the order given."""

    @property
    def choice(self) -> Choice | None:
        """Return how the recommended variant stands."""
        return next((choice for choice in self.choices if choice.name == self.variant), None)


def recommend(
    variants: Mapping[str, Variant],
    device: Device,
    wish: Wish | None = None,
    *,
    reference: str | None = None,
    metric: str | None = None,
) -> Advice:
    """Return which of `variants` to run on `device`.

    `metric` is the key of `Variant.accuracy` to judge by; `reference` is the variant that losses are counted from, the
    most accurate one unless given.
    """
    wish = wish or Wish()
    metric = metric or metric_of(variants)
    reference = reference or most_accurate(variants, metric)
    choices = tuple(
        weighed(
            name,
            variant,
            device,
            deadline_s=wish.deadline_s,
            accuracy=variant.accuracy.get(metric),
            loss=_loss(variants, name, reference, metric),
        )
        for name, variant in variants.items()
    )
    fitting = [choice for choice in choices if choice.fits]
    if not fitting:
        return Advice(device=device, variant=None, reasons=tuple(_why_nothing(choices, device)), choices=choices)
    chosen, why = _chosen(fitting, wish.tolerated_on(device), metric.replace("_", " ") or "accuracy")
    if len(choices) == 1:
        why = f"{chosen.name} is the only variant, and it fits."
    there = next((choice for choice in choices if choice.name == reference), chosen)
    reasons = (why, *_compared(chosen, there), *_room(chosen, device, wish), *chosen.doubts)
    return Advice(device=device, variant=chosen.name, reasons=reasons, choices=choices)


def metric_of(variants: Mapping[str, Variant]) -> str:
    """Return the figure that variants are judged by when nobody names one; empty where none has any."""
    known = [key for variant in variants.values() for key in variant.accuracy]
    return next((metric for metric in _METRICS if metric in known), next(iter(known), ""))


def most_accurate(variants: Mapping[str, Variant], metric: str) -> str:
    """Return the variant that is best by `metric`; of equals the largest, for it is the likeliest original."""
    return max(variants, key=lambda name: (variants[name].accuracy.get(metric, -1.0), variants[name].size_bytes))


def pareto_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the names that nothing beats: of (cost, accuracy), no other costs less and is at least as accurate."""
    front: list[str] = []
    best = float("-inf")
    for name, (_, accuracy) in sorted(points.items(), key=lambda point: (point[1][0], -point[1][1])):
        if accuracy > best:
            front.append(name)
            best = accuracy
    return front


def recommend_each(
    variants: Mapping[str, Variant],
    wish: Wish | None = None,
    *,
    reference: str | None = None,
    metric: str | None = None,
) -> tuple[Advice, ...]:
    """Return the advice for a typical device of each class, weakest first."""
    devices = (Device.typical(kind) for kind in device_classes().values())
    return tuple(recommend(variants, device, wish, reference=reference, metric=metric) for device in devices)


def _loss(variants: Mapping[str, Variant], name: str, reference: str, metric: str) -> float | None:
    if name == reference:
        return 0.0
    there, here = (variants[each].accuracy.get(metric) for each in (reference, name))
    return None if there is None or here is None else there - here


def _chosen(fitting: Sequence[Choice], tolerated: float, metric: str) -> tuple[Choice, str]:
    """Return the best of those that fit, and the part of the rule that chose it."""
    known = [(choice, choice.loss) for choice in fitting if choice.loss is not None]
    enough = [choice for choice, loss in known if loss <= tolerated + _ROUNDING]
    if enough:
        close = _close_to(min(enough, key=_least_energy), enough)
        chosen = min(close, key=lambda choice: choice.size_bytes)
        return chosen, _why_enough(chosen, enough, close, points(tolerated), metric)
    if known:
        chosen, loss = min(known, key=lambda pair: (pair[1], _least_energy(pair[0])))
        return chosen, (
            f"No variant that fits loses at most {points(tolerated)} of {metric}; {chosen.name} is the most accurate "
            f"and loses {points(loss)}."
        )
    chosen = max(fitting, key=lambda choice: choice.size_bytes)
    return chosen, f"The {metric} of what fits was not measured; {chosen.name} is the largest that fits."


def _close_to(best: Choice, choices: Sequence[Choice]) -> list[Choice]:
    """Return what nobody can say takes more energy than the best: on one device joules are proportional to time."""
    if best.p50_ms is None:
        return list(choices)
    most_ms = best.p50_ms * (_TOO_CLOSE if _is_predicted(best) else _SAME_SPEED)
    return [choice for choice in choices if choice.p50_ms is not None and choice.p50_ms <= most_ms]


def _why_enough(chosen: Choice, enough: Sequence[Choice], close: Sequence[Choice], tolerated: str, metric: str) -> str:
    if len(enough) == 1:
        return f"{chosen.name} is the only variant that fits and is known to lose at most {tolerated} of {metric}."
    if len(close) == 1:
        return (
            f"{chosen.name} takes the least energy of the {len(enough)} variants that fit and lose at most {tolerated} "
            f"of {metric}."
        )
    return (
        f"{chosen.name} is the smallest of the {len(close)} variants that fit, lose at most {tolerated} of {metric}, "
        "and take the least energy as far as can be told."
    )


def _least_energy(choice: Choice) -> tuple[float, float, int]:
    """Return what orders variants on one device, where joules are proportional to time; unknown times come last."""
    return (float("inf") if choice.p50_ms is None else choice.p50_ms, choice.loss or 0.0, choice.size_bytes)


def _compared(chosen: Choice, reference: Choice) -> Iterator[str]:
    """Say what is won and lost against the reference."""
    if chosen.name == reference.name:
        return
    *firsts, last = _won(chosen, reference)
    yield f"Against {reference.name} it {', '.join(firsts)}{' and ' if firsts else ''}{last}."


def _won(chosen: Choice, reference: Choice) -> Iterator[str]:
    if chosen.p50_ms and reference.p50_ms and _is_predicted(chosen) == _is_predicted(reference):
        yield _speed(reference.p50_ms / chosen.p50_ms)
    yield f"has {chosen.size_bytes / reference.size_bytes:.0%} of the size"
    if chosen.loss is not None:
        nothing = abs(chosen.loss) < _ROUNDING
        yield "loses nothing" if nothing else f"{'gains' if chosen.loss < 0 else 'loses'} {points(abs(chosen.loss))}"


def _speed(ratio: float) -> str:
    if 1 / _SAME_SPEED < ratio < _SAME_SPEED:
        return "is about as fast"
    return f"is {ratio:.1f} times as fast" if ratio > 1 else f"takes {1 / ratio:.1f} times as long"


def _room(chosen: Choice, device: Device, wish: Wish) -> Iterator[str]:
    """Say what it takes there, and of what limits."""
    if chosen.p50_ms is not None:
        allowed = "" if wish.deadline_s is None else f" of the {duration(wish.deadline_s)} allowed"
        yield f"One item takes {_about(chosen)}{duration(chosen.p50_ms / 1e3)}{allowed}."
    if chosen.peak_memory_bytes:
        yield (
            f"Its process needs {size(chosen.peak_memory_bytes)} at the largest input, of the "
            f"{size(device.memory_bytes)} that {device.called} has for it."
        )


def _about(choice: Choice) -> str:
    return "about " if _is_predicted(choice) else ""


def _is_predicted(choice: Choice) -> bool:
    return choice.prediction is not None and choice.prediction.cost.how == "predicted"


def _why_nothing(choices: Sequence[Choice], device: Device) -> Iterator[str]:
    yield f"No variant fits {device.called}."
    yield from (f"{choice.name} {'; '.join(choice.breaks)}." for choice in choices)
