"""A process that tries one model, watched from outside and killed when it breaks a limit."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Self

import psutil

from model_registry.admission import refusals
from model_registry.admission.admitted import Admitted
from model_registry.admission.report import Failed, Order, Passed, Reached, Ready, Report, Reports, Step
from model_registry.errors import Refused

_WATCH_S = 0.02
"""The kernel refuses what a model asks for at once; looking at it is for systems where it does not."""
_START_S = 60.0
"""For the interpreter to start, and for the runtime: 0.2 s on a laptop, seconds on a watch whose disk is busy."""
_EXCERPT = 200


class TrialProcess:
    """A context: starts a fresh interpreter for one order, and leaves nothing of it behind."""

    def __init__(self, order: Order, content: bytes, called_off: Event) -> None:
        self._order = order
        self._content = content
        self._called_off = called_off
        self._limits = order.limits
        self._stack = ExitStack()
        self._reports = Reports()
        self._doing: Step | None = None
        self._runtime_bytes: int | None = None
        self._end: Passed | Failed | None = None
        self._due_s = monotonic() + _START_S

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(TemporaryDirectory(prefix="meshd-trial-"))
            order = stack.enter_context(TemporaryFile())
            self._order.write(order, self._content)
            order.seek(0)
            self._said = stack.enter_context(TemporaryFile())
            self._pipe, theirs = os.pipe()
            stack.callback(os.close, self._pipe)
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this very interpreter.
                    [sys.executable, "-P", "-m", "model_registry.admission.child", str(os.getpid())],
                    stdin=order, stdout=theirs, stderr=self._said, cwd=folder, env=_environment(folder),
                    start_new_session=True,
                )  # fmt: skip
            finally:
                os.close(theirs)
            stack.callback(self._kill)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def verdict(self) -> Admitted:
        """Watch until it ends.

        Raises:
            Refused: the model broke a limit, or the process died of it.
        """
        try:
            while self._heard():
                if self._called_off.is_set():
                    raise refusals.not_tried("the trial was called off.")
                self._check_time()
                self._check_memory()
        except ValueError as error:  # msgspec's errors are such too.
            raise refusals.crashed(self._activity, f"a report that is none ({error})") from error
        match self._end:
            case Passed():
                return self._end.admitted
            case Failed():
                raise Refused(self._end.limit, self._end.message, hint=self._end.hint)
            case None:
                raise self._meaning(self._process.wait())

    @property
    def _activity(self) -> str:
        return self._doing or "starting"

    def _heard(self) -> bool:
        """Take in what it reports, waiting a moment, and tell whether there may be more."""
        readable, _, _ = select.select([self._pipe], [], [], _WATCH_S)
        if not readable:
            return True
        content = os.read(self._pipe, 1 << 16)
        for report in self._reports.feed(content):
            self._take(report)
        return bool(content)

    def _take(self, report: Report) -> None:
        match report:
            case Reached():
                if report.step == "starting the runtime":  # That takes this machine's time, and none of the model's.
                    self._due_s = monotonic() + _START_S
                elif self._doing is None:
                    self._due_s = monotonic() + self._limits.wall_s
                self._doing = report.step
            case Ready():
                self._runtime_bytes, self._doing = report.resident_bytes, "loading"
                self._due_s = monotonic() + self._limits.wall_s
            case Passed() | Failed():
                self._end = report

    def _check_time(self) -> None:
        if monotonic() < self._due_s:
            return
        if self._doing in (None, "starting the runtime"):
            raise refusals.not_tried(f"its trial process had not begun after {_START_S:g} s.")
        raise refusals.too_slow(self._doing, self._limits.wall_s)

    def _check_memory(self) -> None:
        if self._runtime_bytes is None:
            return
        with suppress(psutil.Error):
            taken_bytes = psutil.Process(self._process.pid).memory_info().rss - self._runtime_bytes
            if taken_bytes > self._limits.memory_bytes:
                raise refusals.too_much_memory(self._activity, self._limits.memory_bytes, taken_bytes=taken_bytes)

    def _meaning(self, status: int) -> Refused:
        """Return what the end of a process without a verdict means."""
        if status == -signal.SIGXCPU:
            return refusals.too_much_computing(self._activity, self._limits.computing_s)
        if status == -signal.SIGKILL:
            return refusals.not_tried(f"the system, most likely short of memory, killed it while {self._activity}.")
        said = self._excerpt()
        if refusals.speaks_of_memory(said):
            return refusals.too_much_memory(self._activity, self._limits.memory_bytes, taken_bytes=0)
        end = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return refusals.crashed(self._activity, f"{end} ({said})" if said else end)

    def _excerpt(self) -> str:
        """Return the last line that it wrote, short and printable: a stranger's model may have chosen it."""
        size = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, size - 4 * _EXCERPT))
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else ""
        return "".join(c if c.isprintable() else "?" for c in last[:_EXCERPT])

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _environment(home: str) -> dict[str, str]:
    """Return all that the child needs: where the code is, and that nobody starts threads or reports to a vendor."""
    return {
        "HOME": home,
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
    }
