"""What requests have taught a policy, on disk: one small file in the state directory of each device."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from time import monotonic

import msgspec

from meshd import log
from meshd.core.ids import ModelName
from meshd.documents import Done
from meshd.errors import NotForgotten
from meshd.net.files import write_atomically
from meshd.policy.experience import Experience, Kept
from model_registry.small_file import read_json

_SAVE_EVERY_S = 300.0
"""Seldom enough for a memory card; what a crash loses is learned again."""


class ExperienceFile:
    """Keeps experience over restarts. Without the file, or under another policy, it begins afresh.

    A person may delete the file at any time: then all is forgotten, by a daemon that runs within minutes.
    """

    def __init__(self, path: Path, experience: Experience) -> None:
        self._path = path
        self._experience = experience
        self._saved_lessons = 0
        self._is_there = False
        self._disk = asyncio.Lock()
        """Held from what is to be written until it is: a reset neither meets a save half-way nor is undone by one."""
        self._closing = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    def read(self) -> None:
        """Take back what was kept; what is no such file, or another policy's, is told in the log and left."""
        try:
            kept = read_json(self._path, Kept)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            self._refuse(str(error))
            return
        self._is_there = self._experience.remember(kept, monotonic())
        if not self._is_there:
            self._refuse("the choices of another policy taught it")

    def start(self) -> None:
        """Save now and then; a disk that takes its time holds nobody up."""
        self._keeping = asyncio.create_task(self._keep(), name="experience")

    async def aclose(self) -> None:
        """Save what is new, and no more."""
        self._closing.set()
        if self._keeping is not None:
            await self._keeping
        await self.save()

    async def save(self) -> None:
        """Save what is new; forget all where a person has deleted the file."""
        async with self._disk:
            if self._is_there and await asyncio.to_thread(self._is_deleted):
                self._forget()
                return
            if (lessons := self._experience.lessons) == self._saved_lessons:
                return
            if await asyncio.to_thread(self._write, msgspec.json.encode(self._experience.kept())):
                self._saved_lessons = lessons

    async def reset(self, _model: ModelName) -> Done:
        """Forget all; an order that names no model.

        Raises:
            NotForgotten: the file cannot be removed.
        """
        async with self._disk:
            self._forget()
            await asyncio.to_thread(self._remove)
        return Done(sentence="What requests had taught the policy here is forgotten.")

    async def _keep(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _SAVE_EVERY_S)
            await self.save()

    def _forget(self) -> None:
        self._experience.forget()
        self._is_there, self._saved_lessons = False, self._experience.lessons
        log.get_logger().info(log.EXPERIENCE_RESET)

    def _is_deleted(self) -> bool:
        """Tell whether a person has deleted the file; a disk that does not answer has deleted nothing."""
        try:
            self._path.lstat()
        except FileNotFoundError:
            return True
        except OSError as error:
            self._refuse(str(error))
        return False

    def _write(self, content: bytes) -> bool:
        """Tell whether it is on disk; where not, the next save tries again."""
        try:
            write_atomically(self._path, content, mode=0o600)
        except OSError as error:
            self._refuse(str(error))
            return False
        self._is_there = True
        return True

    def _remove(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            message = f"What requests had taught the policy is forgotten, but comes back at the next start: {error}."
            hint = "Delete the file, or let the daemon's user write to its folder and reset again."
            raise NotForgotten(message, hint=hint) from error

    def _refuse(self, reason: str) -> None:
        log.get_logger().warning(log.EXPERIENCE_REFUSED, path=str(self._path), reason=reason)
