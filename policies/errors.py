"""What can be wrong with what a person gives to the training side. A message says where, what, and what to do."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import override


class PoliciesError(Exception):
    """Root of all errors of the training side."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @override
    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class FileUnusable(PoliciesError):
    """A file of a person is not of its form. They mend it; ``line`` counts from 1."""

    def __init__(self, path: Path | str, line: int | None, problem: str, *, hint: str = "") -> None:
        place = str(path) if line is None else f"{path}:{line}"
        super().__init__(f"{place}: {problem}", hint=hint)
        self.line = line


class OutputUnusable(PoliciesError):
    """What is asked for cannot be written where it was asked for."""


class UnknownFamily(PoliciesError):
    """There is no such family of worlds."""


class ExportFailed(PoliciesError):
    """A trained network cannot be written as the file that a daemon serves."""


class TrainingUnusable(PoliciesError):
    """A training cannot begin or go on where it was asked to."""


class NoPolicy(PoliciesError):
    """There is no learned policy where one was looked for, or it cannot be run."""


class TimingsUnusable(PoliciesError):
    """What real daemons answered is too little to fit a simulator to, or to hold it against."""


class WorkersUnusable(PoliciesError):
    """There is nowhere to run tasks: a library is missing, or a cluster does not answer."""


class TaskFailed(PoliciesError):
    """One of many tasks raised an error, or its process died; the message names it."""
