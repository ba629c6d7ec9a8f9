"""Figures as people write them: three digits that matter, and a unit."""

from __future__ import annotations

NOTHING = "—"


def duration(seconds: float | None) -> str:
    """Write a duration: ``12 µs``, ``0.24 ms``, ``31 s``, ``2 h 5 min``; one that is less than nothing with a minus."""
    if seconds is None:
        return NOTHING
    if seconds < 0.0:
        return f"-{duration(-seconds)}"
    if seconds == 0.0:
        return "0 s"
    if seconds < 1e-4:
        return f"{_three_digits(seconds * 1e6)} µs"
    if seconds < 1.0:
        return f"{_three_digits(seconds * 1e3)} ms"
    if seconds < 120.0:
        return f"{_three_digits(seconds)} s"
    minutes = round(seconds / 60.0)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def energy(joules: float | None, *, estimated: bool = False) -> str:
    """Write an energy, with a tilde when it is an estimate: ``~1.9 mJ``."""
    if joules is None:
        return NOTHING
    sign = "~" if estimated else ""
    for unit, size in (("kJ", 1e3), ("J", 1.0), ("mJ", 1e-3)):
        if joules >= size:
            return f"{sign}{_three_digits(joules / size)} {unit}"
    return f"{sign}{_three_digits(joules * 1e6)} µJ"


def size(n_bytes: float | None) -> str:
    """Write a number of bytes: ``93 kB``, ``11.4 MB``."""
    if n_bytes is None:
        return NOTHING
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{_three_digits(n_bytes / scale)} {unit}"
    return f"{n_bytes:.0f} B"


def percent(share: float | None) -> str:
    """Write a share: ``97.2 %``."""
    return NOTHING if share is None else f"{share * 100:.1f} %"


def points(share: float) -> str:
    """Write a difference of two shares in points of a hundred: ``1 point``, ``0.23 points``."""
    figure = f"{share * 100:.2f}".rstrip("0").rstrip(".")
    return f"{figure} point" if figure in {"1", "-1"} else f"{figure} points"


def _three_digits(value: float) -> str:
    decimals = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{decimals}f}"
