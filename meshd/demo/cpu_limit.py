"""Less of a processor than there is, by the quota of a control group. Linux, root, and groups of the first version."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup/cpu")
_QUOTA_US = 1_000
"""The least that the kernel grants in one period: the shorter the periods, the more even the slowness."""
_COARSE_PERIOD_US = 20_000
"""For half a core and more: with a millisecond's quota such a process spends a third of its time being stopped."""
_numbers = itertools.count()


@cache
def why_not() -> str | None:
    """Say why a process cannot be slowed down here; none when one can."""
    if not (_GROUPS / "cpu.cfs_quota_us").exists():
        return f"{_GROUPS} is no control group with a quota; it takes Linux with groups of version 1"
    try:
        with cpu_limit() as group:
            group.grant(0.5)
            return None
    except OSError as error:
        return f"no control group can be made below {_GROUPS}: {error.strerror or error}"


class CpuLimit:
    """One group; what is started with its prefix, and the children of that, share its quota."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return what the command line of a program in the group begins with."""
        return "/bin/sh", "-c", f'echo $$ > "{self._folder}/cgroup.procs" && exec "$@"', "sh"

    def grant(self, cores: float) -> None:
        """Grant so many cores from now on."""
        period_us = _COARSE_PERIOD_US if cores >= 0.5 else round(_QUOTA_US / cores)
        self._write("cpu.cfs_quota_us", -1)  # The kernel looks at each of the two by itself.
        self._write("cpu.cfs_period_us", period_us)
        self._write("cpu.cfs_quota_us", round(period_us * cores))

    def grant_all(self) -> None:
        """Grant what there is."""
        self._write("cpu.cfs_quota_us", -1)

    def _write(self, key: str, value: int) -> None:
        (self._folder / key).write_text(str(value))


@contextmanager
def cpu_limit() -> Iterator[CpuLimit]:
    """Make a group without a limit yet, and remove it in the end; processes that are left in it go on without it."""
    folder = _GROUPS / f"meshd-{os.getpid()}-{next(_numbers)}"
    folder.mkdir()
    try:
        yield CpuLimit(folder)
    finally:
        for pid in (folder / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (_GROUPS / "cgroup.procs").write_text(pid)
        folder.rmdir()
