"""What a runtime says when it gives up, made fit for a log line and a frame."""

from __future__ import annotations

REASON_LENGTH = 200
"""A runtime's message can hold a whole graph; a log line and a frame should not."""


def reason(error: Exception) -> str:
    """Return the first line of an error, bounded, and printable: names in a graph are a stranger's words."""
    first_line = str(error).strip().partition("\n")[0] or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in first_line[:REASON_LENGTH])
