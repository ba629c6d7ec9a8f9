"""``meshd models publishers`` for a person."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from meshd.cli.view.words import NOTHING
from model_registry.trust.publisher import Publisher


def publishers_view(trusted: Mapping[str, Publisher]) -> RenderableType:
    """Return one line for each trusted publisher."""
    if not trusted:
        return Text("No publisher is trusted yet. `meshd models trust KEY --name NAME` accepts one's models.")
    table = Table.grid(padding=(0, 2))
    for key, known in trusted.items():
        table.add_row(key, Text(known.name or NOTHING, style="bold"))
    return table
