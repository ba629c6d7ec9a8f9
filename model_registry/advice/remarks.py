"""What stands out when the advice for several devices is laid side by side, and what may be done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from model_registry.advice.recommendation import Advice
from model_registry.device_class import device_class
from model_registry.tensor import Axis

_BATCH = "batch"
_FEW = 4


def remarks(advice: Sequence[Advice], axes: Mapping[str, Axis]) -> Iterator[str]:
    """Yield a sentence for each thing that would make a reader wonder."""
    yield from (_slower(weaker, stronger) for weaker, stronger in pairwise(advice) if _is_slower(stronger, weaker))
    largest = axes[_BATCH].max if _BATCH in axes else 1
    if largest > _FEW and any(each.variant is None and _breaks_memory(each) for each in advice):
        yield (
            f"Memory is that of {largest} items at once, the largest batch. Import it again with a smaller one, such "
            f"as --axis {_BATCH}=1..{_FEW}, and more may fit."
        )


def _is_slower(stronger: Advice, weaker: Advice) -> bool:
    """Tell whether a class is slower than the one before it, with the same variant: then it is no other choice."""
    there, here = stronger.choice, weaker.choice
    if there is None or here is None or there.name != here.name or not _is_typical(stronger, weaker):
        return False
    return (there.p50_ms or 0.0) > (here.p50_ms or float("inf"))


def _is_typical(*advice: Advice) -> bool:
    return all(each.device.name == each.device.device_class for each in advice)


def _slower(weaker: Advice, stronger: Advice) -> str:
    slow, quick = stronger.device.name, weaker.device.name
    return (
        f"That a {slow} takes longer than a {quick} is no mistake: it is taken to be {_processor(slow)}, and the "
        f"{quick} {_processor(quick)}."
    )


def _processor(name: str) -> str:
    return device_class(name).summary.partition(": ")[2]


def _breaks_memory(advice: Advice) -> bool:
    return any((choice.peak_memory_bytes or 0) > advice.device.memory_bytes for choice in advice.choices)
