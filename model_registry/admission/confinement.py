"""What a trial process gives up before it touches a model. Irreversible: for a process that ends with its trial.

Source of what onnxruntime and LiteRT can do without: docs/decisions/0012-admission.md.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_NICENESS = 10
_LARGEST_FILE_BYTES = 1 << 20
_STATUS = Path("/proc/self/status")


def die_with(parent: int) -> None:
    """End this process when its parent ends; where the system knows no such thing, its limits end it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It ended before it could be told of.
        os._exit(1)


def step_back() -> None:
    """Leave the processor to others, and be the first to go when memory runs out."""
    with suppress(OSError):  # A sandbox may forbid it.
        os.nice(_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def confine(*, memory_bytes: int, cpu_s: int) -> None:
    """Limit what this process may still take, start and write.

    Raises:
        OSError, ValueError: the system or a sandbox does not let it.
    """
    occupied = _private_bytes()
    if occupied is not None:  # Elsewhere the watching process looks at the resident memory alone.
        _limit(resource.RLIMIT_DATA, occupied + memory_bytes)
    used_s = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used_s + cpu_s, used_s + cpu_s + 1))
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, _LARGEST_FILE_BYTES)
    _limit(resource.RLIMIT_NPROC, 0)  # With one thread a runtime starts none.


def resident_bytes() -> int:
    """Return what this process occupies now."""
    return _status_bytes("VmRSS") or _most_resident_bytes()


def peak_bytes() -> int:
    """Return the most that this process has occupied since :func:`forget_peak`."""
    return _status_bytes("VmHWM") or _most_resident_bytes()


def forget_peak() -> None:
    """Begin to measure the peak from now, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _private_bytes() -> int | None:
    """Return what counts against RLIMIT_DATA."""
    return _status_bytes("VmData")


def _status_bytes(key: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = (line.split()[1] for line in lines if line.startswith(f"{key}:"))
    kibibytes = next(found, None)
    return None if kibibytes is None else int(kibibytes) * 1024


def _most_resident_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (allowed, allowed))
