"""``meshd config show`` for a person."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from meshd.config import Loaded


def config_view(loaded: Loaded) -> RenderableType:
    """Return every setting under its section, with where it comes from; what the owner set stands out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", no_wrap=True)
    for section, settings in groupby(loaded.settings, key=lambda setting: setting.key.split(".")[0]):
        table.add_row(Text(f"[{section}]", style="bold"))
        for setting in settings:
            chosen = "" if setting.origin == "default" else "cyan"
            value = Text(_written(setting.value), style=chosen)
            table.add_row(f"  {setting.key.split('.')[1]}", value, setting.origin)
    source = str(loaded.path) if loaded.path else "no file; defaults only"
    return Group(Text(source, style="dim"), table)


def _written(value: Any) -> str:
    return "unset" if value is None else msgspec.json.encode(value).decode()
