"""What several nodes did of one request: stages one after the other, or items side by side; predicted against taken."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from meshd.cli.view.weights_view import cost
from meshd.cli.view.words import duration
from meshd.core.plan import RAW
from meshd.explain_document import ExplainedCandidate, ExplainedLeg, ExplainedShare

_ROUNDING_S = 1e-9


def sent_as(codec: str) -> str:
    """Return how tensors travelled, for the end of a phrase; nothing where they were not encoded."""
    return "" if codec == RAW else f", sent as {codec}"


def travelled(planned: str, actual: str | None) -> str:
    """Return how tensors were to travel, and how they did where that is another way."""
    if actual is None or actual == planned:
        return sent_as(planned)
    return f", sent {actual} instead: it had no form in {planned}"


def sum_lines(chosen: ExplainedCandidate) -> Iterator[Text]:
    """Yield what the predicted time of a plan is the sum of, where that is more than one thing."""
    loading = "loading, as it was announced" if chosen.load_assumed else "loading"
    named = {"waiting": chosen.queue_s, loading: chosen.load_s, "computing": chosen.compute_s}
    way = "on the way, at a rate assumed from its class" if chosen.rate_assumed else "on the way"
    handling_s = chosen.handling_s or 0.0
    named |= {way: chosen.transfer_s, "handling it": max(0.0, handling_s)}
    less_s = max(0.0, -handling_s)
    larger_s = (chosen.predicted_s or 0.0) + less_s - sum(seconds or 0.0 for seconds in named.values())
    if larger_s > _ROUNDING_S:
        named |= {"for a larger tier": larger_s}
    parts = [f"{duration(seconds)} {word}" for word, seconds in named.items() if seconds]
    if len(parts) > 1 and chosen.compute_s is not None:
        less = f" - {duration(less_s)} that such requests took less" if less_s else ""
        yield Text(f"     {duration(chosen.predicted_s)} = {' + '.join(parts)}{less}", style="dim")
    if chosen.actual_codec not in {None, chosen.codec}:
        yield Text(f"     its input was{travelled(chosen.codec, chosen.actual_codec)[1:]}", style="yellow")
    if chosen.delay_s:
        yield Text(f"     others are delayed by {duration(chosen.delay_s)}, which its cost counts too", style="dim")
    if chosen.forgone_joules:
        told = f"{cost(chosen.forgone_joules)} mJ of loading count as paid: requests before lost as much without it"
        yield Text(f"     {told}", style="dim")


def part_lines(chosen: ExplainedCandidate) -> Iterator[Text]:
    """Yield a line for each node of a plan that takes several."""
    for number, leg in enumerate(chosen.legs):
        yield Text(f"     {_leg(leg, travels=number > 0)}", style="dim")
    for share in chosen.shares:
        yield Text(f"     {_share(share)}", style="dim")


def stages(first: int, last: int) -> str:
    """Write [first, last) as ``--plan`` takes it: ``stages 0-4`` ends before stage 4."""
    return f"stages {first}-{last}"


def _leg(leg: ExplainedLeg, *, travels: bool) -> str:
    compute = f"{duration(leg.predicted_compute_s)} predicted, {_taken(leg.actual_compute_s)}"
    return f"{stages(leg.first, leg.last)} on {leg.node}: {_way(leg) if travels else ''}{compute}"


def _way(leg: ExplainedLeg) -> str:
    took = "" if leg.actual_transfer_s is None else f", {_taken(leg.actual_transfer_s)}"
    return f"{duration(leg.predicted_transfer_s)} to get there{travelled(leg.codec, leg.actual_codec)}{took}; "


def _share(share: ExplainedShare) -> str:
    items = "1 item" if share.items == 1 else f"{share.items} items"
    predicted = f"{duration(share.predicted_s)} predicted until it is back{sent_as(share.codec)}"
    return f"{items} on {share.node}: {predicted}; computing {_taken(share.actual_compute_s)}"


def _taken(seconds: float | None) -> str:
    return "never ran" if seconds is None else f"took {duration(seconds)}"
