"""What seconds and joules count where ways are weighed against each other."""

from __future__ import annotations

from rich.text import Text

from meshd.cli.view.words import NOTHING
from meshd.core.request import Priority
from meshd.core.settings import Settings

COST = "cost in mJ"


def weights_line(settings: Settings, priority: Priority) -> Text:
    """Return the line that says what a cost of a request of this priority is the sum of."""
    time = f"a second costs {settings.price_watts(priority):g} J, a late answer {settings.miss_price_joules:g} J"
    return Text(f"{time}; a joule from the wall counts {settings.mains_joule_weight:g}", style="dim")


def cost(joules: float | None) -> str:
    """Write a cost in mJ: two that differ look different."""
    return NOTHING if joules is None else f"{joules * 1e3:.4g}"
