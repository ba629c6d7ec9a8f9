"""Where independent tasks run: processes of this machine, or Ray, here or on a cluster.

Whoever fans out asks the same of either: run one function on each of these tasks, and give what came of it. Tasks are
taken from their iterable as there is room, so that it may yield more of them than memory holds. Functions and types
travel by their names, so they belong in modules.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from itertools import islice
from multiprocessing import get_context, parent_process
from os import getpid
from threading import Thread
from traceback import format_exception
from typing import Annotated, Any, Protocol, TypeVar

import typer
from msgspec import Struct

from policies.errors import PoliciesError, TaskFailed
from policies.hands import Handle, Hands, Lost, first_line
from policies.ray_tasks import ray_tasks

Task = TypeVar("Task")
Came = TypeVar("Came")

OnRay = Annotated[bool, typer.Option("--ray", help="On Ray instead of a pool: on this machine, unless told where.")]
RayAddress = Annotated[str | None, typer.Option(help="Of a Ray cluster, host:port; --ray goes without saying.")]


class Workers(Protocol):
    """Somewhere that tasks run."""

    def each(
        self, work: Callable[[Task], Came], tasks: Iterable[Task], *, name: Callable[[Task], str] = str
    ) -> Iterator[tuple[Task, Came]]:
        """Yield every task with what came of it, in the order in which they end; ``name`` is for people.

        Raises:
            TaskFailed: one raised an error, or its process died. What still runs is given up.
            WorkersUnusable: there is nowhere to run them.

        """
        ...


class Pool(Struct, frozen=True):
    """Processes of this machine, each with one task at a time; a pool of one is this process."""

    n_processes: int = 1

    def each(
        self, work: Callable[[Task], Came], tasks: Iterable[Task], *, name: Callable[[Task], str] = str
    ) -> Iterator[tuple[Task, Came]]:
        """Yield every task with what came of it, in the order in which they end."""
        if self.n_processes == 1:
            return ((task, _came(_attempt(work, task), name(task))) for task in tasks)
        return _each(_processes(self.n_processes), work, tasks, name)


class Ray(Struct, frozen=True):
    """Ray: a small one of its own on this machine, or the cluster of an address."""

    n_processes: int = 1
    """Of a local one; a cluster has as many as its processors."""
    address: str | None = None

    def each(
        self, work: Callable[[Task], Came], tasks: Iterable[Task], *, name: Callable[[Task], str] = str
    ) -> Iterator[tuple[Task, Came]]:
        """Yield every task with what came of it, in the order in which they end."""
        return _each(ray_tasks(self.n_processes, self.address), work, tasks, name)


def workers_of(n_processes: int, *, ray: bool = False, address: str | None = None) -> Workers:
    """Return the workers that a command line asks for."""
    return Ray(n_processes, address) if ray or address else Pool(n_processes)


def in_order(
    workers: Workers, work: Callable[[Task], Came], tasks: Iterable[Task], *, name: Callable[[Task], str] = str
) -> Iterator[Came]:
    """Yield what came of each task, in the order of the tasks: the same on any workers."""
    early, next_place = dict[int, Came](), 0
    for (place, _), came in workers.each(
        partial(_work_unnumbered, work), enumerate(tasks), name=lambda numbered: name(numbered[1])
    ):
        early[place] = came
        while next_place in early:
            yield early.pop(next_place)
            next_place += 1


def _work_unnumbered(work: Callable[[Task], Came], numbered: tuple[int, Task]) -> Came:
    return work(numbered[1])


class _Failure(Struct, frozen=True):
    """What is left of an error that does not travel itself."""

    message: str
    hint: str


def _attempt(work: Callable[[Task], Came], task: Task) -> Came | _Failure:
    try:
        return work(task)
    except PoliciesError as error:
        return _Failure(error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told beside the task's name
        return _Failure(f"{type(error).__name__}: {error}", "".join(format_exception(error)))


def _came(came: Came | _Failure, name: str) -> Came:
    if isinstance(came, _Failure):
        raise TaskFailed(f"'{name}' failed: {came.message}", hint=came.hint)
    return came


def _each(
    opened: AbstractContextManager[Hands[Handle]],
    work: Callable[[Task], Came],
    tasks: Iterable[Task],
    name: Callable[[Task], str],
) -> Iterator[tuple[Task, Came]]:
    with opened as hands:
        waiting, under_way = iter(tasks), dict[Handle, Task]()
        while True:
            for task in islice(waiting, hands.room - len(under_way)):
                under_way[hands.begin(partial(_attempt, work, task))] = task
            if not under_way:
                return
            for handle in hands.ended(list(under_way)):
                task = under_way.pop(handle)
                yield task, _result(hands, handle, name(task))


def _result(hands: Hands[Handle], handle: Handle, name: str) -> Any:
    try:
        came = hands.result(handle)
    except Lost as lost:
        hint = f"If it was killed for want of memory: with fewer processes each has more. {lost}"
        raise TaskFailed(f"'{name}' was lost with the process that ran it.", hint=hint) from lost
    return _came(came, name)


class _Process:
    """One process of a pool of its own: when it dies, nobody has to guess whose task it had."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_end_with_parent)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is for who asked; that ends this.
        try:
            self._pid = self._pool.submit(getpid)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        self._task: Future[Any] | None = self._pid
        """None while one is being begun: Ctrl-C may come between the task and its future."""

    def begin(self, attempt: Callable[[], Any]) -> Future[Any]:
        """Begin a task."""
        self._task = None
        self._task = self._pool.submit(attempt)
        return self._task

    def end(self) -> None:
        """End it, also in the middle of a task."""
        if self._task is None or not self._task.done():
            self._pool.shutdown(wait=False, cancel_futures=True)
            with suppress(BrokenProcessPool, CancelledError, ProcessLookupError):
                os.kill(self._pid.result(), signal.SIGTERM)
        self._pool.shutdown()


def _end_with_parent() -> None:
    """End this process when the one that began it does: one that was killed ends nobody, and its pool would wait on."""
    parent = parent_process()
    assert parent is not None, "processes of a pool have one"

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True, name="parent").start()


class _Processes:
    """The processes of a pool."""

    def __init__(self, processes: Sequence[_Process]) -> None:
        self._idle = list(processes)
        self._busy: dict[Future[Any], _Process] = {}
        self.room = len(processes)

    def begin(self, attempt: Callable[[], Any]) -> Future[Any]:
        """Give a task to one that has none."""
        process = self._idle.pop()
        future = process.begin(attempt)
        self._busy[future] = process
        return future

    def ended(self, handles: Sequence[Future[Any]]) -> Sequence[Future[Any]]:
        """Wait until some have ended."""
        return list(wait(handles, return_when=FIRST_COMPLETED).done)

    def result(self, handle: Future[Any]) -> Any:
        """Return what came of a task."""
        self._idle.append(self._busy.pop(handle))
        try:
            return handle.result()
        except Exception as error:  # BrokenProcessPool, or whatever says that a result cannot travel.
            raise Lost(first_line(error)) from error


@contextmanager
def _processes(n_processes: int) -> Iterator[_Processes]:
    with ExitStack() as ends:
        processes = [_Process() for _ in range(n_processes)]
        for process in processes:
            ends.callback(process.end)
        yield _Processes(processes)
