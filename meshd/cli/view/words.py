"""Figures, names and states as the views write them."""

from __future__ import annotations

from rich.text import Text

from meshd.documents import PeerState
from model_registry.figures import NOTHING, duration, energy, percent, size

__all__ = ["NOTHING", "duration", "energy", "percent", "short", "size", "standing"]

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


def standing(state: PeerState) -> Text:
    """Write a peer's state in its colour."""
    return Text(state, style=_STATE_STYLES[state])
