"""Find the widest network whose file fits, by making files."""

from __future__ import annotations

from collections.abc import Callable

from model_registry.distill.errors import TargetTooSmall


def widest(size_of: Callable[[int], int], target_bytes: int, *, narrowest: int, widest: int) -> int:
    """Return the largest width in [narrowest, widest] whose file, made by `size_of`, has at most `target_bytes`.

    A file grows with its width: widths are doubled until one no longer fits, then the gap is halved.

    Raises: TargetTooSmall when not even the narrowest fits.
    """
    smallest = size_of(narrowest)
    if smallest > target_bytes:
        raise TargetTooSmall(target_bytes, smallest)
    fits, beyond = narrowest, narrowest * 2
    while beyond <= widest and size_of(beyond) <= target_bytes:
        fits, beyond = beyond, beyond * 2
    beyond = min(beyond, widest + 1)
    while beyond - fits > 1:
        middle = (fits + beyond) // 2
        fits, beyond = (middle, beyond) if size_of(middle) <= target_bytes else (fits, middle)
    return fits
