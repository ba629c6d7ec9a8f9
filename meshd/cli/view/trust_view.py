"""``meshd trust list`` for a person."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from meshd.cli.view.words import NOTHING
from meshd.core.ids import NodeId
from meshd.net.trust import Pin


def trust_view(pins: Mapping[NodeId, Pin]) -> RenderableType:
    """Return one line for each trusted device."""
    if not pins:
        return Text("No device is trusted yet. `meshd trust add FINGERPRINT` lets one in.")
    table = Table.grid(padding=(0, 2))
    for node_id, pin in pins.items():
        table.add_row(node_id, str(pin.device_class or NOTHING), Text(pin.name or NOTHING, style="bold"))
    return table
