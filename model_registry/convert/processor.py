"""What this machine computes with, by name."""

from __future__ import annotations

import platform
from pathlib import Path

_NAMES = ("model name", "Model", "Hardware")
"""Under which x86 and ARM kernels name the processor or the board, best first."""


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name as its kernel knows it, else the architecture."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    told = dict(reversed([(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]))
    return next((told[name] for name in _NAMES if told.get(name)), platform.machine() or "this machine")
