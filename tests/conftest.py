"""What every test must leave as it found it: no task, thread, child, socket or file outlives the test."""

import asyncio
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

# An example may take as long as it takes: where several processes share a core, a pause is no defect.
settings.register_profile("meshd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("meshd")

# How long a thread, task or child that was told to stop may take to be gone.
GRACE_S = 10.0


@pytest.fixture(autouse=True)
def _nothing_leaked() -> Iterator[None]:
    threads, children, files = set(threading.enumerate()), _children(), _open_files()
    yield
    leaked = [f"thread {thread.name}" for thread in _outliving(threads)]
    leaked += [f"child process {child}" for child in _surviving(children)]
    leaked += [f"open {target}" for target in _still_open(files)]
    if leaked:
        pytest.fail("leaked by this test: " + ", ".join(leaked))


@pytest.fixture(autouse=True)
def _no_task_leaked(request: pytest.FixtureRequest, _nothing_leaked: None) -> None:
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_tasks_of_the_loop")


@pytest_asyncio.fixture
async def _tasks_of_the_loop() -> AsyncIterator[None]:
    yield
    # Set up before every fixture that the test names, so this runs after all of them are torn down.
    leaked = asyncio.all_tasks() - {asyncio.current_task()}
    if leaked:
        _, leaked = await asyncio.wait(leaked, timeout=GRACE_S)
    if leaked:
        pytest.fail("leaked by this test: " + ", ".join(f"task {task.get_name()}" for task in leaked))


def _outliving(before: set[threading.Thread]) -> list[threading.Thread]:
    started = [thread for thread in threading.enumerate() if thread not in before]
    for thread in started:
        thread.join(timeout=GRACE_S)
    return [thread for thread in started if thread.is_alive()]


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _surviving(before: set[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(_children() - before, timeout=GRACE_S)
    return alive


def _still_open(before: dict[str, str]) -> list[str]:
    if _open_files().items() <= before.items():
        return []
    gc.collect()  # What only a reference cycle holds is closed now, with the ResourceWarning it deserves.
    return [target for fd, target in _open_files().items() if before.get(fd) != target]


def _open_files() -> dict[str, str]:
    """Sockets, pipes and files by descriptor; empty where the system does not list them (not Linux)."""
    found = {}
    for link in Path("/proc/self/fd").glob("*"):
        try:
            target = str(link.readlink())
        except OSError:  # The descriptor that lists the folder is gone by now.
            continue
        # Opened once and kept by libraries: /dev/urandom, /proc and /sys figures, the event poll, matplotlib's fonts.
        if not target.startswith(("/dev/", "/proc/", "/sys/", "anon_inode:")) and "/mpl-data/fonts/" not in target:
            found[link.name] = target
    return found
