"""Less of a processor than there is, by the quota of a control group. Linux, root, and groups of either version."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_FIRST, _SECOND = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
"""Where the groups of each version are; a system that has both keeps processors in the first."""
_QUOTA_US = 1_000
"""The least that the kernel grants in one period: the shorter the periods, the more even the slowness."""
_COARSE_PERIOD_US = 20_000
"""For half a core and more: with a millisecond's quota such a process spends a third of its time being stopped."""
_numbers = itertools.count()


@cache
def why_not() -> str | None:
    """Say why a process cannot be slowed down here; none when one can."""
    groups = _groups()
    if groups is None:
        return f"neither {_FIRST} nor {_SECOND} grants processors; it takes Linux with control groups"
    try:
        with cpu_limit() as group:
            group.grant(0.5)
            return None
    except OSError as error:
        return f"no control group can be made below {groups}: {error.strerror or error}"


def _groups() -> Path | None:
    """Return the folder of the version that grants processors here."""
    if (_FIRST / "cpu.cfs_quota_us").exists():
        return _FIRST
    controllers = _SECOND / "cgroup.controllers"
    return _SECOND if controllers.exists() and "cpu" in controllers.read_text().split() else None


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
        quota_us = round(period_us * cores)
        if self._is_second:
            self._write("cpu.max", f"{quota_us} {period_us}")
            return
        self.grant_all()  # The kernel looks at each of the two by itself.
        self._write("cpu.cfs_period_us", f"{period_us}")
        self._write("cpu.cfs_quota_us", f"{quota_us}")

    def grant_all(self) -> None:
        """Grant what there is."""
        if self._is_second:
            self._write("cpu.max", "max")
        else:
            self._write("cpu.cfs_quota_us", "-1")

    @property
    def _is_second(self) -> bool:
        return (self._folder / "cpu.max").exists()

    def _write(self, key: str, value: str) -> None:
        (self._folder / key).write_text(value)


@contextmanager
def cpu_limit() -> Iterator[CpuLimit]:
    """Make a group without a limit yet, and remove it in the end; processes that are left in it go on without it.

    Raises:
        OSError: the system does not let us.
    """
    groups = _groups() or _SECOND
    folder = groups / f"meshd-{os.getpid()}-{next(_numbers)}"
    folder.mkdir()
    try:
        if groups == _SECOND:
            (groups / "cgroup.subtree_control").write_text("+cpu")  # Groups of version 2 are asked for each controller.
        yield CpuLimit(folder)
    finally:
        for pid in (folder / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (groups / "cgroup.procs").write_text(pid)
        folder.rmdir()
