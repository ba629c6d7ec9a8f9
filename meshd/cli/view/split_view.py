"""``meshd models split`` for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from meshd.cli.view.columns import columns
from meshd.cli.view.plan_view import speed
from meshd.cli.view.words import NOTHING, OPEN_CUT, duration, percent, size, travels_as
from model_registry.partition.worth import RTT_S, SLOWER, worth

if TYPE_CHECKING:
    from model_registry.partition.bundle_splitting import Divided, Outcome
    from model_registry.partition.proof import Timed
    from model_registry.split import Cut
    from model_registry.tensor import Tensor


_SMALL = 1.15
"""Below a millisecond a second call of the runtime shows; beyond this share of the whole nothing is left to gain."""


def split_view(outcome: Outcome) -> RenderableType:
    """Return a table of places for each variant, and what it means."""
    return Group(
        *(part for each in outcome.divided for part in _variant(each, outcome)),
        *(Text(sentence) for tensor in outcome.manifest.inputs for sentence in _input(tensor)),
    )


def _variant(each: Divided, outcome: Outcome) -> Iterator[RenderableType]:
    before, now = each.bytes_before, each.variant.size_bytes
    yield Text.assemble(
        (f"{each.tier}/{each.variant.name}", "bold"),
        f"  {size(now)} instead of {size(before)}, {_sameness(each)}, in {each.took_s:.1f} s",
    )
    yield _table(each, outcome.extents)
    if any(not cut.depth for cut in _cuts(each)):
        yield Text(OPEN_CUT, "dim")
    yield Text(_advice(each, outcome))
    yield Text()


def _sameness(each: Divided) -> str:
    found = each.parts.from_original
    return "the same bits" if found.none else f"{found.error:.0e} off, {percent(found.agreement)} alike"


def _table(each: Divided, extents: Mapping[str, int]) -> Table:
    table = columns(
        *("work before", "crosses", "tensors", "layers", "against the whole", "head", "tail", "both", "codecs"),
        right=("work before", "crosses", "tensors", "layers", "head", "tail", "both"),
        wrapping=("codecs",),
    )
    for cut, timed in zip(_cuts(each), each.parts.timed, strict=True):
        table.add_row(*_row(cut, timed, cut.bytes_of(extents)))
    return table


def _row(cut: Cut, timed: Timed, crossing_bytes: int) -> tuple[str, ...]:
    return (
        percent(cut.work),
        size(crossing_bytes),
        str(len(cut.tensors)),
        str(cut.depth),
        "the same bits" if not cut.error else f"{cut.error:.0e}, {percent(cut.agreement)} alike",
        duration(timed.head_ms / 1e3),
        duration(timed.tail_ms / 1e3),
        f"{timed.ratio:.2f} x",
        ", ".join(map(travels_as, cut.encodings)) or NOTHING,
    )


def _advice(each: Divided, outcome: Outcome) -> str:
    """Tell honestly whether a single request will ever gain."""
    if (twice := min(timed.ratio for timed in each.parts.timed)) > _SMALL:
        return f"Both parts take {twice:.1f} times what the whole takes: it is too small for a split to pay."
    extents = outcome.extents
    sent = sum(tensor.bytes_of(extents) * _best(tensor) for tensor in outcome.manifest.inputs)
    crossing = [cut.bytes_of(extents) * _best(cut) for cut in _cuts(each)]
    if (found := worth(each.parts.timed, crossing, sent)) is not None:
        band = f"{speed(found.slowest_bps)} and {speed(found.fastest_bps)}"
        return (
            f"From a device {SLOWER:g} times slower than this one a split can pay over links between {band}, to one "
            f"that is at least {found.least_ratio:.2g} times faster than it (estimated, round trip {duration(RTT_S)})."
        )
    return (
        f"The least that crosses is {min(crossing) / sent:.2g} times the input: for single requests a split hardly "
        "ever pays; for streams over several nodes and for inputs that must stay it can."
    )


def _cuts(each: Divided) -> tuple[Cut, ...]:
    assert each.variant.split is not None, "it was split just now"
    return each.variant.split.cuts


def _best(bearer: Tensor | Cut) -> float:
    return min((encoding.ratio for encoding in bearer.encodings), default=1.0)


def _input(tensor: Tensor) -> Iterator[str]:
    if tensor.encodings:
        yield f"Input {tensor.name} may travel as {', '.join(map(travels_as, tensor.encodings))}."
