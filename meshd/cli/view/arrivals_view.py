"""Models on their way to a node, for a person."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from meshd.cli.view.words import percent, size
from meshd.documents import Arrival


def arrival_lines(arriving: tuple[Arrival, ...]) -> Iterator[Text]:
    """Yield a line for each variant that is being fetched."""
    for arrival in arriving:
        givers = f" from {', '.join(arrival.sources)}" if arrival.sources else ""
        come = f"{percent(arrival.come_bytes / arrival.size_bytes)} of {size(arrival.size_bytes)}"
        what = f"{arrival.model} {arrival.version} {arrival.tier}/{arrival.variant}"
        yield Text.assemble(("↓ ", "bold"), f"{what}: {come} has come{givers}")
