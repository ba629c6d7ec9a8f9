"""A process that dies at the n-th call that changes anything on disk, wherever in the store that is."""

import io
import os
import sys
from collections.abc import Callable
from types import FrameType

DIED = 9
FAILED = 1
# The calls of `os`, of `fcntl` and of open files after which a disk, or who may change it, is another than before. To
# die before one that only reads is to die before the next of these.
_CHANGES = {
    *("open", "mkdir", "unlink", "replace", "truncate", "utime"),
    *("write", "pwrite", "flush", "fsync", "close", "__exit__", "flock"),
}
_MODULES = {"posix", "fcntl"}
_FILES = (io.FileIO, io.BufferedRandom, io.BufferedReader)


def dies(act: Callable[[], object], *, before_change: int) -> bool:
    """Act in a forked child that dies right before its n-th change (from 1) of the disk; tell whether it died."""
    child = os.fork()
    if child == 0:
        try:
            sys.setprofile(_Executioner(before_change))
            act()
        except BaseException as error:  # noqa: BLE001  Nothing may leave the child: it is a copy of the test run.
            sys.setprofile(None)
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(FAILED)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, DIED), f"the child failed in itself: {status}"
    return status == DIED


class _Executioner:
    """Counts the calls that change something."""

    def __init__(self, before_change: int) -> None:
        self._left = before_change

    def __call__(self, frame: FrameType, event: str, called: object) -> None:
        if event == "c_call" and _changes_something(called):
            self._left -= 1
            if self._left == 0:
                os._exit(DIED)


def _changes_something(called: object) -> bool:
    module, owner = getattr(called, "__module__", None), getattr(called, "__self__", None)
    return getattr(called, "__name__", "") in _CHANGES and (module in _MODULES or isinstance(owner, _FILES))
