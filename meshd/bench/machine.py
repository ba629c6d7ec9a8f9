"""The machine that a benchmark runs on, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import meshd
from meshd.bench.report import Machine
from model_registry.runtime.session import runtime_version

_CPUINFO = Path("/proc/cpuinfo")


def this_machine() -> Machine:
    """Describe the machine as it is now."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        load=round(os.getloadavg()[0], 2),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        onnxruntime=runtime_version(),
        meshd=meshd.__version__,
    )


def _cpu() -> str:
    """Return the processor's name; Linux on ARM and other systems may know no more than the architecture."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
