"""Figures, names and states as the views write them."""

from __future__ import annotations

from rich.text import Text

from meshd.documents import PeerState
from model_registry.encoding import Encoding
from model_registry.figures import NOTHING, duration, energy, percent, size

__all__ = ["NOTHING", "OPEN_CUT", "duration", "energy", "percent", "short", "size", "standing", "travels_as"]

OPEN_CUT = "With 0 layers an input crosses too, or what is made of it without weights: whoever gets it can read it."
"""What is said below a table of cuts of which one is that open."""

_STATE_STYLES: dict[PeerState, str] = {
    "alive": "green",
    "suspect": "yellow",
    "dead": "red",
    "left": "dim",
    "unreached": "yellow",
    "unpaired": "magenta",
}


def short(name: str) -> str:
    """Shorten a fingerprint or request id to what tells it apart."""
    return name[:12]


def travels_as(encoding: Encoding) -> str:
    """Write a codec with the share of the bytes that it leaves and what it may change: ``fp16 0.50 (2e-04)``."""
    changed = f"{encoding.error:.0e}" if encoding.error else "no answer changed here"
    return f"{encoding.codec} {encoding.ratio:.2f} ({'lossless' if encoding.is_exact else changed})"


def standing(state: PeerState) -> Text:
    """Write a peer's state in its colour."""
    return Text(state, style=_STATE_STYLES[state])
