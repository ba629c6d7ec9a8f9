"""Between the pure scheduler and the world: events in, commands out, one timer. There is no other concurrency."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from math import inf
from time import monotonic

from meshd import log
from meshd.core.commands import ChoosePlan, Command, Dispatch, Fork, RunBatch, RunStage
from meshd.core.events import CommandFailed, Event, TimePassed
from meshd.core.scheduler import Scheduler

Perform = Callable[[Command], None]
Record = Callable[[float, Event], None]


class Pump:
    """Feeds events to a scheduler one after the other and has its commands performed, all in the loop's thread.

    Performing a command may feed further events at once (a policy that answers, a short stage that is done); they
    wait their turn, so the scheduler is never entered twice.
    """

    def __init__(self, scheduler: Scheduler, record: Record | None = None) -> None:
        self._scheduler = scheduler
        self._perform: Perform = _not_started
        self._record = record
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Event] = deque()
        self._is_pumping = False
        self._is_stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_s = inf
        """When the timer fires."""
        self._log = log.get_logger()

    def start(self, perform: Perform) -> None:
        """Have commands performed, and let time pass from now on."""
        self._perform = perform
        self.feed(TimePassed())

    def stop(self) -> None:
        """Take in nothing more: what ends after this, such as a stage in its thread, has nobody to hear of it."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._wakes_s = None, inf

    def feed(self, event: Event) -> None:
        """Take in an event, and everything that follows from it at once."""
        if self._is_stopped:
            return
        self._inbox.append(event)
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._inbox:
                self._handle(self._inbox.popleft())
        finally:
            self._is_pumping = False
        self._set_timer()

    def _handle(self, event: Event) -> None:
        now = monotonic()  # Not the loop's time: uvloop's stands still within a turn and counts in milliseconds.
        if self._record is not None:
            self._record(now, event)
        for command in self._commanded(event, now):
            try:
                self._perform(command)
            except Exception:  # noqa: BLE001 - the same boundary, for each: those behind it are performed all the same
                self._log.exception(log.TASK_FAILED, task="pump", command_type=type(command).__name__)
                self._inbox.extend(_failures_of(command))
        if self._scheduler.lessons:
            self._learn()

    def _commanded(self, event: Event, now: float) -> Sequence[Command]:
        try:
            return self._scheduler.handle(event, now)
        except Exception:  # noqa: BLE001 - the task boundary: a defect costs the request it touches, never the daemon
            self._log.exception(log.TASK_FAILED, task="pump", event_type=type(event).__name__)
        commands = self._scheduler.give_up(event, now)
        if commands:
            self._inbox.append(TimePassed())
        return commands

    def _learn(self) -> None:
        """Have the scheduler learn while others have what they waited for."""
        try:
            self._scheduler.learn()
        except Exception:  # noqa: BLE001 - the same boundary: what cannot be learned costs no request
            self._log.exception(log.TASK_FAILED, task="pump", event_type="lesson")

    def _set_timer(self) -> None:
        """Have a timer no later than the next deadline; an early one only looks and sets itself again."""
        due_s = self._scheduler.next_deadline()
        if self._wakes_s <= due_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, due_s - monotonic()), self._timer_fired)
        self._wakes_s = due_s

    def _timer_fired(self) -> None:
        self._timer, self._wakes_s = None, inf
        self.feed(TimePassed())


def _failures_of(command: Command) -> Iterator[CommandFailed]:
    """Yield what to tell of a command that could not be performed, where a request would wait for what comes of it."""
    match command:
        case RunStage():
            yield CommandFailed(request_id=command.request_id, attempt=command.attempt)
        case RunBatch():
            for request_id, attempt in command.members:
                yield CommandFailed(request_id=request_id, attempt=attempt)
        case ChoosePlan():
            yield CommandFailed(request_id=command.observation.request_id)
        case Dispatch() | Fork():
            yield CommandFailed(request_id=command.request_id)


def _not_started(command: Command) -> None:
    raise AssertionError(f"the pump was not started: {command}")
