"""What a store asks of its disk: one change at a time, files that appear whole or not at all, errors with a name."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom, FileIO
from pathlib import Path
from tempfile import mkstemp

from model_registry.errors import RegistryError, StoreBusy, StoreFailed, StoreFull, StoreReadOnly

PARTIAL = ".partial"
# A bundle of gigabytes is copied in less on any disk that can hold it; whoever holds on longer was stopped by hand.
_PATIENCE_S = 60.0
_RETRY_S = 0.01

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def changing(root: Path) -> Iterator[None]:
    """Be the only one, of all threads and processes, that changes the store at `root`; a death ends it as well.

    Raises:
        StoreBusy: someone else has been changing it for longer than any change takes.
        StoreFull, StoreReadOnly, StoreFailed: the disk refused the change.

    """
    with translated(root):
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(descriptor, root)
            yield
        finally:
            os.close(descriptor)


@contextmanager
def translated(root: Path) -> Iterator[None]:
    """Let no error of the operating system out of the store: say which disk refused what, and what to do."""
    try:
        yield
    except OSError as error:
        raise _refusal(error, root) from error


@contextmanager
def appearing(destination: Path, drafts: Path) -> Iterator[BufferedRandom]:
    """Give a file that appears at `destination` whole and on disk, or not at all."""
    with drafting(drafts) as (draft, path):
        yield draft
        publish(draft, path, destination)


@contextmanager
def drafting(drafts: Path) -> Iterator[tuple[BufferedRandom, Path]]:
    """Give a file to write that is gone in the end, unless it was published."""
    descriptor, name = mkstemp(dir=drafts, suffix=PARTIAL)
    with os.fdopen(descriptor, "w+b") as draft:
        try:
            yield draft, Path(name)
        finally:
            Path(name).unlink(missing_ok=True)


def publish(draft: BufferedRandom | FileIO, path: Path, destination: Path) -> None:
    """Let a finished draft appear under its name, and make that survive a power cut."""
    draft.flush()
    os.fsync(draft.fileno())
    path.replace(destination)
    sync_folder(destination.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed or removed inside the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file for good; that it is not there is as good."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)


def listed(folder: Path, pattern: str = "*") -> list[Path]:
    """Return the files of a folder, sorted; none where there is no such folder."""
    return sorted(folder.glob(pattern))


def measured(folder: Path, pattern: str = "*") -> dict[str, os.stat_result]:
    """Return what the system says of each file of a folder, by its stem; without those that vanish meanwhile."""
    found = {}
    for path in listed(folder, pattern):
        with suppress(FileNotFoundError):
            found[path.stem] = path.stat()
    return found


def _lock(descriptor: int, root: Path) -> None:
    give_up = time.monotonic() + _PATIENCE_S
    while not taken(descriptor):
        if time.monotonic() > give_up:
            raise StoreBusy(
                f"Another process has been changing the models in {root} for {_PATIENCE_S:.0f} s.",
                hint="Let it finish or end it: it may be a `meshd models` command that was stopped.",
            )
        time.sleep(_RETRY_S)


def taken(descriptor: int) -> bool:
    """Lock a file or folder for as long as it stays open, unless somebody else did; tell which."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refusal(error: OSError, root: Path) -> RegistryError:
    what = f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    if error.errno in _FULL:
        return StoreFull(f"There is no room for it on the disk of {root} ({what}).", hint="Free some space there.")
    if error.errno in _READ_ONLY:
        return StoreReadOnly(
            f"The models in {root} cannot be changed ({what}).",
            hint="Mount its disk for writing, or give its folder to the user that meshd runs as.",
        )
    return StoreFailed(f"The disk of {root} failed ({what}).", hint="Look at the disk: it may be dying.")
