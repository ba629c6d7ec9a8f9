"""Where words go: data on stdout, progress and errors on stderr."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from rich.console import Console, RenderableType


def show(view: RenderableType) -> None:
    """Print something for a person; brackets in it are brackets, for peers choose their own names."""
    Console(highlight=False, markup=False).print(view)


def show_json(document: Any) -> None:
    """Print a document as JSON that people can read and programs can parse."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2).decode() + "\n")


def progress(sentence: str) -> None:
    """Tell on stderr what is going on."""
    print(sentence, file=sys.stderr)
