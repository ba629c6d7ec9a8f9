"""Where words go: data on stdout, progress and errors on stderr."""

from __future__ import annotations

import os
import sys
from typing import Any

import msgspec
from rich.console import Console, RenderableType

_UNWRAPPED = 1000
"""Columns; wider than any line of ours."""


def show(view: RenderableType) -> None:
    """Print something for a person; brackets in it are brackets, for peers choose their own names.

    Into a file or another program it goes unwrapped and without blanks at the ends of lines.
    """
    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        console.print(view)
        return
    if "COLUMNS" not in os.environ:
        console.width = _UNWRAPPED
    with console.capture() as page:
        console.print(view)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in page.get().splitlines())


def show_json(document: Any) -> None:
    """Print a document as JSON that people can read and programs can parse."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2).decode() + "\n")


def progress(sentence: str) -> None:
    """Tell on stderr what is going on."""
    print(sentence, file=sys.stderr)
